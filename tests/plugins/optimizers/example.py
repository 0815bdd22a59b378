"""Sign descent: w = w - rate sign(g)."""

from fcn.models.tf_compat import tf

SLOTS = 0


def apply(grads, rate_of, momentum):
    return tf.group(*[v.assign_sub(rate_of[v.op.name] * tf.sign(g)) for g, v in grads])
