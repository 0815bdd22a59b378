"""One weight update from the batches of a step: gradients are summed over pixels and divided once.

Every labelled pixel of a step weighs the same, whichever batch it came in, so a step of several small batches is the
step of one large one. (A mean of the batches' means would weigh a batch with few labelled pixels too much.) This is
also the seam for several machines: sums and counts add up over them, and are divided after.
"""

import dataclasses
import fnmatch
import math
from typing import Any

from fcn import errors
from fcn.tf1 import tf


@dataclasses.dataclass(frozen=True)
class Step:
    """learning_rate: placeholder. collect: op for every batch but the last of a step, or None if a step is one batch.
    update: op for the last batch, which adds it, divides, applies and clears. grads: [(gradient, variable)] applied.
    """

    learning_rate: Any
    collect: Any
    update: Any
    grads: list


def build(objective, parts, optimizer, batches_per_step=1, momentum=0.9, weight_decay=0.0, factors=()):
    """The Step that minimises sum(objective) / sum(parts) over batches_per_step batches.

    factors: (pattern, factor) pairs; the rate of a variable is multiplied by the factor of every pattern that its name
    fits ("*/bias", "conv1_*"), and one with factor 0 is frozen. weight_decay is on kernels alone. Variables that the
    objective does not depend on are left as they are. A loss or gradient that is not finite stops the update before
    any variable is touched (InvalidArgumentError). Raises UsageError for a pattern that fits nothing.
    """
    rate = tf.placeholder(tf.float32, (), "learning_rate")
    factor_of = _factors(factors)
    variables = [v for v in tf.trainable_variables() if factor_of[v.op.name]]
    found = [(g, v) for g, v in zip(tf.gradients(objective, variables), variables, strict=True) if g is not None]
    gradients, variables = [g for g, _ in found], [v for _, v in found]
    if not variables:
        raise errors.UsageError("--rate-factors: everything is frozen, nothing is left to train")
    collect, running, total = None, [], parts
    finite = tf.debugging.assert_all_finite(objective, "the loss is not finite")
    if batches_per_step > 1:
        with tf.variable_scope("sum"):
            sums = [_running_sum(v) for v in variables]
            count = tf.get_variable("pixels", (), initializer=tf.zeros_initializer(), trainable=False,
                                    collections=[tf.GraphKeys.LOCAL_VARIABLES])
        with tf.control_dependencies([finite]):
            collect = tf.group(*[s.assign_add(g) for s, g in zip(sums, gradients, strict=True)],
                               count.assign_add(parts))
        gradients = [s + g for s, g in zip(sums, gradients, strict=True)]
        total, running = count + parts, [*sums, count]
    with tf.control_dependencies([finite]):
        scale = tf.math.divide_no_nan(1.0, total)
    scaled = [(g * scale, v) for g, v in zip(gradients, variables, strict=True)]
    norm = tf.global_norm([g for g, _ in scaled])
    with tf.control_dependencies([tf.debugging.assert_all_finite(norm, "the gradient is not finite")]):
        grads = [(tf.identity(g), v) for g, v in scaled]
    applied = _apply(optimizer, grads, rate, factor_of, momentum, weight_decay)
    with tf.control_dependencies([applied]):  # the zeros are made in here, or they might come before the sums are read
        update = tf.group(applied, *[v.assign(tf.zeros(v.shape)) for v in running])
    return Step(rate, collect, update, grads)


def _factors(factors):
    """{name of a trainable variable: factor on its rate}."""
    names = [v.op.name for v in tf.trainable_variables()]
    for pattern, _ in factors:
        if not fnmatch.filter(names, pattern):
            raise errors.UsageError(f"--rate-factors: no variable fits '{pattern}'",
                                    cure=f"names are such as {', '.join(names[-3:])}.")
    return {name: math.prod(f for pattern, f in factors if fnmatch.fnmatchcase(name, pattern)) for name in names}


def _apply(optimizer, grads, rate, factor_of, momentum, weight_decay):
    """The op that updates all variables by one rule.

    momentum: Caffe's, v = m v + rate (g + decay w), w = w - v, where the velocity holds the rate; TensorFlow's own
    (w = w - rate v) would be another rule once the rate changes. adam: decay is part of the gradient (L2). adamw: decay
    is apart from it (Loshchilov & Hutter 2019), w = w - rate decay w.
    """
    def decayed(v):
        return bool(weight_decay) and v.op.name.endswith("/kernel")

    if optimizer != "adamw":
        grads = [(g + weight_decay * v if decayed(v) else g, v) for g, v in grads]
    if optimizer == "momentum":
        steps = [(rate * factor_of[v.op.name] * g, v) for g, v in grads]
        return tf.train.MomentumOptimizer(1.0, momentum).apply_gradients(steps)
    shrunk = []
    if optimizer == "adamw":
        with tf.control_dependencies([g for g, _ in grads]):  # nothing reads the old weights after that
            shrunk = [v.assign_sub(rate * factor_of[v.op.name] * weight_decay * v) for _, v in grads if decayed(v)]
    groups: dict[float, list] = {}  # one Adam for each factor
    for g, v in grads:
        groups.setdefault(factor_of[v.op.name], []).append((g, v))
    with tf.control_dependencies(shrunk):
        return tf.group(*[tf.train.AdamOptimizer(rate * factor).apply_gradients(group)
                          for factor, group in groups.items()])


def _running_sum(variable):
    """A float32 running sum that is not saved: checkpoints are made between steps, where it is zero."""
    return tf.get_variable(variable.op.name, variable.shape, initializer=tf.zeros_initializer(), trainable=False,
                           collections=[tf.GraphKeys.LOCAL_VARIABLES])


def learning_rate(base, schedule, step, steps, power=0.9):
    """The rate of a step (from 0): constant, or base * (1 - step / steps) ** power."""
    return base if schedule == "fixed" else base * (1 - step / steps) ** power
