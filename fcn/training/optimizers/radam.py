"""Rectified Adam, Liu et al. (2020), algorithm 2, with epsilon as in adam.py and in the authors' code.

Updates are rectified if rho > 4 (the paper's condition), which holds from step 5; before, w = w - rate m / (1 - 0.9^t).
The authors' code requires rho >= 5 (from step 6) and makes no update before.
"""

import math

from fcn.models.tf_compat import tf
from fcn.training.optimizers._slots import slot
from fcn.training.optimizers.adam import BETA1, BETA2, EPSILON

LARGE_EPSILON = 1e8  # m / (sqrt(s) + 1e8) is m / 1e8 in float32: an update without rectification


def apply(grads, rate_of, momentum):
    """The update operation, as the contract of fcn/training/optimizers says."""
    step = tf.get_variable("radam_step", (), tf.int64, initializer=tf.zeros_initializer(), trainable=False)
    with tf.control_dependencies([g for g, _ in grads]):
        is_rectified, size = rectified(tf.cast(step.assign_add(1), tf.float64))
    epsilon, factor = (tf.where_v2(is_rectified, *pair) for pair in ((EPSILON, LARGE_EPSILON), (1.0, LARGE_EPSILON)))
    factor *= tf.cast(size, tf.float32)
    return tf.group(*[tf.raw_ops.ResourceApplyAdam(  # powers of 0: no bias correction
        var=v.handle, m=slot(v, "RAdam").handle, v=slot(v, "RAdam_1").handle, beta1_power=0.0, beta2_power=0.0,
        lr=rate_of[v.op.name] * factor, beta1=BETA1, beta2=BETA2, epsilon=epsilon, grad=g) for g, v in grads])


def rectified(t):
    """Return (whether step t is rectified, the factor of m / (sqrt(s) + epsilon), or of m if it is not rectified).

    t: float64 scalar, at least 1. In float32, rho would be wrong by 0.1 at t = 1, because it is the difference of two
    numbers near 2000 and 1 - 0.999^t has few correct digits.
    """
    correction1, correction2 = (-tf.math.expm1(t * math.log(beta)) for beta in (BETA1, BETA2))
    most = 2 / (1 - BETA2) - 1
    rho = most - 2 * t * (1 - correction2) / correction2
    rectification = tf.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    return rho > 4, tf.where(rho > 4, rectification * tf.sqrt(correction2), tf.ones_like(rho)) / correction1
