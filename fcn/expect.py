"""What to expect before a run: the three numbers that tell a net that learns from one that does not."""

import math

import numpy as np


def floor(class_pixels, spec):
    """(uniform_nats, prior_nats, constant_accuracy) of labelled pixels.

    uniform_nats: ln(number of channels), the loss of a net whose scores start at zero. prior_nats: entropy of the
    class frequencies, the best loss that a net reaches without looking at the image. constant_accuracy: share of
    the most frequent class, in [0, 1]. class_pixels: (256,) pixels by id.
    """
    counts = np.asarray([class_pixels[i] for i in spec.scored_ids], np.float64)
    share = counts / max(counts.sum(), 1)
    seen = share[share > 0]
    return math.log(spec.num_classes), float(-(seen * np.log(seen)).sum()), float(share.max(initial=0))


def sentence(class_pixels, spec):
    """The first line of a run."""
    uniform, prior, constant = floor(class_pixels, spec)
    best = max(spec.scored_ids, key=lambda i: class_pixels[i])
    return (f"what to expect: a zero-initialised net starts at loss ln {spec.num_classes} = {uniform:.3f}; guessing by "
            f"class frequency alone gives {prior:.3f}, so a loss stuck there has learnt nothing of the images; always "
            f"answering '{spec.class_names[best]}' gives pixel accuracy {constant:.3f}")
