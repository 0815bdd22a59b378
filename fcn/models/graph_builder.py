"""Graphs of a net: TrainingGraph with a loss, for training and evaluation; InferenceGraph without, for prediction."""

import dataclasses
import functools
import json
import threading

import numpy as np

from fcn.core import errors
from fcn.data import label_policy
from fcn.data.label_policy import LabelPolicy
from fcn.data.spec import id_dtype
from fcn.models import activation_memory, batch_loss, blocks, components, layers
from fcn.models.architecture import SIGMOID, Architecture, BuildSettings
from fcn.models.batch_loss import LossSettings
from fcn.models.blocks import Blocks
from fcn.models.encoders import MemoryMap
from fcn.models.tf_compat import tf

CHECKED_PX = 96, 160  # image size for the check of an encoder's strides


@dataclasses.dataclass(frozen=True)
class TrainingGraph:
    """A graph with a loss.

    Placeholders: images uint8 (N, H, W, channels), RGB for 3 channels; labels (N, H, W), uint8, or uint16 if an id
    is above 255; keep_prob float32 (default 1); dropout_seed int32 (2,); training bool (default False: batch
    normalisation uses its moving averages); is_first bool (default False: whether layers that are frozen at first still
    are); pixel_weights float32 (N, H, W) (default: 1 each; None for a graph without LossSettings.border_weight).
    scores: Blocks. logits: the same as a tensor float32 (N, H, W, C), computed only on request.
    prediction: uint8 or uint16 (N, H, W), without the ids in LabelPolicy.never_predicted.
    loss_sum, pixels, objective, normalizer: sums over the batch, see batch_loss.BatchLoss.
    num_classes: C. features: {name: tensor} of the encoder.
    encoder_layers: the encoder's layers with variables, in the order of the forward pass.
    pixel_counts: int32 (2,): right pixels of the batch, and pixels that count in the loss.
    """

    images: tf.Tensor
    labels: tf.Tensor
    keep_prob: tf.Tensor
    dropout_seed: tf.Tensor
    training: tf.Tensor
    is_first: tf.Tensor
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
    pixel_counts: tf.Tensor
    pixel_weights: tf.Tensor | None = None


@dataclasses.dataclass(frozen=True)
class InferenceGraph:
    """A graph without loss and dropout. Tensors have the names of these fields, except scores.

    images: placeholder uint8 (N, H, W, channels), RGB for 3 channels. scores: Blocks. logits: float32
    (N, H, W, C). probabilities: float32 (N, H, W, C), 0 for ids that are never predicted. prediction:
    uint8 or uint16 (N, H, W).
    """

    images: tf.Tensor
    scores: Blocks
    logits: tf.Tensor
    probabilities: tf.Tensor
    prediction: tf.Tensor


def build(architecture, policy=LabelPolicy(), loss=LossSettings(), frozen=(), frozen_at_first=()):  # noqa: B008, both are frozen
    """The TrainingGraph of an Architecture in the default graph, with a LabelPolicy and LossSettings.

    frozen, frozen_at_first: names of layers, see layers.freeze(); the latter are frozen while is_first is True.
    """
    layers.freeze(frozen)
    images = tf.placeholder(tf.uint8, (None, None, None, architecture.image_channels), "images")
    labels = tf.placeholder(policy.id_dtype(architecture.num_classes), (None, None, None), "labels")
    keep_prob = tf.placeholder_with_default(np.float32(1), (), "keep_prob")
    dropout_seed = tf.placeholder_with_default(np.zeros(2, np.int32), (2,), "dropout_seed")
    training = tf.placeholder_with_default(False, (), "training")
    is_first = tf.placeholder_with_default(False, (), "is_first")
    layers.freeze(frozen_at_first, during=is_first)

    if components.of(architecture.net).is_plugin():
        check_strides(architecture)
    scores, features, encoder_layers = _net(images, architecture, keep_prob, dropout_seed, training)
    arranged = scores.arrange(tf.cast(labels, tf.int32), outside=architecture.num_classes)  # not counted in the loss
    pixel_weights = tf.placeholder_with_default(tf.ones_like(labels, tf.float32), (None, None, None),
                                                "pixel_weights") if loss.border_weight else None
    sums = batch_loss.build(scores.listed(), arranged, policy, loss, None if pixel_weights is None else
                            scores.arrange(pixel_weights, outside=0.0))
    return TrainingGraph(images, labels, keep_prob, dropout_seed, training, is_first, scores, scores.pixels(),
                         predict(scores, policy.never_predicted), sums.loss_sum, sums.pixels, sums.objective,
                         sums.normalizer, architecture.num_classes, features, encoder_layers,
                         _accuracy(scores.listed(), arranged, policy), pixel_weights)


def _accuracy(logits, labels, policy):
    """Return int32 (2,): right pixels, and pixels that count in the loss.

    Ids that are never predicted are not excluded, which would copy the logits; one that is largest is wrong.
    """
    counts = batch_loss.counted(labels, int(logits.shape[-1]), policy)
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)
    return tf.stack([tf.math.count_nonzero(counts & tf.equal(best, labels), dtype=tf.int32),
                     tf.math.count_nonzero(counts, dtype=tf.int32)])


@functools.lru_cache(maxsize=16)
def _memory_map(architecture_json, size_px):
    architecture = Architecture.from_dict(json.loads(architecture_json))
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.uint8, (1, *size_px, architecture.image_channels))
        _net(images, architecture, None, np.zeros(2, np.int32), tf.placeholder(tf.bool, ()))
        return MemoryMap(activation_memory.activations(graph), activation_memory.workspace(graph))


def memory_map(architecture, size_px):
    """Return the MemoryMap of one image of size_px = (height, width), encoder and decoder, read from a graph."""
    return _memory_map(json.dumps(architecture.to_dict()), tuple(map(int, size_px)))


def check_strides(architecture):
    """Raise UsageError if the features of the encoder do not have the strides that it declares.

    The check builds a temporary graph with images of known size. Features of unknown shape are not checked.
    """
    with tf.Graph().as_default():
        images = tf.zeros((1, *CHECKED_PX, architecture.image_channels), tf.uint8)
        _net(images, architecture, None, np.zeros(2, np.int32), False)


def of_run(model, frozen=(), frozen_at_first=()):
    """Build the TrainingGraph of a run. model: dict, "model" of its config.json. Other arguments as in build()."""
    policy = label_policy.of_net(model["ignored_ids"], model["num_classes"])
    return build(Architecture.from_dict(model), policy, LossSettings.from_dict(model), frozen, frozen_at_first)


def layers_of(architecture):
    """Return (names of the trained variables, names of the encoder's layers) of an Architecture, by building it once.

    Both in the order of the forward pass. The graph is temporary.
    """
    with tf.Graph().as_default():
        images = tf.placeholder(tf.uint8, (None, None, None, architecture.image_channels))
        _, _, encoder_layers = _net(images, architecture, None, np.zeros(2, np.int32), False)
        return [v.op.name for v in tf.trainable_variables()], encoder_layers


def inference_of_run(model):
    """Build the InferenceGraph of a run. model: dict, "model" of its config.json."""
    policy = label_policy.of_net(model["ignored_ids"], model["num_classes"])
    return inference(Architecture.from_dict(model), policy.never_predicted)


def inference(architecture, never_predicted=(), prepared=False):
    """Build the InferenceGraph of an Architecture in the default graph, with the same variables as build().

    never_predicted: class ids to exclude from the prediction. prepared: convert and rearrange weights once instead of
    for every batch; run variables.preparation() after loading the weights.
    """
    if prepared:
        layers.keep_prepared()
    images = tf.placeholder(tf.uint8, (None, None, None, architecture.image_channels), "images")
    scores, _, _ = _net(images, architecture, None, np.zeros(2, np.int32), False)
    logits = tf.identity(scores.pixels(), "logits")
    probabilities = tf.nn.softmax(without(logits, never_predicted), name="probabilities")
    return InferenceGraph(images, scores, logits, probabilities, tf.identity(predict(scores, never_predicted),
                                                                             "prediction"))


def _net(images, architecture, keep_prob, dropout_seed, training):
    """Return (scores as float32 Blocks, features, names of the encoder's layers) of uint8 images."""
    net, before = components.of(architecture.net), len(tf.trainable_variables())
    net.check(architecture.widths, architecture.chosen())
    x = net.encoder.preprocess(tf.cast(images, tf.float32), architecture.mean_rgb)
    strides = {name: stride for name, stride, _ in net.features(architecture)}
    is_padded = net.pads_image(strides)
    if is_padded:
        x = _padded(x, components.common_stride(architecture))
    settings = BuildSettings(net.net, architecture.widths, architecture.chosen(), layers.height_width(x),
                             keep_prob, dropout_seed, training, strides)
    features = net.encoder.build(tf.cast(x, tf.as_dtype(architecture.precision)), settings)
    net.check_features(features, architecture, x.shape.as_list()[1:3])
    encoder_layers = dict.fromkeys(v.op.name.rpartition("/")[0] for v in tf.trainable_variables()[before:])
    channels = 1 if architecture.output == SIGMOID else architecture.num_classes
    scores = net.decoder.build(features, channels, settings)
    if not isinstance(scores, tf.Tensor | Blocks):
        raise errors.UsageError(f"the decoder gives {scores!r}, expected Blocks or a tensor (N, H, W, num_classes)",
                                where=net.decoder_file())
    scores = scores if isinstance(scores, Blocks) else blocks.plain(scores)
    if scores.channels != channels:
        raise errors.UsageError(f"the decoder gives {scores.channels} channels, expected {channels}",
                                where=net.decoder_file())
    scores = dataclasses.replace(scores, tensor=tf.cast(scores.tensor, tf.float32))
    if architecture.output == SIGMOID:
        scores = scores.after_zeros()
    if is_padded:
        scores = scores.crop(layers.height_width(images))
    return scores, features, tuple(encoder_layers)


def _padded(x, stride):
    """Pad (N, H, W, C) with zeros at the bottom and right to multiples of `stride`."""
    static = [side and -(-side // stride) * stride for side in x.shape.as_list()[1:3]]
    below, right = ((stride - side % stride) % stride for side in layers.height_width(x))  # ONNX has no -1 % 32 = 31
    y = tf.pad(x, ((0, 0), (0, below), (0, right), (0, 0)))
    padded = tf.shape(y)  # TensorFlow Lite does not know the channels of a padded tensor
    y = tf.reshape(y, tf.stack([padded[0], padded[1], padded[2], int(x.shape[3])]))
    y.set_shape((None, *static, x.shape[3]))
    return y


def predict(scores, excluded_ids):
    """Return the argmax over classes that are not in excluded_ids, (N, H, W), in their id_dtype. scores: Blocks.

    The argmax is computed in block order; only the ids are rearranged to image order.
    """
    best = tf.argmax(without(scores.listed(), excluded_ids), axis=-1, output_type=tf.int32)
    dtype = tf.as_dtype(id_dtype(scores.channels))
    ids = tf.cast(best, dtype) if dtype == tf.uint8 else best  # TensorFlow Lite cannot rearrange uint16
    return tf.cast(scores.restore(ids), dtype)


_adding = threading.Lock()


def prediction_without(scores, excluded_ids):
    """The tensor predict(scores, excluded_ids), made once in the graph of `scores`, also if several threads ask."""
    return _once(scores, "_".join(["prediction_without", *map(str, excluded_ids)]),
                 lambda: predict(scores, excluded_ids))


def has_nan(scores):
    """A scalar bool tensor: whether a score is not a number, made once as prediction_without() is."""
    return _once(scores, "has_nan", lambda: tf.math.is_nan(tf.reduce_sum(scores.tensor)))


def _once(scores, name, make):
    """The tensor of this name in the graph of `scores`, made by make() if it is not there."""
    graph, name = scores.tensor.graph, f"{scores.tensor.op.name}/{name}"
    with _adding:
        try:
            return graph.get_tensor_by_name(f"{name}:0")
        except KeyError:
            with graph.as_default():
                return tf.identity(make(), name)


def without(logits, excluded_ids):
    """Return the logits (..., C) with those of excluded_ids set to minus infinity."""
    offsets = [-np.inf if i in excluded_ids else 0 for i in range(int(logits.shape[-1]))]
    return logits + tf.constant(offsets, tf.float32) if any(offsets) else logits
