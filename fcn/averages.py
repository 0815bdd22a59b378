"""The mean loss of several batches with its standard error: pixels weigh alike, whatever batch they are in."""

import math


def weighted(sums, pixels):
    """(mean, standard error) of a per-pixel loss from each batch's sum and number of labelled pixels.

    mean = sum of sums / sum of pixels. The error is that of a ratio of two sums (Cochran, Sampling Techniques,
    section 6.4): k/(k-1) times the squared residuals sum_i - mean * pixels_i. NaN for fewer than two batches.
    """
    total = sum(pixels)
    if not total:
        return math.nan, math.nan
    mean = sum(sums) / total
    count = sum(1 for p in pixels if p)
    if count < 2:
        return mean, math.nan
    residual = sum((s - mean * p) ** 2 for s, p in zip(sums, pixels, strict=True))
    return mean, math.sqrt(count / (count - 1) * residual) / total
