"""Constant learning rate."""


def factor(t, step, settings):
    return 1.0
