"""Softmax cross entropy per pixel, summed; ignored labels weigh nothing (Caffe's SoftmaxWithLoss, ignore_label)."""

from fcn.tf1 import tf


def build(logits, labels, ignored_ids=()):
    """(loss_sum, pixels): float32 scalars, the summed loss in nats and the number of labelled pixels.

    logits: float32 (N, H, W, C); labels: integers (N, H, W). A mean is loss_sum / pixels; sums are returned so that
    batches can be joined with every pixel weighing the same.
    """
    num_classes = int(logits.shape[3])
    labels = tf.cast(labels, tf.int32)
    counted = labels < num_classes
    for ignored in ignored_ids:
        counted &= tf.not_equal(labels, ignored)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.where(counted, labels, tf.zeros_like(labels)),
                                                             logits=logits)
    weights = tf.cast(counted, tf.float32)
    return tf.reduce_sum(entropy * weights), tf.reduce_sum(weights)
