"""Placeholders + net + loss -> TrainingGraph: everything that a session is asked for by training and evaluation.

Without the loss it is an InferenceGraph: what an exported file holds.
"""

import dataclasses
import threading

import numpy as np

from fcn.core import errors
from fcn.data import label_policy
from fcn.data.label_policy import LabelPolicy
from fcn.models import batch_loss, blocks, components, layers
from fcn.models.architecture import Architecture, BuildSettings
from fcn.models.batch_loss import LossSettings
from fcn.models.blocks import Blocks
from fcn.models.tf_compat import tf

CHECKED_PX = 96, 160  # size of the images with which the strides of an encoder are checked


@dataclasses.dataclass(frozen=True)
class TrainingGraph:
    """Placeholders images uint8 (N, H, W, 3) RGB, labels uint8 (N, H, W), keep_prob (default 1), dropout_seed (2,),
    training (default False: batch normalisation takes its moving averages);
    scores: Blocks, and the same as tensor logits float32 (N, H, W, C), which costs time if it is asked for; prediction
    uint8 (N, H, W) that holds no id of LabelPolicy.never_predicted;
    loss_sum / pixels is the mean loss of the labelled pixels (as it is shown), objective / normalizer what training
    minimises. All four add up over batches; their shapes are those of batch_loss.BatchLoss. num_classes: C. features:
    {name: tensor} of the encoder; encoder_layers: names of the encoder's layers that have variables, in the order of
    the forward pass.
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
    normalizer: tf.Tensor
    num_classes: int
    features: dict[str, tf.Tensor]
    encoder_layers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class InferenceGraph:
    """Placeholder images uint8 (N, H, W, 3) RGB; scores: Blocks; tensors logits float32 (N, H, W, C), probabilities
    float32 (N, H, W, C) and prediction uint8 (N, H, W). They are named so in the graph. The probability of
    ids that are never predicted is 0.
    """

    images: tf.Tensor
    scores: Blocks
    logits: tf.Tensor
    probabilities: tf.Tensor
    prediction: tf.Tensor


def build(architecture, policy=LabelPolicy(), loss=LossSettings()):  # noqa: B008, both are frozen
    """The TrainingGraph of an Architecture in the default graph, with a LabelPolicy and LossSettings."""
    if architecture.gradient_checkpointing:
        layers.use_gradient_checkpointing()
    images = tf.placeholder(tf.uint8, (None, None, None, 3), "images")
    labels = tf.placeholder(tf.uint8, (None, None, None), "labels")
    keep_prob = tf.placeholder_with_default(np.float32(1), (), "keep_prob")
    dropout_seed = tf.placeholder_with_default(np.zeros(2, np.int32), (2,), "dropout_seed")
    training = tf.placeholder_with_default(False, (), "training")

    if components.of(architecture.net).is_plugin():
        check_strides(architecture)
    scores, features, encoder_layers = _net(images, architecture, keep_prob, dropout_seed, training)
    arranged = scores.arrange(tf.cast(labels, tf.int32), outside=architecture.num_classes)  # such an id is not counted
    found = batch_loss.build(scores.listed(), arranged, policy, loss)
    return TrainingGraph(images, labels, keep_prob, dropout_seed, training, scores, scores.pixels(),
                         predict(scores, policy.never_predicted), found.loss_sum, found.pixels, found.objective,
                         found.normalizer, architecture.num_classes, features, encoder_layers)


def check_strides(architecture):
    """Raise UsageError if features of the encoder are not of the strides that it promises, as far as shapes say so.

    Shapes are known where the size of the images is, in a graph of its own.
    """
    with tf.Graph().as_default():
        _net(tf.zeros((1, *CHECKED_PX, 3), tf.uint8), architecture, None, np.zeros(2, np.int32), False)


def of_run(model):
    """The TrainingGraph for "model" of a run's config.json."""
    policy = label_policy.of_net(model["ignored_ids"], model["num_classes"])
    return build(Architecture.from_dict(model), policy, LossSettings.from_dict(model))


def inference_of_run(model):
    """The InferenceGraph for "model" of a run's config.json."""
    policy = label_policy.of_net(model["ignored_ids"], model["num_classes"])
    return inference(Architecture.from_dict(model), policy.never_predicted)


def inference(architecture, never_predicted=(), prepared=False):
    """The InferenceGraph of an Architecture in the default graph; its prediction holds no id of never_predicted.

    It has the variables of build()'s graph, and no dropout. prepared: weights are converted and arranged once, not for
    every image; run tf.local_variables_initializer() when they are in.
    """
    if prepared:
        layers.keep_prepared()
    images = tf.placeholder(tf.uint8, (None, None, None, 3), "images")
    scores, _, _ = _net(images, architecture, None, np.zeros(2, np.int32), False)
    logits = tf.identity(scores.pixels(), "logits")
    probabilities = tf.nn.softmax(without(logits, never_predicted), name="probabilities")
    return InferenceGraph(images, scores, logits, probabilities, tf.identity(predict(scores, never_predicted),
                                                                             "prediction"))


def _net(images, architecture, keep_prob, dropout_seed, training):
    """(scores float32 as Blocks, features, names of the encoder's layers) of uint8 images."""
    parts, before = components.of(architecture.net), len(tf.trainable_variables())
    settings = BuildSettings(parts.net, architecture.widths, architecture.chosen(), layers.height_width(images),
                             keep_prob, dropout_seed, training)
    x = parts.encoder.preprocess(tf.cast(images, tf.float32), architecture.mean_rgb)
    features = parts.encoder.build(tf.cast(x, tf.as_dtype(architecture.precision)), settings)
    parts.check_features(features, architecture, images.shape.as_list()[1:3])
    encoder_layers = dict.fromkeys(v.op.name.rpartition("/")[0] for v in tf.trainable_variables()[before:])
    scores = parts.decoder.build(features, architecture.num_classes, settings)
    if not isinstance(scores, tf.Tensor | Blocks):
        raise errors.UsageError(f"the decoder gives {scores!r}, expected Blocks or a tensor (N, H, W, num_classes)",
                                where=parts.decoder_file())
    scores = scores if isinstance(scores, Blocks) else blocks.plain(scores)
    if scores.channels != architecture.num_classes:
        raise errors.UsageError(f"the decoder gives {scores.channels} channels, expected one for each of the "
                                f"{architecture.num_classes} classes", where=parts.decoder_file())
    return scores, features, tuple(encoder_layers)


def predict(scores, excluded_ids):
    """uint8 (N, H, W): the best class that is not in excluded_ids, of Blocks.

    The argmax is taken where the scores lie: only ids are brought into the order of the image.
    """
    best = tf.argmax(without(scores.listed(), excluded_ids), axis=-1, output_type=tf.int32)
    return scores.restore(tf.cast(best, tf.uint8))


_adding = threading.Lock()


def prediction_without(scores, excluded_ids):
    """The tensor predict(scores, excluded_ids), made once in the graph of `scores`, also if several threads ask."""
    graph = scores.tensor.graph
    name = "_".join([f"{scores.tensor.op.name}/prediction_without", *map(str, excluded_ids)])
    with _adding:
        try:
            return graph.get_tensor_by_name(f"{name}:0")
        except KeyError:
            with graph.as_default():
                return tf.identity(predict(scores, excluded_ids), name)


def without(logits, excluded_ids):
    """The logits (..., C), those of excluded_ids at minus infinity."""
    offsets = [-np.inf if i in excluded_ids else 0 for i in range(int(logits.shape[-1]))]
    return logits + tf.constant(offsets, tf.float32) if any(offsets) else logits
