"""What a training run starts from: the loss and the pixel accuracy of nets that do not look at the image."""

import math

import numpy as np


def numbers(class_pixels, spec, channels=None, trained_ids=None, class_weights=None, loss="cross_entropy"):
    """(uniform_nats, prior_nats, constant_accuracy) of labelled pixels; with another loss the first two are None.

    uniform_nats: ln(number of channels), the loss of a net whose scores start at zero. prior_nats: entropy of the
    class frequencies, weighted as the loss is, the best loss that a net reaches without looking at the image.
    constant_accuracy: share of the most frequent class, in [0, 1]. class_pixels: (256,) pixels by id. channels: of the
    net, trained_ids: ids that count in the loss; both those of the spec unless other.
    """
    trained = list(spec.scored_ids if trained_ids is None else trained_ids)
    weights = np.ones(len(trained)) if class_weights is None else np.array([class_weights[i] for i in trained])
    counts = np.asarray([class_pixels[i] for i in trained], np.float64) * weights
    share = counts / max(counts.sum(), 1e-30)
    seen = share[share > 0]
    scored = np.asarray([class_pixels[i] for i in spec.scored_ids], np.float64)
    constant = float(scored.max(initial=0) / max(scored.sum(), 1))
    if loss != "cross_entropy":
        return None, None, constant
    return math.log(channels or spec.num_classes), float(-(seen * np.log(seen)).sum()), constant


def sentence(class_pixels, spec, channels=None, trained_ids=None, class_weights=None, loss="cross_entropy"):
    """The first line of a run; arguments as in numbers()."""
    uniform, prior, constant = numbers(class_pixels, spec, channels, trained_ids, class_weights, loss)
    best = max(spec.scored_ids, key=lambda i: class_pixels[i])
    answer = f"always answering '{spec.class_names[best]}' gives pixel accuracy {constant:.3f}"
    if uniform is None:
        return f"what to expect: {answer}"
    weighted = " (weighted as the loss is)" if class_weights is not None else ""
    return (f"what to expect: a zero-initialised net starts at loss ln {channels or spec.num_classes} = {uniform:.3f}; "
            f"guessing by class frequency alone gives {prior:.3f}{weighted}, so a loss stuck there has learnt nothing "
            f"of the images; {answer}")
