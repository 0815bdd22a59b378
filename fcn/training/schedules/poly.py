"""Polynomial decay: (1 - t) ** poly_power (DeepLab; Caffe's "poly")."""


def factor(t, step, settings):
    """Factor of the learning rate, as the contract of fcn/training/schedules says."""
    return (1 - t) ** settings.poly_power
