"""The four numbers of the FCN paper (section 5), from a confusion matrix.

With n_ij pixels of class i called j, t_i = sum_j n_ij and C classes:
    pixel_accuracy          sum_i n_ii / sum_i t_i
    mean_accuracy           1/C sum_i n_ii / t_i
    mean_iou                1/C sum_i n_ii / (t_i + sum_j n_ji - n_ii)
    frequency_weighted_iou  sum_i t_i iou_i / sum_k t_k
C counts every scored class and one that never occurs counts 0, as in the ADE20K benchmark (CSAILVision/sceneparsing,
evaluationCode). mean_iou_present leaves out the classes that occur in neither labels nor predictions, and
mean_accuracy_present those that occur in no label, as Berkeley's score.py does with its nanmean.
"""

import numpy as np

CONVENTIONS = {
    "pixels": "labelled pixels only; pixels of ignored ids count nowhere; an ignored id that is predicted is wrong",
    "mean_iou, mean_accuracy": "over all scored classes, an absent class counts 0 (ADE20K benchmark)",
    "mean_iou_present, mean_accuracy_present": "over the classes with a defined value (nanmean, Berkeley score.py)",
}


def per_class(confusion, ignored_ids=()):
    """{"ids", "iou", "accuracy", "pixels"}: arrays over the scored classes; NaN where a value is not defined.

    confusion: int64 (C, C), rows labels, columns predictions. Ignored ids among the classes are left out.
    """
    scored = [i for i in range(len(confusion)) if i not in ignored_ids]
    hits = np.diag(confusion)[scored].astype(np.float64)
    labelled = confusion[scored].sum(axis=1).astype(np.float64)
    called = confusion[scored].sum(axis=0)[scored].astype(np.float64)
    return {"ids": scored, "iou": _ratio(hits, labelled + called - hits), "accuracy": _ratio(hits, labelled),
            "pixels": labelled.astype(np.int64)}


def compute(confusion, ignored_ids=()):
    """{name: fraction in [0, 1]} of the whole matrix; arguments as in per_class."""
    classes = per_class(confusion, ignored_ids)
    pixels, iou, accuracy = classes["pixels"], classes["iou"], classes["accuracy"]
    total = max(pixels.sum(), 1)
    return {
        "pixel_accuracy": float(np.diag(confusion)[classes["ids"]].sum() / total),
        "mean_accuracy": float(np.nan_to_num(accuracy).mean()),
        "mean_iou": float(np.nan_to_num(iou).mean()),
        "frequency_weighted_iou": float((pixels * np.nan_to_num(iou)).sum() / total),
        "mean_accuracy_present": _mean_present(accuracy),
        "mean_iou_present": _mean_present(iou),
    }


def _ratio(above, below):
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _mean_present(values):
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
