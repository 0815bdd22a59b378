"""Adam: Kingma & Ba (2015), end of section 2, with epsilon added to the root of the uncorrected v."""

from fcn.models.tf_compat import tf

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def apply(grads, rate_of, momentum):
    """See fcn/training/optimizers. Uses one tf.train.AdamOptimizer per learning rate."""
    groups: dict = {}
    for g, v in grads:
        rate = rate_of[v.op.name]
        groups.setdefault(rate.ref(), (rate, []))[1].append((g, v))
    return tf.group(*[tf.train.AdamOptimizer(rate, BETA1, BETA2, EPSILON).apply_gradients(group)
                      for rate, group in groups.values()])
