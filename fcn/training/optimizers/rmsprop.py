"""RMSprop as in Keras 3: s = 0.9 s + 0.1 g g from s = 0, w = w - rate g / sqrt(s + 1e-7). Hinton (2012), lecture 6e.

tf.train.RMSPropOptimizer differs: s starts at 1. Keras before 2.11 differs too: it divides by sqrt(s) + 1e-7, which
gives larger updates for gradients far below 3e-4.
"""

from fcn.models.tf_compat import tf
from fcn.training.optimizers._slots import slot

RHO, EPSILON = 0.9, 1e-7
SLOTS, COPIES = 1, 3


def apply(grads, rate_of, momentum):
    """The update operation, as the contract of fcn/training/optimizers says."""
    moves = []
    for g, v in grads:
        s = slot(v, "RMSProp")
        square = RHO * s + (1 - RHO) * tf.square(g)
        moves += [s.assign(square), v.assign_sub(rate_of[v.op.name] * g / tf.sqrt(square + EPSILON))]
    return tf.group(*moves)
