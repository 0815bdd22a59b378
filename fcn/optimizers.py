"""The five rules by which a gradient moves a weight, each as published or as the named library has it.

All that a rule remembers (slots, counters) is in tf.global_variables(), so that a checkpoint holds it.
"""

import math

from fcn.tf1 import tf

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's, of all three Adams
RHO, RMS_EPSILON = 0.9, 1e-7  # keras.optimizers.RMSprop's


def apply(name, grads, rate, factor_of, momentum, weight_decay):
    """The op that moves all variables by rule `name`: adam, adamw, momentum, radam or rmsprop.

    grads: (gradient, variable) pairs. rate: scalar tensor. factor_of: {name of a variable: factor on the rate}.
    momentum: of the rule of that name, no other has one. weight_decay: on kernels alone; it is part of the gradient
    (L2), but for adamw, where it is apart from it (Loshchilov & Hutter 2019): w = w - rate decay w.
    """
    if name == "adamw":
        with tf.control_dependencies(_shrunk(grads, rate, factor_of, weight_decay)):
            return _adam(grads, rate, factor_of)
    grads = [(g + weight_decay * v if _decays(v, weight_decay) else g, v) for g, v in grads]
    if name == "momentum":
        return _momentum(grads, rate, factor_of, momentum)
    return {"adam": _adam, "radam": _radam, "rmsprop": _rmsprop}[name](grads, rate, factor_of)


def _decays(variable, weight_decay):
    return bool(weight_decay) and variable.op.name.endswith("/kernel")


def _shrunk(grads, rate, factor_of, weight_decay):
    """The decay of adamw: one op for each variable that has it."""
    with tf.control_dependencies([g for g, _ in grads]):  # nothing reads the old weights after that
        return [v.assign_sub(rate * factor_of[v.op.name] * weight_decay * v) for _, v in grads
                if _decays(v, weight_decay)]


def _momentum(grads, rate, factor_of, momentum):
    """Caffe's: v = m v + rate g, w = w - v, where the velocity holds the rate. TensorFlow's own (w = w - rate v) would
    be another rule once the rate changes.
    """
    steps = [(rate * factor_of[v.op.name] * g, v) for g, v in grads]
    return tf.train.MomentumOptimizer(1.0, momentum).apply_gradients(steps)


def _adam(grads, rate, factor_of):
    """Kingma & Ba (2015), end of section 2, epsilon beside the root of the uncorrected v; one Adam for each factor."""
    groups: dict[float, list] = {}
    for g, v in grads:
        groups.setdefault(factor_of[v.op.name], []).append((g, v))
    return tf.group(*[tf.train.AdamOptimizer(rate * factor, BETA1, BETA2, EPSILON).apply_gradients(group)
                      for factor, group in groups.items()])


def _rmsprop(grads, rate, factor_of):
    """Keras 3's RMSprop: s = 0.9 s + 0.1 g g from s = 0, w = w - rate g / sqrt(s + 1e-7). Hinton (2012), lecture 6e.

    Not tf.train.RMSPropOptimizer, where s starts at 1. Keras before 2.11 has sqrt(s) + 1e-7, which moves a weight
    whose gradient is much below 3e-4 further.
    """
    moves = []
    for g, v in grads:
        s = _slot(v, "RMSProp")
        square = RHO * s + (1 - RHO) * tf.square(g)
        moves += [s.assign(square), v.assign_sub(rate * factor_of[v.op.name] * g / tf.sqrt(square + RMS_EPSILON))]
    return tf.group(*moves)


def _radam(grads, rate, factor_of):
    """Rectified Adam, Liu et al. (2020), algorithm 2, with epsilon as in Adam here and in the authors' code.

    Rectified where rho > 4, the paper's condition, which is from the 5th step on (the authors' code has rho >= 5, from
    the 6th on, and waits until then); w = w - rate m / (1 - 0.9^t) before.
    """
    step = tf.get_variable("radam_step", (), tf.int64, initializer=tf.zeros_initializer(), trainable=False)
    with tf.control_dependencies([g for g, _ in grads]):
        is_rectified, size = _rectified(tf.cast(step.assign_add(1), tf.float64))
    moves = []
    for g, v in grads:
        m, s = _slot(v, "RAdam"), _slot(v, "RAdam_1")
        mean, square = BETA1 * m + (1 - BETA1) * g, BETA2 * s + (1 - BETA2) * tf.square(g)
        scale = tf.where_v2(is_rectified, tf.sqrt(square) + EPSILON, 1.0)
        moves += [m.assign(mean), s.assign(square),
                  v.assign_sub(rate * factor_of[v.op.name] * tf.cast(size, tf.float32) * mean / scale)]
    return tf.group(*moves)


def _rectified(t):
    """(whether step t is rectified, what its m / (sqrt(s) + epsilon), or bare m, is multiplied by besides the rate).

    t: float64 scalar from 1 on. In float32 rho_t would be wrong by a tenth at t = 1, a difference of two numbers near
    2000 made of a 1 - 0.999^t with few digits.
    """
    correction1, correction2 = (-tf.math.expm1(t * math.log(beta)) for beta in (BETA1, BETA2))
    most = 2 / (1 - BETA2) - 1
    rho = most - 2 * t * (1 - correction2) / correction2
    rectification = tf.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    return rho > 4, tf.where(rho > 4, rectification * tf.sqrt(correction2), tf.ones_like(rho)) / correction1


def _slot(variable, name):
    """A variable beside this one, from zero, named as tf.train's optimizers name theirs."""
    return tf.get_variable(f"{variable.op.name}/{name}", variable.shape, initializer=tf.zeros_initializer(),
                           trainable=False)
