"""Constant learning rate."""


def factor(t, step, settings):
    """Factor of the learning rate, as the contract of fcn/training/schedules says."""
    return 1.0
