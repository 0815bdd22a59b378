"""Protocol of DIVA's Layout Analysis Evaluator, for labels whose pixels are sets of flags (DIVA-HisDB).

Every number is computed for each image and then averaged over the images, as in the competition of ICDAR 2017. With
true positives TP, false positives FP and false negatives FN of each class (flag) in an image:

    exact_match             share of the pixels whose flags are all right
    hamming_score           share of the flags of all pixels that are right
    mean_iou                TP / (TP + FP + FN)
    mean_f1                 2 TP / (2 TP + FP + FN)
    mean_precision          TP / (TP + FP)
    mean_recall             TP / (TP + FN)

frequency_weighted_iou, weighted_f1, weighted_precision and weighted_recall are means with the weights (TP + FN) of the
classes. A mean leaves out the classes whose number is 0 / 0. pixel_accuracy is exact_match and mean_accuracy
mean_recall. The classes of an image are those up to the highest flag in its label.
Source: DIVA-DIA/DIVA_Layout_Analysis_Evaluator, LayoutAnalysisEvaluator.java; Alberti et al., ICDAR 2017.
"""

import numpy as np

from fcn.metrics import confusion, iou, label_flags

SIZE = "original"
TEXT = "original size, classes are flags, boundary pixels are right if the prediction has one of their classes or " \
       "background, mean over images; pixel accuracy is the exact match, mean accuracy the mean recall " \
       "(DIVA-DIA/DIVA_Layout_Analysis_Evaluator)"
WHOLE, CLASSES = 0, tuple(1 << bit for bit in range(8))  # ids: of all flags of a pixel together, and of each flag
EVALUATION = ("exact_match", "hamming_score", "mean_iou", "frequency_weighted_iou", "mean_f1", "mean_precision",
              "mean_recall", "weighted_f1", "weighted_precision", "weighted_recall")  # in the order of the original
OF_CLASS = ("iou", "f1", "precision", "recall", "frequency")


def scored(num_classes, ignored_ids):
    """All sets of flags."""
    return tuple(range(num_classes))


def flag_sums(matrices):
    """The Sums of the ids WHOLE (true positives are exact matches) and CLASSES.

    matrices: ConfusionMatrices of label_flags.matrix().
    """
    cells = matrices.counts.tocoo()
    image, (label, prediction) = cells.row, np.divmod(cells.col, matrices.num_classes)
    largest = np.zeros(len(matrices.names), np.int64)
    np.maximum.at(largest, image, label)
    prediction = prediction & (1 << label_flags.num_classes(largest)[image]) - 1

    def added(whole, flags):
        columns = np.column_stack([whole, *(flags & flag > 0 for flag in CLASSES)])
        sums = np.zeros((len(largest), columns.shape[1]))
        np.add.at(sums, image, columns * cells.data[:, None].astype(np.float64))
        return sums

    ones = np.ones(len(label), bool)
    return confusion.Sums((WHOLE, *CLASSES), added(label == prediction, label & prediction), added(ones, label),
                          added(ones, prediction))


def of_images(sums, ids=None):
    """({name of EVALUATION: float64 (images,)}, {name of OF_CLASS: float64 (images, K)}) of the K classes in `ids`.

    A number that is not defined is NaN. sums: of flag_sums().
    """
    true_positives, target, predicted = sums.of(CLASSES)
    classes = label_flags.num_classes((target > 0) @ np.array(CLASSES))
    inside = np.arange(len(CLASSES)) < classes[:, None]
    exact, pixels = sums.true_positives[:, 0], sums.target_pixels[:, 0]
    hamming_loss = (target + predicted - 2 * true_positives).sum(axis=1) / classes / pixels
    columns = [CLASSES.index(i) for i in (CLASSES if ids is None else ids) if i in CLASSES]
    with np.errstate(invalid="ignore", divide="ignore"):
        numbers = [true_positives / (target + predicted - true_positives), 2 * true_positives / (target + predicted),
                   true_positives / predicted, true_positives / target, target / target.sum(axis=1, keepdims=True)]
        found = {name: np.where(inside, number, np.nan)[:, columns]
                 for name, number in zip(OF_CLASS, numbers, strict=True)}
        means = [_mean(found[name], weights) for weights in (np.ones(len(columns)), found["frequency"])
                 for name in OF_CLASS[:-1]]
        plain, weighted = means[:4], means[4:]
    ordered = [exact / pixels, 1 - hamming_loss, plain[0], weighted[0], *plain[1:], *weighted[1:]]
    return dict(zip(EVALUATION, ordered, strict=True)), found


def _mean(values, weights):
    """(images,): weighted mean of the values (images, K) that are not NaN."""
    there = np.isfinite(values)
    weights = np.where(there, weights, 0)
    return (np.where(there, values, 0) * weights).sum(axis=1) / weights.sum(axis=1)


def _scores(sums, ids):
    found = of_images(sums, ids)[0]
    return {"pixel_accuracy": found["exact_match"], "mean_accuracy": found["mean_recall"], **found}


def compute(sums, weights, ids=None):
    """Scores of the contract (fcn/metrics/protocols/__init__.py); images where a score is not defined are left out."""
    scores = {}
    for name, values in _scores(sums, ids).items():
        counted = weights * np.isfinite(values)
        scores[name] = counted @ np.nan_to_num(values) / np.maximum(counted.sum(axis=1), 1)
    return scores


def ratios(sums, ids=None):
    """Ratios of the contract (fcn/metrics/protocols/__init__.py): the sum of the images' scores over their number."""
    found = {}
    for name, values in _scores(sums, ids).items():
        counted = np.isfinite(values).astype(np.float64)[:, None]
        found[name] = iou.Ratios(np.nan_to_num(values)[:, None], counted, np.ones(1), np.zeros(len(counted)),
                                 int(counted.sum()))
    return found


def per_class(sums, names, ids=None):
    """Rows {"id", "name", each of OF_CLASS}: means over the images where a number is defined, else None.

    names: of the ids 0 to 255, as far as there are any. Classes beyond the highest in the labels are left out.
    """
    found = of_images(sums)[1]
    rows = []
    for k, flag in enumerate(CLASSES[:max(label_flags.num_classes((sums.of(CLASSES)[1] > 0) @ np.array(CLASSES)))]):
        if ids is None or flag in ids:
            values = {name: found[name][:, k] for name in OF_CLASS}
            rows.append({"id": flag, "name": names[flag] if flag < len(names) else f"flag {flag}",
                         **{name: float(np.nanmean(v)) if np.isfinite(v).any() else None
                            for name, v in values.items()}})
    return rows
