"""Protocol with a score per image, then the mean over images: all images have the same weight."""

import numpy as np

from fcn.metrics import iou
from fcn.metrics.protocols import benchmark

SIZE = "original"
TEXT = "original size, a score per image over the classes in its label or prediction (over all classes, no image " \
       "could score 1; martinkersner/py_img_seg_eval divides by those in the label only), then the mean over the " \
       "images that have labelled pixels"
scored = benchmark.scored


def compute(sums, weights, ids=None):
    """Scores of the contract (fcn/metrics/protocols/__init__.py)."""
    true_positives, target_pixels, predicted_pixels = sums.of(ids)
    counted = weights * (target_pixels.sum(axis=1) > 0)
    images = counted.sum(axis=1)
    values = iou.numbers(true_positives, target_pixels, predicted_pixels, absent="nan")
    return {name: (counted @ value) / images.clip(1) for name, value in values.items()}


def ratios(sums, ids=None):
    """Ratios of the contract (fcn/metrics/protocols/__init__.py): the sum of the images' scores over their number."""
    true_positives, target_pixels, predicted_pixels = sums.of(ids)
    counted = (target_pixels.sum(axis=1) > 0).astype(np.float64)[:, None]
    values = iou.numbers(true_positives, target_pixels, predicted_pixels, absent="nan")
    steady, images = np.zeros(len(counted)), int(counted.sum())
    return {name: iou.Ratios(value[:, None] * counted, counted, np.ones(1), steady, images)
            for name, value in values.items()}
