"""Cosine annealing from 1 to 0 (Loshchilov & Hutter 2017, equation 5, without restarts)."""

import math


def factor(t, step, settings):
    """Factor of the learning rate, as the contract of fcn/training/schedules says."""
    return (1 + math.cos(math.pi * t)) / 2
