"""Sums of made-up evaluations."""

import numpy as np

from fcn.metrics.confusion import Sums


def sums(images, seed, classes=4, quality=0.7):
    """Sums of images whose labels depend on nothing but their number, for paired ones."""
    labelled = np.random.default_rng(99).integers(20, 200, (images, classes)).astype(float)
    random = np.random.default_rng(seed)
    hits = random.binomial(labelled.astype(int), np.clip(quality + random.normal(0, 0.1, (images, 1)), 0, 1))
    return Sums(tuple(range(classes)), hits.astype(float), labelled, hits + random.integers(0, 40, hits.shape))


def single(accuracies):
    """Sums of one class, of images of 100 pixels with these accuracies."""
    hits = 100.0 * np.asarray(accuracies)[:, None]
    return Sums((0,), hits, np.full_like(hits, 100), hits)
