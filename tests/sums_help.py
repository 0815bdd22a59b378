"""Sums of made-up evaluations."""

import numpy as np

from fcn.metrics.confusion import Sums


def sums(images, seed, classes=4, quality=0.7):
    """Sums of images whose labels depend on nothing but their number, for paired ones."""
    target_pixels = np.random.default_rng(99).integers(20, 200, (images, classes)).astype(float)
    random = np.random.default_rng(seed)
    accuracy = np.clip(quality + random.normal(0, 0.1, (images, 1)), 0, 1)
    true_positives = random.binomial(target_pixels.astype(int), accuracy)
    predicted_pixels = true_positives + random.integers(0, 40, true_positives.shape)
    return Sums(tuple(range(classes)), true_positives.astype(float), target_pixels, predicted_pixels)


def single(accuracies):
    """Sums of one class, of images of 100 pixels with these accuracies."""
    true_positives = 100.0 * np.asarray(accuracies)[:, None]
    return Sums((0,), true_positives, np.full_like(true_positives, 100), true_positives)
