"""The scores of the FCN paper (section 5), F-score and precision, from the pixels of each class.

With n_ij pixels of class i predicted as j, target pixels t_i = sum_j n_ij, predicted pixels p_i = sum_j n_ji and C
classes:

    pixel_accuracy          sum_i n_ii / sum_i t_i
    mean_accuracy           1/C sum_i n_ii / t_i
    mean_iou                1/C sum_i n_ii / (t_i + p_i - n_ii)
    frequency_weighted_iou  sum_i t_i iou_i / sum_k t_k
    mean_f_score            1/C sum_i 2 n_ii / (t_i + p_i)
    mean_precision          1/C sum_i n_ii / p_i

n_ii are the true positives, t_i the target pixels and p_i the predicted pixels of a class. The accuracy of a class is
its recall. Its F-score (F1) is its Dice coefficient, 2 IoU / (1 + IoU): F-score and IoU of one class rank two nets
alike, means over classes need not. NAMES are in every protocol, MORE_NAMES in all but plugins and diva_layout.

The paper does not define the value of an absent class. Published results differ in it: the class counts 0 (absent =
"zero"), or is left out of the mean ("nan").
"""

import dataclasses

import numpy as np

NAMES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")
MORE_NAMES = ("mean_f_score", "mean_precision")


@dataclasses.dataclass(frozen=True)
class Ratios:
    """A score as a weighted sum of ratios, sum_k weight_k A_k / B_k, for confidence.py.

    above, below: float64 (images, K); their sums over images are A and B > 0. weight: (K,).
    weight_influence: (images,), influence of each image on the weights, 0 for constant weights. images: number of
    images with labelled pixels.
    """

    above: np.ndarray
    below: np.ndarray
    weight: np.ndarray
    weight_influence: np.ndarray
    images: int


def counts(confusion, ignored_ids=()):
    """(true_positives, target_pixels, predicted_pixels), float64 (K,), of the K classes that are not ignored.

    confusion: int64 (C, C), labels as rows, predictions as columns. Pixels whose label is ignored do not count.
    """
    scored = [i for i in range(len(confusion)) if i not in ignored_ids]
    rows = confusion[scored]
    return (np.diag(confusion)[scored].astype(np.float64), rows.sum(axis=1).astype(np.float64),
            rows.sum(axis=0)[scored].astype(np.float64))


def per_class(true_positives, target_pixels, predicted_pixels):
    """(IoU, accuracy) of each class, float64 in [0, 1] with the shape of the arguments; NaN if not defined."""
    union = target_pixels + predicted_pixels - true_positives
    return _ratio(true_positives, union), _ratio(true_positives, target_pixels)


def f_score_and_precision(true_positives, target_pixels, predicted_pixels):
    """(F-score, precision) of each class, float64 in [0, 1] with the shape of the arguments; NaN if not defined."""
    return _ratio(2 * true_positives, target_pixels + predicted_pixels), _ratio(true_positives, predicted_pixels)


def numbers(true_positives, target_pixels, predicted_pixels, *, absent):
    """{each of NAMES and MORE_NAMES: scores in [0, 1], float64 (...)}; 0 without labelled pixels.

    true_positives, target_pixels, predicted_pixels: float64 (..., K). absent: "zero" or "nan", the value of a class
    whose score is not defined; "nan" leaves it out of the mean.
    """
    iou, accuracy = per_class(true_positives, target_pixels, predicted_pixels)
    f_score, precision = f_score_and_precision(true_positives, target_pixels, predicted_pixels)
    pixels = np.maximum(target_pixels.sum(axis=-1), 1)
    return {"pixel_accuracy": true_positives.sum(axis=-1) / pixels,
            "mean_accuracy": _mean(accuracy, absent),
            "mean_iou": _mean(iou, absent),
            "frequency_weighted_iou": (target_pixels * np.nan_to_num(iou)).sum(axis=-1) / pixels,
            "mean_f_score": _mean(f_score, absent), "mean_precision": _mean(precision, absent)}


def ratios(true_positives, target_pixels, predicted_pixels, *, absent):
    """{each of NAMES and MORE_NAMES: Ratios}, whose weighted sums are the scores of numbers() for all images together.

    true_positives, target_pixels, predicted_pixels: float64 (images, K). absent: as in numbers(). Classes without
    labelled pixels are left out, because their share of a score is 0.
    """
    pixels = target_pixels.sum(axis=0)
    there, union = pixels > 0, target_pixels + predicted_pixels - true_positives
    steady, images = np.zeros(len(true_positives)), int((target_pixels.sum(axis=1) > 0).sum())

    def mean(below, above=true_positives):
        """A class that is labelled but never predicted has no precision: its ratio is 0, its weight 0 or as absent."""
        is_defined = below.sum(axis=0) > 0
        share = 1 / max(len(pixels) if absent == "zero" else is_defined.sum(), 1)
        weight = np.where(is_defined | (absent == "zero"), share, 0.0)
        return Ratios(above[:, there], np.where(is_defined, below, target_pixels)[:, there], weight[there], steady,
                      images)

    total = target_pixels.sum(axis=1, keepdims=True)
    frequency = pixels[there] / max(pixels.sum(), 1)
    iou = true_positives[:, there].sum(axis=0) / union[:, there].sum(axis=0)
    moved = (target_pixels[:, there] - frequency * total) / max(pixels.sum(), 1)
    return {"pixel_accuracy": Ratios(true_positives.sum(axis=1, keepdims=True), total, np.ones(1), steady, images),
            "mean_accuracy": mean(target_pixels), "mean_iou": mean(union),
            "frequency_weighted_iou": Ratios(true_positives[:, there], union[:, there], frequency, moved @ iou, images),
            "mean_f_score": mean(target_pixels + predicted_pixels, 2 * true_positives),
            "mean_precision": mean(predicted_pixels)}


def _ratio(above, below):
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def _mean(values, absent):
    """Mean over the last axis."""
    defined = values.shape[-1] if absent == "zero" else np.isfinite(values).sum(axis=-1)
    return np.nan_to_num(values).sum(axis=-1) / np.maximum(defined, 1)
