"""Protocol of the FCN authors: classes without a defined score are left out of the means."""

from fcn.metrics import iou
from fcn.metrics.protocols import benchmark

SIZE = "original"
TEXT = "original size, labelled pixels only, means over the classes that occur: accuracy in labels, IoU in labels or " \
       "predictions (shelhamer/fcn.berkeleyvision.org, score.py)"
scored = benchmark.scored


def compute(sums, weights, ids=None):
    """Scores of the contract (fcn/metrics/protocols/__init__.py)."""
    return iou.numbers(*sums.weighted(weights, ids), absent="nan")


def ratios(sums, ids=None):
    """Ratios of the contract (fcn/metrics/protocols/__init__.py)."""
    return iou.ratios(*sums.of(ids), absent="nan")
