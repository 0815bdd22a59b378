"""Each image by itself, then the mean of the images: every image weighs alike, however large or crowded."""

import numpy as np

from fcn.metrics import iou
from fcn.metrics.protocols import benchmark

SIZE = "original"
TEXT = "original size, each image by itself over the classes in its label or prediction (over all classes no image " \
       "could score 1; martinkersner/py_img_seg_eval divides by those in the label alone), then the mean over the " \
       "images that have labelled pixels"
scored = benchmark.scored


def compute(sums, weights, ids=None):
    """{name: float64 (B,)}. See fcn/metrics/protocols/__init__.py."""
    hits, labelled, called = sums.of(ids)
    counted = weights * (labelled.sum(axis=1) > 0)
    images = counted.sum(axis=1)
    values = iou.numbers(hits, labelled, called, absent="nan")
    return {name: (counted @ value) / images.clip(1) for name, value in values.items()}


def ratios(sums, ids=None):
    """{name: iou.Ratios}: one ratio, the values of all images over their number. See fcn/metrics/protocols."""
    hits, labelled, called = sums.of(ids)
    counted = (labelled.sum(axis=1) > 0).astype(np.float64)[:, None]
    values = iou.numbers(hits, labelled, called, absent="nan")
    return {name: iou.Ratios(value[:, None] * counted, counted, np.ones(1), np.zeros(len(hits)), int(counted.sum()))
            for name, value in values.items()}
