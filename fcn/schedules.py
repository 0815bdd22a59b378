"""The learning rate over a run: plain numbers, so that it is fed to the graph and kept in no checkpoint."""

import math

from fcn import errors


def rate(step, steps, learning_rate, schedule="poly", poly_power=0.9, step_size=100_000, gamma=0.1, warmup=0):
    """The rate of weight update `step` (from 0 to steps - 1), in a run that check() has let pass.

    In the first `warmup` updates it grows linearly, and the last of them has learning_rate. Then, with t = 0 at step
    `warmup` and t = 1 where the run ends:
    fixed: learning_rate. poly: x (1 - t) ** poly_power (DeepLab; Caffe's "poly"). cosine: x (1 + cos(pi t)) / 2
    (Loshchilov & Hutter 2017, equation 5, without restarts). step: x gamma ** (step // step_size) (Caffe's "step"),
    where the updates of the warm-up are counted too.
    """
    if step < warmup:
        return learning_rate * (step + 1) / warmup
    t = (step - warmup) / (steps - warmup)
    if schedule == "poly":
        return learning_rate * (1 - t) ** poly_power
    if schedule == "cosine":
        return learning_rate * (1 + math.cos(math.pi * t)) / 2
    if schedule == "step":
        return learning_rate * gamma ** (step // step_size)
    return learning_rate


def check(steps, warmup):
    """Raise UsageError for a warm-up that leaves no step of the run at the full rate."""
    if warmup and warmup >= steps:
        raise errors.UsageError(f"--warmup {warmup}: the run has {steps} steps, none is left after the warm-up",
                                cure="a smaller --warmup, or more --steps or --epochs.")
