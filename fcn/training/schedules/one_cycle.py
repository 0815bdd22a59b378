"""One cycle: up to the learning rate and down again (Smith & Topin 2018, arXiv:1708.07120).

As PyTorch's OneCycleLR with its defaults: from 1/25 of the rate along a cosine to the full rate at `rise` of the run,
then along a cosine to `final_factor`. Momentum does not change; the paper lowers it while the rate is high.
"""

import math

FIRST = 1 / 25


def factor(t, step, settings):
    """Factor of the learning rate, as the contract of fcn/training/schedules says."""
    if t < settings.rise:
        return _cosine(FIRST, 1.0, t / settings.rise)
    return _cosine(1.0, settings.final_factor, (t - settings.rise) / (1 - settings.rise))


def _cosine(first, last, share):
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
