"""RMSprop as in Keras 3: s = 0.9 s + 0.1 g g from s = 0, w = w - rate g / sqrt(s + 1e-7). Hinton (2012), lecture 6e.

tf.train.RMSPropOptimizer differs: s starts at 1. Keras before 2.11 differs too: it divides by sqrt(s) + 1e-7, which
gives larger updates for gradients far below 3e-4.
"""

from fcn.models.tf_compat import tf
from fcn.training.optimizers._slots import slot, temporary

RHO, EPSILON = 0.9, 1e-7
SLOTS, COPIES = 1, 1


def apply(grads, rate_of, momentum):
    """The update operation, as the contract of fcn/training/optimizers says.

    One operation of TensorFlow for each variable, which reads and writes every number once.
    """
    return tf.group(*[tf.raw_ops.ResourceApplyRMSProp(
        var=v.handle, ms=slot(v, "RMSProp").handle, mom=temporary(v, "RMSProp").handle, lr=rate_of[v.op.name], rho=RHO,
        momentum=0.0, epsilon=EPSILON, grad=g) for g, v in grads])
