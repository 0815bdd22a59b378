"""A power of the share of the run that is left (DeepLab; Caffe's "poly")."""


def factor(t, step, settings):
    return (1 - t) ** settings.poly_power
