"""Softmax cross entropy of each pixel, in nats (Caffe's SoftmaxWithLoss)."""

from fcn.models.tf_compat import tf


def per_pixel(logits, labels):
    """Float32 (N, rows, columns), of logits float32 (N, rows, columns, C) and labels int32 (N, rows, columns) < C."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
