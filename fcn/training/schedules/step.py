"""Step decay: multiplied by `gamma` every `step_size` updates (Caffe's "step"). Updates of the warm-up count."""


def factor(t, step, settings):
    return settings.gamma ** (step // settings.step_size)
