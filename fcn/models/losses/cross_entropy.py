"""Softmax cross entropy of each pixel, in nats (Caffe's SoftmaxWithLoss)."""

from fcn.models.tf_compat import tf


def per_pixel(logits, labels):
    """Return losses, float32 (N, rows, columns). Arguments: see fcn/models/losses."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
