"""ADE20K's benchmark: all scored classes, an absent one counts 0."""

from fcn.metrics import iou

SIZE = "original"
TEXT = "original size, labelled pixels only, means over all scored classes, an absent class counts 0 " \
       "(CSAILVision/sceneparsing, evaluationCode/utils_eval.py, but for the 2.2e-16 that it adds to every union)"


def scored(num_classes, ignored_ids):
    return tuple(i for i in range(num_classes) if i not in ignored_ids)


def compute(sums, weights, ids=None):
    """{name: float64 (B,)}; an ignored id that is predicted is wrong. See fcn/metrics/protocols/__init__.py."""
    return iou.numbers(*sums.weighted(weights, ids), absent="zero")


def ratios(sums, ids=None):
    """{name: iou.Ratios}. See fcn/metrics/protocols/__init__.py."""
    return iou.ratios(*sums.of(ids), absent="zero")
