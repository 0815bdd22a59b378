"""The learning rate stays."""


def factor(t, step, settings):
    return 1.0
