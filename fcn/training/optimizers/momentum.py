"""Gradient descent with momentum as Caffe has it: v = m v + rate g, w = w - v, where the velocity holds the rate.

TensorFlow's own (w = w - rate v) is another rule once the rate changes.
"""

from fcn.models.tf_compat import tf

SLOTS = 1


def apply(grads, rate_of, momentum):
    steps = [(rate_of[v.op.name] * g, v) for g, v in grads]
    return tf.train.MomentumOptimizer(1.0, momentum).apply_gradients(steps)
