"""Focal loss with gamma 2 (Lin et al. 2017): cross entropy x (1 - probability of the label) squared."""

from fcn.models.tf_compat import tf


def per_pixel(logits, labels):
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return entropy * tf.square(1 - tf.exp(-entropy))
