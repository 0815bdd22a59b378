"""Baselines of a score: constant and class-prior predictions, and published results.

The source of a published result names its split and protocol. None is a number that the source does not give.
"""

import math

import numpy as np

from fcn.data.layouts import _ade20k_classes, camvid, nyudv2, voc
from fcn.metrics import iou
from fcn.metrics.confusion import Sums
from fcn.metrics.protocols import benchmark

ADE20K = "2,000 validation images, benchmark protocol"
SEG11 = "seg11valid: VOC 2011 validation without SBD's training images, berkeley protocol"
CAMVID = "test images at 480 x 360"
NYUD = "654 test images; Long, Shelhamer & Darrell, CVPR 2015, table 4"

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
        ("FC-DenseNet103", 0.915, None, 0.669, None, f"{CAMVID}; Jegou et al. 2017"),
        ("Dilation8", 0.790, None, 0.653, None, f"{CAMVID}; unverified, widely quoted from the table of Jegou et al."),
        ("DeepLab-LFOV", None, None, 0.616, None,
         f"{CAMVID}; unverified, widely quoted from the table of Jegou et al."),
        ("FCN-8s, VGG-16", 0.880, None, 0.570, None,
         f"{CAMVID}; unverified, widely quoted from the table of Jegou et al."),
        ("ENet", None, None, 0.5285, None, f"{CAMVID}; davidtvs/PyTorch-ENet, save/README.md"),
        ("SegNet", 0.886, 0.659, 0.502, None,
         "as the paper's figures are quoted in GitLanx/Semantic-Segmentation-PyTorch, README.md"),
    ),
    "nyudv2": (
        ("FCN-16s, RGB and HHA", 0.654, 0.461, 0.340, 0.495, NYUD),
        ("FCN-32s, RGB and HHA", 0.643, 0.449, 0.328, 0.480, NYUD),
        ("FCN-32s, RGB and depth", 0.615, 0.424, 0.305, 0.455, NYUD),
        ("FCN-32s, RGB", 0.600, 0.422, 0.292, 0.439, NYUD),
        ("Gupta et al.", 0.603, None, 0.286, 0.470, NYUD),
        ("Light-Weight RefineNet-50", None, None, 0.424, None,
         "654 test images; about 42.4, README.md of DrSleep/light-weight-refinenet"),
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
           "camvid": tuple(name for name, _ in camvid.CLASSES), "nyudv2": nyudv2.NAMES, "voc": voc.NAMES}


def numbers(class_pixels, spec, channels=None, trained_ids=None, class_weights=None, loss="cross_entropy",
            scored_pixels=None):
    """(uniform_nats, prior_nats, constant_accuracy): baselines of the loss in nats and of pixel accuracy in [0, 1].

    uniform_nats: ln(channels), the loss of a net with all logits zero. prior_nats: entropy of the class frequencies
    (with class_weights), the smallest loss without using the image. Both are None for a loss other than cross entropy.
    constant_accuracy: share of the most frequent scored class.

    class_pixels: (ids,) pixels of each id. channels: of the net. trained_ids: ids that count in the loss. The defaults
    of both are those of the spec. scored_pixels: class_pixels of the scores, where boundary pixels make them differ.
    """
    trained = list(spec.scored_ids if trained_ids is None else trained_ids)
    weights = np.ones(len(trained)) if class_weights is None else np.array([class_weights[i] for i in trained])
    counts = np.asarray([class_pixels[i] for i in trained], np.float64) * weights
    share = counts / max(counts.sum(), 1e-30)
    present = share[share > 0]
    scored = np.asarray([(class_pixels if scored_pixels is None else scored_pixels)[i] for i in spec.scored_ids],
                        np.float64)
    constant = float(scored.max(initial=0) / max(scored.sum(), 1))
    if loss != "cross_entropy":
        return None, None, constant
    return math.log(channels or spec.num_classes), float(-(present * np.log(present)).sum()), constant


def sentence(class_pixels, spec, channels=None, trained_ids=None, class_weights=None, loss="cross_entropy",
             scored_pixels=None):
    """The line on baselines at the start of a run. Arguments as in numbers()."""
    uniform, prior, constant = numbers(class_pixels, spec, channels, trained_ids, class_weights, loss,
                                       scored_pixels)
    best = max(spec.scored_ids, key=lambda i: (class_pixels if scored_pixels is None else scored_pixels)[i])
    accuracy = f"predicting '{spec.class_names[best]}' for every pixel has pixel accuracy {constant:.3f}"
    if uniform is None:
        return f"baselines: {accuracy}"
    weighted = ", weighted as the loss" if class_weights is not None else ""
    return (f"baselines: a zero-initialised net starts at loss ln {channels or spec.num_classes} = {uniform:.3f}; "
            f"predicting the class frequencies has loss {prior:.3f}{weighted}: a net that stays there ignores its "
            f"images; {accuracy}")


def best_constant(sums, class_names, ids=None):
    """Scores of predicting the most frequent class for every pixel, by the benchmark protocol.

    sums: confusion.Sums of the scored classes. ids: of the classes in the means; None for all. Returns a dict with
    "name", iou.NAMES and "source", like published_results().
    """
    target_pixels = sums.target_pixels.sum(axis=0)
    best = max(ids or sums.ids, key=lambda i: target_pixels[sums.ids.index(i)])
    of_best = np.array(sums.ids) == best
    constant = Sums(sums.ids, (target_pixels * of_best)[None], target_pixels[None],
                    (target_pixels.sum() * of_best)[None])
    found = benchmark.compute(constant, np.ones((1, 1)), ids)
    return _row(f"always '{class_names[best]}'", [float(found[name][0]) for name in iou.NAMES],
                "the most frequent class of these images as constant prediction, benchmark protocol")


def published_results(layout, class_names):
    """Published results of a data set, a list of dicts; [] without any.

    The data set is recognised by the name of its layout and its class names.
    """
    if CLASSES.get(layout) != tuple(class_names):
        return []
    return [_row(name, scores, source) for name, *scores, source in PUBLISHED[layout]]


def _row(name, scores, source):
    return {"name": name, **dict(zip(iou.NAMES, scores, strict=True)), "source": source}
