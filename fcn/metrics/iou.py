"""The four numbers of the FCN paper (section 5), from hits, labelled and called pixels of each class.

With n_ij pixels of class i called j, t_i = sum_j n_ij (labelled), called_i = sum_j n_ji and C classes:
    pixel_accuracy          sum_i n_ii / sum_i t_i
    mean_accuracy           1/C sum_i n_ii / t_i
    mean_iou                1/C sum_i n_ii / (t_i + called_i - n_ii)
    frequency_weighted_iou  sum_i t_i iou_i / sum_k t_k
What a class is worth that does not occur, the paper does not say, and results differ by it: it counts 0 ("zero"), or
it does not count ("nan").
"""

import dataclasses

import numpy as np

NAMES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")


@dataclasses.dataclass(frozen=True)
class Ratios:
    """A score as a weighted sum of ratios of sums over images, for confidence.py: sum_k weight_k A_k / B_k.

    above, below: float64 (images, K), whose sums over images are A and B > 0. weight: (K,). besides: (images,), the
    influence of each image on the weights, 0 where these are constants. images: how many have labelled pixels.
    """

    above: np.ndarray
    below: np.ndarray
    weight: np.ndarray
    besides: np.ndarray
    images: int


def counts(confusion, ignored_ids=()):
    """(hits, labelled, called), float64 (K,), of the K classes of a matrix that are not ignored.

    confusion: int64 (C, C), rows labels, columns predictions. Pixels whose label is ignored count nowhere.
    """
    scored = [i for i in range(len(confusion)) if i not in ignored_ids]
    rows = confusion[scored]
    return (np.diag(confusion)[scored].astype(np.float64), rows.sum(axis=1).astype(np.float64),
            rows.sum(axis=0)[scored].astype(np.float64))


def per_class(hits, labelled, called):
    """(IoU, accuracy) of each class, float64 of the arguments' shape; NaN where a value is not defined."""
    return _ratio(hits, labelled + called - hits), _ratio(hits, labelled)


def numbers(hits, labelled, called, *, absent):
    """{each of NAMES: fractions in [0, 1]}, float64 (...); 0 where no pixel is labelled.

    hits, labelled, called: float64 (..., K). absent: "zero" or "nan", what a class without a defined value counts.
    """
    iou, accuracy = per_class(hits, labelled, called)
    pixels = np.maximum(labelled.sum(axis=-1), 1)
    return {"pixel_accuracy": hits.sum(axis=-1) / pixels,
            "mean_accuracy": _mean(accuracy, absent),
            "mean_iou": _mean(iou, absent),
            "frequency_weighted_iou": (labelled * np.nan_to_num(iou)).sum(axis=-1) / pixels}


def ratios(hits, labelled, called, *, absent):
    """{each of NAMES: Ratios}, whose weighted sum is what numbers() gives for the sums over all images.

    hits, labelled, called: float64 (images, K). Classes that no image has labelled pixels of are left out: their share
    of a score is 0, or they do not count.
    """
    pixels = labelled.sum(axis=0)
    there, union = pixels > 0, labelled + called - hits
    steady, images = np.zeros(len(hits)), int((labelled.sum(axis=1) > 0).sum())

    def mean(below):
        defined = len(pixels) if absent == "zero" else (below.sum(axis=0) > 0).sum()
        return Ratios(hits[:, there], below[:, there], np.full(there.sum(), 1 / max(defined, 1)), steady, images)

    total = labelled.sum(axis=1, keepdims=True)
    frequency = pixels[there] / max(pixels.sum(), 1)
    iou = hits[:, there].sum(axis=0) / union[:, there].sum(axis=0)
    moved = (labelled[:, there] - frequency * total) / max(pixels.sum(), 1)
    return {"pixel_accuracy": Ratios(hits.sum(axis=1, keepdims=True), total, np.ones(1), steady, images),
            "mean_accuracy": mean(labelled), "mean_iou": mean(union),
            "frequency_weighted_iou": Ratios(hits[:, there], union[:, there], frequency, moved @ iou, images)}


def _ratio(above, below):
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def _mean(values, absent):
    """Over the last axis."""
    defined = values.shape[-1] if absent == "zero" else np.isfinite(values).sum(axis=-1)
    return np.nan_to_num(values).sum(axis=-1) / np.maximum(defined, 1)
