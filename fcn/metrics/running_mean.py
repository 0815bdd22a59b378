"""The mean loss of several batches with its standard error: pixels weigh alike, whatever batch they are in.

Batches without labelled pixels have no loss: of these alone the mean is NaN, here. No file and no line on the screen
shows it: they say that there were no labelled pixels.
"""

import math


def weighted(sums, pixels):
    """(mean, standard error) of a per-pixel loss from each batch's sum and number of labelled pixels.

    mean = sum of sums / sum of pixels. The error is that of a ratio of two sums (Cochran, Sampling Techniques,
    section 6.4): k/(k-1) times the squared residuals sum_i - mean * pixels_i. NaN for fewer than two batches with
    labelled pixels, as is the mean for none. pixels may be fractions: sums of class weights.
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


# --average-loss auto: the mean of so few batches whose standard error is at most this share of it.
AUTO_SHARE, AUTO_FIRST, AUTO_MOST = 0.02, 10, 1280


def enough(sums, pixels):
    """(mean, standard error, batches) of the last 10, 20, 40, ... 1280 batches: of so few that the error is at most
    2 % of the mean, or else of all. The window doubles, so that no lucky small one is chosen among a thousand.
    """
    count = AUTO_FIRST
    while True:
        mean, error = weighted(sums[-count:], pixels[-count:])
        if error <= AUTO_SHARE * abs(mean) or count >= len(sums):
            return mean, error, min(count, len(sums))
        count *= 2
