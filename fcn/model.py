"""Placeholders + net + loss -> SegModel: everything that a session is asked for by training and evaluation."""

import dataclasses
from typing import Any

import numpy as np

from fcn.tf1 import tf


@dataclasses.dataclass(frozen=True)
class SegModel:
    """Placeholders images uint8 (N, H, W, 3) RGB, labels uint8 (N, H, W), keep_prob (default 1), dropout_seed (2,);
    tensors logits float32 (N, H, W, C), prediction uint8 (N, H, W) that holds no ignored id, loss_sum, pixels.
    """

    images: Any
    labels: Any
    keep_prob: Any
    dropout_seed: Any
    logits: Any
    prediction: Any
    loss_sum: Any
    pixels: Any


def build(net, loss, num_classes, ignored_ids, channels, mean_rgb, learn_upsampling=False, precision="float32"):
    """The SegModel of a net (a module with build()) and a loss (likewise) in the default graph."""
    images = tf.placeholder(tf.uint8, (None, None, None, 3), "images")
    labels = tf.placeholder(tf.uint8, (None, None, None), "labels")
    keep_prob = tf.placeholder_with_default(np.float32(1), (), "keep_prob")
    dropout_seed = tf.placeholder_with_default(np.zeros(2, np.int32), (2,), "dropout_seed")

    centred = tf.cast(images, tf.float32) - tf.constant(mean_rgb, tf.float32)
    logits = net.build(tf.cast(centred, tf.as_dtype(precision)), num_classes, channels, keep_prob, dropout_seed,
                       learn_upsampling)
    loss_sum, pixels = loss.build(logits, labels, ignored_ids)
    return SegModel(images, labels, keep_prob, dropout_seed, logits, predict(logits, ignored_ids), loss_sum, pixels)


def predict(logits, ignored_ids):
    """uint8 (N, H, W): the best class that is not ignored. A net may well have a channel for an ignored id."""
    num_classes = int(logits.shape[3])
    barred = [-np.inf if i in ignored_ids else 0 for i in range(num_classes)]
    if any(barred):
        logits = logits + tf.constant(barred, tf.float32)
    return tf.cast(tf.argmax(logits, axis=3, output_type=tf.int32), tf.uint8)
