"""Placeholders + net + loss -> TrainingGraph: everything that a session is asked for by training and evaluation.

Without the loss it is an InferenceGraph: what an exported file holds.
"""

import dataclasses

import numpy as np

from fcn import blocks, components, layers, shelf
from fcn import recompute as recomputation
from fcn.architecture import Architecture, BuildSettings
from fcn.blocks import Blocks
from fcn.tf1 import tf


@dataclasses.dataclass(frozen=True)
class TrainingGraph:
    """Placeholders images uint8 (N, H, W, 3) RGB, labels uint8 (N, H, W), keep_prob (default 1), dropout_seed (2,),
    training (default False: batch normalisation takes its moving averages);
    scores: Blocks, and the same as tensor logits float32 (N, H, W, C), which costs time if it is asked for; prediction
    uint8 (N, H, W) that holds no id of build()'s ignored_ids;
    loss_sum / pixels is the mean loss of the labelled pixels (as it is shown), objective / parts what training
    minimises. All four add up over batches. num_classes: C. features: {name: tensor} of the encoder; encoder_layers:
    names of the encoder's layers that have variables, in the order of the forward pass.
    """

    images: tf.Tensor
    labels: tf.Tensor
    keep_prob: tf.Tensor
    dropout_seed: tf.Tensor
    training: tf.Tensor
    scores: Blocks
    logits: tf.Tensor
    prediction: tf.Tensor
    loss_sum: tf.Tensor
    pixels: tf.Tensor
    objective: tf.Tensor
    parts: tf.Tensor
    num_classes: int
    features: dict[str, tf.Tensor]
    encoder_layers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class InferenceGraph:
    """Placeholder images uint8 (N, H, W, 3) RGB; scores: Blocks; tensors logits float32 (N, H, W, C), probabilities
    float32 (N, H, W, C) and prediction uint8 (N, H, W). They are named so in the graph. No pixel is predicted to be of
    an ignored id, whose probability is 0.
    """

    images: tf.Tensor
    scores: Blocks
    logits: tf.Tensor
    probabilities: tf.Tensor
    prediction: tf.Tensor


def build(architecture, ignored_ids, loss="cross_entropy", reduction="mean", class_weights=None):
    """The TrainingGraph of an Architecture and a loss (a name in fcn/losses) in the default graph.

    ignored_ids: left out of the loss and of predictions. class_weights: num_classes numbers or None.
    """
    if architecture.gradient_checkpointing:
        recomputation.switch_on()
    images = tf.placeholder(tf.uint8, (None, None, None, 3), "images")
    labels = tf.placeholder(tf.uint8, (None, None, None), "labels")
    keep_prob = tf.placeholder_with_default(np.float32(1), (), "keep_prob")
    dropout_seed = tf.placeholder_with_default(np.zeros(2, np.int32), (2,), "dropout_seed")
    training = tf.placeholder_with_default(False, (), "training")

    scores, features, encoder_layers = _net(images, architecture, keep_prob, dropout_seed, training)
    arranged = scores.arrange(tf.cast(labels, tf.int32), outside=architecture.num_classes)  # such an id is not counted
    losses, weights = shelf.pick("losses", loss).build(scores.listed(), arranged, ignored_ids, class_weights)
    objective, parts = reduce(losses, weights, reduction)
    return TrainingGraph(images, labels, keep_prob, dropout_seed, training, scores, scores.pixels(),
                         predict(scores, ignored_ids), tf.reduce_sum(losses), tf.reduce_sum(weights), objective, parts,
                         architecture.num_classes, features, encoder_layers)


def of_run(model):
    """The TrainingGraph for "model" of a run's config.json."""
    return build(Architecture.from_dict(model), model["ignored_ids"], model.get("loss", "cross_entropy"),
                 model.get("reduction", "mean"), model.get("class_weights"))


def inference(architecture, ignored_ids, prepared=False):
    """The InferenceGraph of an Architecture in the default graph.

    It has the variables of build()'s graph, and no dropout. prepared: weights are converted and arranged once, not for
    every image; run tf.local_variables_initializer() when they are in.
    """
    if prepared:
        layers.keep_prepared()
    images = tf.placeholder(tf.uint8, (None, None, None, 3), "images")
    scores, _, _ = _net(images, architecture, None, np.zeros(2, np.int32), False)
    logits = tf.identity(scores.pixels(), "logits")
    probabilities = tf.nn.softmax(permitted(logits, ignored_ids), name="probabilities")
    return InferenceGraph(images, scores, logits, probabilities, tf.identity(predict(scores, ignored_ids),
                                                                             "prediction"))


def _net(images, architecture, keep_prob, dropout_seed, training):
    """(scores float32 as Blocks, features, names of the encoder's layers) of uint8 images."""
    parts, before = components.of(architecture.net), len(tf.trainable_variables())
    settings = BuildSettings(parts.net, architecture.widths, architecture.chosen(), layers.height_width(images),
                             keep_prob, dropout_seed, training)
    x = parts.encoder.preprocess(tf.cast(images, tf.float32), architecture.mean_rgb)
    features = parts.encoder.build(tf.cast(x, tf.as_dtype(architecture.precision)), settings)
    parts.check_features(features, architecture)
    encoder_layers = dict.fromkeys(v.op.name.rpartition("/")[0] for v in tf.trainable_variables()[before:])
    scores = parts.decoder.build(features, architecture.num_classes, settings)
    scores = scores if isinstance(scores, Blocks) else blocks.plain(scores)
    return scores, features, tuple(encoder_layers)


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
