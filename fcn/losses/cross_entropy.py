"""Softmax cross entropy per pixel; ignored labels weigh nothing (Caffe's SoftmaxWithLoss, ignore_label)."""

from fcn.tf1 import tf


def build(logits, labels, ignored_ids=(), class_weights=None):
    """(losses, weights): float32 (N, H, W), every pixel's weighted loss in nats and its weight; both 0 where ignored.

    logits: float32 (N, H, W, C); labels: integers (N, H, W); what is H and what W makes no difference, the pixels come
    in any order (blocks.py). class_weights: C numbers, or None for 1 each. A mean is
    sum(losses) / sum(weights), as in PyTorch's weighted cross entropy; model.py reduces.
    """
    num_classes = int(logits.shape[-1])
    labels = tf.cast(labels, tf.int32)
    counted = labels < num_classes
    for ignored in ignored_ids:
        counted &= tf.not_equal(labels, ignored)
    labels = tf.where(counted, labels, tf.zeros_like(labels))
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    weights = tf.cast(counted, tf.float32)
    if class_weights is not None:
        weights *= tf.gather(tf.constant(class_weights, tf.float32), labels)
    return entropy * weights, weights
