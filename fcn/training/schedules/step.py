"""Step decay: multiplied by `gamma` every `step_size` updates (Caffe's "step"). Updates of the warm-up count."""


def factor(t, step, settings):
    """Factor of the learning rate, as the contract of fcn/training/schedules says."""
    return settings.gamma ** (step // settings.step_size)
