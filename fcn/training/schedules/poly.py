"""Polynomial decay: (1 - t) ** poly_power (DeepLab; Caffe's "poly")."""


def factor(t, step, settings):
    return (1 - t) ** settings.poly_power
