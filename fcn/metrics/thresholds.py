"""Scores of the foreground of two classes at every threshold of its probability.

The probabilities of an image are counted in BINS bins of equal width: a confusion matrix whose rows are background (0)
and foreground (1), and whose columns are bins. A pixel is foreground if its bin is at least that of the threshold, so
every threshold that is a multiple of 1 / BINS can be computed later, without the net.
"""

import numpy as np

from fcn.core import errors
from fcn.metrics import confusion, iou

BINS = 200  # thresholds in steps of 0.005
NAMES = ("f_score", "iou", "precision", "recall")


def pair(num_classes, ignored_ids):
    """(background, foreground): the two class ids that are not ignored, or None if there are not two."""
    ids = [i for i in range(num_classes) if i not in ignored_ids]
    return (ids[0], ids[1]) if len(ids) == 2 else None


def check(threshold, num_classes, ignored_ids):
    """Raise UsageError if a threshold is given for a net that has not two classes."""
    if threshold is not None and pair(num_classes, ignored_ids) is None:
        raise errors.UsageError(f"a threshold of {threshold} is for two classes, background and foreground; this net "
                                f"has {num_classes - len(set(ignored_ids) & set(range(num_classes)))}",
                                fix="leave it out: the class with the largest score is predicted.")


def bins(probabilities):
    """uint8: the bin of each probability, 0 to BINS - 1. probabilities: float32, 0 to 1."""
    return np.minimum(probabilities * BINS, BINS - 1).astype(np.uint8)


def first_bin(threshold):
    """The lowest bin that is foreground at a threshold, which is rounded to a multiple of 1 / BINS."""
    return round(threshold * BINS)


def foreground(found, threshold, classes):
    """uint8 or uint16 class ids of the bins `found`. classes: (background, foreground)."""
    dtype = np.uint8 if max(classes) < 256 else np.uint16
    return np.where(found >= first_bin(threshold), dtype(classes[1]), dtype(classes[0]))


def matrix(label, found, classes):
    """int64 (BINS, BINS): rows 0 and 1 count the bins of the pixels labelled as background and foreground.

    label: class ids (h, w). found: bins of the same shape. classes: (background, foreground); other pixels do not
    count.
    """
    rows = np.full(label.shape, BINS, np.uint8)
    for row, class_id in enumerate(classes):
        rows[label == class_id] = row
    return confusion.matrix(rows, found, BINS)


def curve(total):
    """{"threshold", each of NAMES: float64 (BINS - 1,)} of the foreground, from the summed matrix().

    Thresholds are 1 / BINS, 2 / BINS, ... A score without pixels is NaN.
    """
    labelled = total[1].sum()
    true_positives, predicted = (rows[::-1].cumsum()[::-1][1:].astype(np.float64)
                                 for rows in (total[1], total[:2].sum(axis=0)))
    target = np.full(BINS - 1, float(labelled))
    ious, recall = iou.per_class(true_positives, target, predicted)
    f_score, precision = iou.f_score_and_precision(true_positives, target, predicted)
    return {"threshold": np.arange(1, BINS) / BINS, "f_score": f_score, "iou": ious, "precision": precision,
            "recall": recall}


def best(found):
    """Index of the threshold with the highest F-score, which has the highest IoU too; of several the nearest to 0.5.

    found: of curve().
    """
    f_score = np.nan_to_num(found["f_score"])
    return min(np.flatnonzero(f_score == f_score.max()), key=lambda k: abs(k + 1 - BINS // 2))


def summary(matrices, names, classes, used=None):
    """The "threshold" of report.json. matrices: ConfusionMatrices of matrix(). used: threshold of the predictions.

    "best" and "at_0.5" hold a threshold and its scores; "curve" has a list per score, with None for no value.
    """
    found = curve(matrices.total())
    rounded = {name: [float(value) if np.isfinite(value) else None for value in values]
               for name, values in found.items()}
    best_k, middle = best(found), BINS // 2 - 1
    return {"background": classes[0], "foreground": classes[1], "name": names[classes[1]], "used": used, "bins": BINS,
            **{key: {name: values[k] for name, values in rounded.items()}
               for key, k in (("best", best_k), ("at_0.5", middle))}, "curve": rounded}
