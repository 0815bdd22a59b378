"""Focal loss of each pixel (Lin et al. 2017): alpha * (1 - p)^gamma * -ln p, where p is the probability of the label.

With one sigmoid output, pixels of class 0 have the factor 1 - alpha instead of alpha.

The values are those of segmentation_models' BinaryFocalLoss and C times those of CategoricalFocalLoss, which averages
over the C channels too. Both clip p to epsilon and 1 - epsilon, with epsilon 1e-7, where the gradient becomes 0. Here p
comes from logits and needs no clipping; epsilon=1e-7 adds it.
"""

import math

from fcn.models import gradients
from fcn.models.tf_compat import tf

LIMITS = {"gamma": (0, 100), "alpha": (0, 1), "epsilon": (0, 0.1)}


def per_pixel(logits, labels, *, gamma=2.0, alpha=0.25, epsilon=0.0, sigmoid=False):
    """Return losses, float32 (N, rows, columns). Arguments: see fcn/models/losses."""
    log_p = -gradients.cross_entropy(logits, labels)
    # ln(1 - p) is that of the other channels: for logits far apart, 1 - p is 0 in float32, whose power has no gradient.
    is_label = tf.one_hot(labels, int(logits.shape[-1]), on_value=True, off_value=False, dtype=tf.bool)
    others = tf.where(is_label, tf.fill(tf.shape(logits), -1e30), logits)
    log_rest = tf.reduce_logsumexp(others, axis=-1) - tf.reduce_logsumexp(logits, axis=-1)
    if epsilon:
        log_p, log_rest = (tf.clip_by_value(x, math.log(epsilon), math.log1p(-epsilon)) for x in (log_p, log_rest))
    factor = alpha
    if sigmoid:
        factor = tf.where(labels > 0, tf.fill(tf.shape(log_p), alpha), tf.fill(tf.shape(log_p), 1 - alpha))
    return factor * tf.exp(gamma * log_rest) * -log_p
