"""Placeholders + net + loss -> SegModel: everything that a session is asked for by training and evaluation.

Without the loss it is an Inference: what an exported file holds.
"""

import dataclasses
from typing import Any

import numpy as np

from fcn import layers, shelf
from fcn import recompute as recomputation
from fcn.choices import of as choices_of
from fcn.tf1 import tf


@dataclasses.dataclass(frozen=True)
class SegModel:
    """Placeholders images uint8 (N, H, W, 3) RGB, labels uint8 (N, H, W), keep_prob (default 1), dropout_seed (2,);
    scores: Blocks, and the same as tensor logits float32 (N, H, W, C), which costs time if it is asked for; prediction
    uint8 (N, H, W) that holds no id of build()'s ignored_ids;
    loss_sum / pixels is the mean loss of the labelled pixels (as it is shown), objective / parts what training
    minimises. All four add up over batches. num_classes: C.
    """

    images: Any
    labels: Any
    keep_prob: Any
    dropout_seed: Any
    scores: Any
    logits: Any
    prediction: Any
    loss_sum: Any
    pixels: Any
    objective: Any
    parts: Any
    num_classes: int


@dataclasses.dataclass(frozen=True)
class Inference:
    """Placeholder images uint8 (N, H, W, 3) RGB; scores: Blocks; tensors logits float32 (N, H, W, C), probabilities
    float32 (N, H, W, C) and prediction uint8 (N, H, W). They are named so in the graph. No pixel is predicted to be of
    an ignored id, whose probability is 0.
    """

    images: Any
    scores: Any
    logits: Any
    probabilities: Any
    prediction: Any


def build(net, num_classes, ignored_ids, channels, mean_rgb, choices=None, loss="cross_entropy", reduction="mean",
          class_weights=None, precision="float32", recompute=False):
    """The SegModel of a net and a loss (names in fcn/nets and fcn/losses) in the default graph.

    ignored_ids: left out of the loss and of predictions. choices: {field of choices.Choices: value}, the net's own
    where there is none. class_weights: num_classes numbers or None. recompute: maps of the body are computed again on
    the way back. The arguments are all plain, and config.json of a run holds them under "model".
    """
    if recompute:
        recomputation.switch_on()
    images = tf.placeholder(tf.uint8, (None, None, None, 3), "images")
    labels = tf.placeholder(tf.uint8, (None, None, None), "labels")
    keep_prob = tf.placeholder_with_default(np.float32(1), (), "keep_prob")
    dropout_seed = tf.placeholder_with_default(np.zeros(2, np.int32), (2,), "dropout_seed")

    scores = _scores(images, net, num_classes, channels, mean_rgb, choices, precision, keep_prob, dropout_seed)
    arranged = scores.arrange(tf.cast(labels, tf.int32), outside=num_classes)  # an id that no class has is not counted
    losses, weights = shelf.pick("losses", loss).build(scores.listed(), arranged, ignored_ids, class_weights)
    objective, parts = reduce(losses, weights, reduction)
    return SegModel(images, labels, keep_prob, dropout_seed, scores, scores.pixels(), predict(scores, ignored_ids),
                    tf.reduce_sum(losses), tf.reduce_sum(weights), objective, parts, num_classes)


def inference(net, num_classes, ignored_ids, channels, mean_rgb, choices=None, precision="float32", prepared=False,
              **_training):
    """The Inference of a net in the default graph, for the arguments of build(), of which those on the loss do nothing.

    It has the variables of build()'s graph, and no dropout. prepared: weights are converted and arranged once, not for
    every image; run tf.local_variables_initializer() when they are in.
    """
    if prepared:
        layers.keep_prepared()
    images = tf.placeholder(tf.uint8, (None, None, None, 3), "images")
    scores = _scores(images, net, num_classes, channels, mean_rgb, choices, precision, None, np.zeros(2, np.int32))
    logits = tf.identity(scores.pixels(), "logits")
    probabilities = tf.nn.softmax(permitted(logits, ignored_ids), name="probabilities")
    return Inference(images, scores, logits, probabilities, tf.identity(predict(scores, ignored_ids), "prediction"))


def _scores(images, net, num_classes, channels, mean_rgb, choices, precision, keep_prob, dropout_seed):
    """Logits float32, as Blocks, of uint8 images; the mean colour is subtracted in float32."""
    centred = tf.cast(images, tf.float32) - tf.constant(mean_rgb, tf.float32)
    return shelf.pick("nets", net).build(tf.cast(centred, tf.as_dtype(precision)), num_classes, channels, keep_prob,
                                         dropout_seed, choices_of(net, **(choices or {})))


def reduce(losses, weights, reduction):
    """(objective, parts): sums over the batch; objective / parts, joined over the batches of a step, is minimised.

    "mean": over all labelled pixels of the step. "sum": summed over pixels, divided by the number of images, those
    without labelled pixels too: Caffe's `normalize: false` (softmax_loss_layer.cpp, get_normalizer: BATCH_SIZE is
    outer_num_), with which the paper's rates of 1e-10 to 1e-14 belong. "mean-per-image": every image's mean over its
    labelled pixels, then the mean over the images that have any. (matconvnet-fcn's SegmentationLoss.m adds 1 to the
    pixels of an image, and divides by all images of the batch.)
    """
    if reduction == "mean":
        return tf.reduce_sum(losses), tf.reduce_sum(weights)
    of_image = tf.reduce_sum(losses, (1, 2))
    if reduction == "sum":
        return tf.reduce_sum(of_image), tf.cast(tf.shape(losses)[0], tf.float32)
    pixels = tf.reduce_sum(weights, (1, 2))
    return tf.reduce_sum(tf.math.divide_no_nan(of_image, pixels)), tf.reduce_sum(tf.cast(pixels > 0, tf.float32))


def predict(scores, ignored_ids):
    """uint8 (N, H, W): the best class that is not ignored, of Blocks. A net may well have a channel for an ignored id.

    The argmax is taken where the scores lie: only ids are brought into the order of the image.
    """
    best = tf.argmax(permitted(scores.listed(), ignored_ids), axis=-1, output_type=tf.int32)
    return scores.restore(tf.cast(best, tf.uint8))


def permitted(logits, ignored_ids):
    """The logits (..., C), those of ignored ids at minus infinity."""
    barred = [-np.inf if i in ignored_ids else 0 for i in range(int(logits.shape[-1]))]
    return logits + tf.constant(barred, tf.float32) if any(barred) else logits
