"""Softmax cross entropy of each pixel, in nats (Caffe's SoftmaxWithLoss).

With label smoothing (Szegedy et al. 2016, section 7), the target of a pixel is 1 - label_smoothing for its label plus
label_smoothing / C for each of the C channels, as in Keras and PyTorch. With one sigmoid output, that is Keras'
BinaryCrossentropy(label_smoothing=...).
"""

from fcn.models import gradients
from fcn.models.tf_compat import tf

LIMITS = {"label_smoothing": (0, 1)}


def per_pixel(logits, labels, *, label_smoothing=0.0):
    """Return losses, float32 (N, rows, columns). Arguments: see fcn/models/losses."""
    losses = gradients.cross_entropy(logits, labels)
    if not label_smoothing:
        return losses
    of_all_channels = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
    return (1 - label_smoothing) * losses + label_smoothing * of_all_channels
