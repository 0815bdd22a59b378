"""A straight line from the learning rate to zero."""


def factor(t, step, settings):
    return 1 - t
