"""Gradient descent with momentum as in Caffe: v = m v + rate g, w = w - v. The velocity includes the learning rate.

TensorFlow's rule (w = w - rate v) differs as soon as the rate changes.
"""

from fcn.models.tf_compat import tf

SLOTS = 1


def apply(grads, rate_of, momentum):
    """The update operation, as the contract of fcn/training/optimizers says."""
    steps = [(rate_of[v.op.name] * g, v) for g, v in grads]
    return tf.train.MomentumOptimizer(1.0, momentum).apply_gradients(steps)
