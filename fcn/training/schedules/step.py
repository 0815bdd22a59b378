"""A drop by `gamma` every `step_size` updates (Caffe's "step"); those of the warm-up are counted too."""


def factor(t, step, settings):
    return settings.gamma ** (step // settings.step_size)
