"""Protocol of the ADE20K benchmark: means over all scored classes; an absent class counts 0."""

from fcn.metrics import iou

SIZE = "original"
TEXT = "original size, labelled pixels only, means over all scored classes, an absent class counts 0 " \
       "(CSAILVision/sceneparsing, evaluationCode/utils_eval.py, without the 2.2e-16 that it adds to every union)"


def scored(num_classes, ignored_ids):
    """All ids except the ignored ones."""
    return tuple(i for i in range(num_classes) if i not in ignored_ids)


def compute(sums, weights, ids=None):
    """Scores of the contract (fcn/metrics/protocols/__init__.py). A predicted ignored id is wrong."""
    return iou.numbers(*sums.weighted(weights, ids), absent="zero")


def ratios(sums, ids=None):
    """Ratios of the contract (fcn/metrics/protocols/__init__.py)."""
    return iou.ratios(*sums.of(ids), absent="zero")
