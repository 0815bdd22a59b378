"""One weight update from the batches of a step: gradients are summed over pixels and divided once.

Every labelled pixel of a step weighs the same, whichever batch it came in, so a step of several small batches is the
step of one large one. (A mean of the batches' means would weigh a batch with few labelled pixels too much.) This is
also the seam for several machines: sums and counts add up over them, and are divided after.
"""

import dataclasses
from typing import Any

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


def build(loss_sum, pixels, optimizer, batches_per_step=1, momentum=0.9):
    """The Step that minimises sum(loss_sum) / sum(pixels) over batches_per_step batches.

    A loss or gradient that is not finite stops the update before any variable is touched (InvalidArgumentError).
    """
    rate = tf.placeholder(tf.float32, (), "learning_rate")
    variables = tf.trainable_variables()
    gradients = list(tf.gradients(loss_sum, variables))
    collect, running, total = None, [], pixels
    finite = tf.debugging.assert_all_finite(loss_sum, "the loss is not finite")
    if batches_per_step > 1:
        with tf.variable_scope("sum"):
            sums = [_running_sum(v) for v in variables]
            count = tf.get_variable("pixels", (), initializer=tf.zeros_initializer(), trainable=False,
                                    collections=[tf.GraphKeys.LOCAL_VARIABLES])
        with tf.control_dependencies([finite]):
            collect = tf.group(*[s.assign_add(g) for s, g in zip(sums, gradients, strict=True)],
                               count.assign_add(pixels))
        gradients = [s + g for s, g in zip(sums, gradients, strict=True)]
        total, running = count + pixels, [*sums, count]
    with tf.control_dependencies([finite]):
        scale = 1 / tf.maximum(total, 1)
    scaled = [(g * scale, v) for g, v in zip(gradients, variables, strict=True)]
    norm = tf.global_norm([g for g, _ in scaled])
    with tf.control_dependencies([tf.debugging.assert_all_finite(norm, "the gradient is not finite")]):
        grads = [(tf.identity(g), v) for g, v in scaled]
    applied = _optimizer(optimizer, rate, momentum).apply_gradients(grads)
    with tf.control_dependencies([applied]):  # the zeros are made in here, or they might come before the sums are read
        update = tf.group(applied, *[v.assign(tf.zeros(v.shape)) for v in running])
    return Step(rate, collect, update, grads)


def _optimizer(name, rate, momentum):
    if name == "adam":
        return tf.train.AdamOptimizer(rate)
    # v = m v + g; w = w - rate v. Equal to Caffe's rule (v = m v + rate g) while the rate is constant.
    return tf.train.MomentumOptimizer(rate, momentum)


def _running_sum(variable):
    """A float32 running sum that is not saved: checkpoints are made between steps, where it is zero."""
    return tf.get_variable(variable.op.name, variable.shape, initializer=tf.zeros_initializer(), trainable=False,
                           collections=[tf.GraphKeys.LOCAL_VARIABLES])


def learning_rate(base, schedule, step, steps, power=0.9):
    """The rate of a step (from 0): constant, or base * (1 - step / steps) ** power."""
    return base if schedule == "fixed" else base * (1 - step / steps) ** power
