"""What a score is compared with: nets that do not look at the image, and published results.

Published rows are of the data set's own split and protocol, which are named in their source; None is a number that the
source does not give.
"""

import math

import numpy as np

from fcn.data.layouts import _ade20k_classes, camvid, voc
from fcn.metrics import iou
from fcn.metrics.confusion import Sums
from fcn.metrics.protocols import benchmark

ADE20K = "2,000 validation images, benchmark protocol"
SEG11 = "seg11valid: VOC 2011 validation without SBD's training images, berkeley protocol"
CAMVID = "test images at 480 x 360"

# (name, pixel accuracy, mean accuracy, mean IoU, frequency weighted IoU, source)
PUBLISHED = {
    "ade20k": (
        ("FCN-8s of the benchmark's authors", 0.7132, 0.4032, 0.2939, 0.5733,
         f"{ADE20K}; unverified, sceneparsing's README shows it as a picture only; its issue 16 measured 71.95 % pixel "
         "accuracy of the released net"),
        ("DilatedNet of the benchmark's authors", 0.736, 0.446, 0.323, 0.601,
         f"{ADE20K}; quoted in CSAILVision/sceneparsing issue 7"),
        ("DilatedNet, trained again by a user", 0.7146, 0.3212, 0.2440, 0.5676,
         "2,000 validation images, berkeley protocol; CSAILVision/sceneparsing issue 7"),
        ("FCN-R50-D8, 80k steps", None, None, 0.3594, None,
         f"{ADE20K}; open-mmlab/mmsegmentation, configs/fcn/README.md"),
        ("MobileNetV2dilated + C1_deepsup", 0.7575, None, 0.3484, None,
         f"{ADE20K}; CSAILVision/semantic-segmentation-pytorch, README.md"),
        ("the tutorial's FCN-8s, VGG-19", 0.6307, 0.2297, 0.1756, 0.4805,
         "tutorial protocol at 224 x 224, not comparable with the others; SemanticSegmentation.ipynb"),
    ),
    "camvid": (
        ("ENet", None, None, 0.5285, None, f"{CAMVID}; davidtvs/PyTorch-ENet, save/README.md"),
        ("SegNet", 0.886, 0.659, 0.502, None,
         "as the paper's figures are quoted in GitLanx/Semantic-Segmentation-PyTorch, README.md"),
    ),
    "voc": (
        ("FCN-32s", None, None, 0.636, None, f"{SEG11}; shelhamer/fcn.berkeleyvision.org, README.md"),
        ("FCN-16s", None, None, 0.650, None, f"{SEG11}; shelhamer/fcn.berkeleyvision.org, README.md"),
        ("FCN-8s", None, None, 0.655, None, f"{SEG11}; shelhamer/fcn.berkeleyvision.org, README.md"),
        ("FCN-16s, MatConvNet", 0.9008, 0.7781, 0.6225, None,
         f"{SEG11}; vlfeat/matconvnet-fcn, README.md, whose two accuracies stand under each other's heading"),
    ),
}
CLASSES = {"ade20k": ("other", *(name for name, _ in _ade20k_classes.CLASSES)),
           "camvid": tuple(name for name, _ in camvid.CLASSES), "voc": voc.NAMES}


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


def best_constant(sums, class_names, ids=None):
    """The row of always answering the most frequent of `ids` (all by default), by the benchmark protocol.

    sums: of the scored classes; only what is labelled counts.
    """
    labelled = sums.labelled.sum(axis=0)
    best = max(ids or sums.ids, key=lambda i: labelled[sums.ids.index(i)])
    of_best = np.array(sums.ids) == best
    answers = Sums(sums.ids, (labelled * of_best)[None], labelled[None], (labelled.sum() * of_best)[None])
    found = benchmark.compute(answers, np.ones((1, 1)), ids)
    return _row(f"always '{class_names[best]}'", [float(found[name][0]) for name in iou.NAMES],
                "the most frequent class of these images as the only answer, benchmark protocol")


def published_results(layout, class_names):
    """The rows of a data set, [] where none are known. The data set is recognised by its layout and class names."""
    if CLASSES.get(layout) != tuple(class_names):
        return []
    return [_row(name, scores, source) for name, *scores, source in PUBLISHED[layout]]


def _row(name, scores, source):
    return {"name": name, **dict(zip(iou.NAMES, scores, strict=True)), "source": source}
