"""Focal loss (Lin et al. 2017): cross entropy x (1 - probability of the label)^gamma. gamma is an option."""

from fcn.models.tf_compat import tf

LIMITS = {"gamma": (1, 10)}


def per_pixel(logits, labels, *, gamma=2.0):
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return entropy * (1 - tf.exp(-entropy)) ** gamma
