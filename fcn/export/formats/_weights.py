"""Shared by .npz and .mat: the weights by layer, under the name of the published net."""

import dataclasses

import numpy as np

from fcn.core import errors
from fcn.data import label_policy
from fcn.models import components, graph_builder
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import new_session, run, tf
from fcn.weights import detection, initialize
from fcn.weights.formats import _heads, npz


def write(path, checkpoint, form):
    """Write a checkpoint in the format `form`, a module of fcn/weights/formats. Returns one line about the file.

    Raises WeightsError if reading the file back gives other bits, UsageError if the format cannot hold the net.
    """
    weights = initialize.from_run(checkpoint)
    if not (form is npz and is_own(weights)):
        weights = published_name(weights)
    form.write(path, weights)
    differing = differences(weights, detection.read_weights(path))
    if differing:
        raise errors.WeightsError(f"reading the file back gives other values of {', '.join(differing)}", where=path)
    layers = {*weights.layers, *(name.rpartition("/")[0] for name in weights.others)}
    return f"{weights.net}, {len(layers)} layers, read back bit-equal"


def outputs(path, batches):
    """Yield (logits, prediction) of each batch, from the net that the file names."""
    weights = detection.read_weights(path)
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        architecture = Architecture(weights.net, weights.num_classes,
                                    components.of(weights.net).widths(weights.widths), weights.mean_rgb.tolist(),
                                    weights.variant, output=weights.output)
        policy = label_policy.of_net(weights.ignored_ids, weights.num_classes)
        net = graph_builder.inference(architecture, policy.never_predicted)
        initialize.load_all(session, weights)
        for images in batches:
            yield run(session, [net.logits, net.prediction], {net.images: images})


def is_own(weights):
    """Return whether these Weights are not of a published FCN: another net, other score layers, or one sigmoid output.

    An .npz then holds every variable by its own name.
    """
    scores = {name for name in weights.layers if name.startswith("score_")}
    return (not weights.variant or not scores <= {*_heads.FCN8S[0]}
            or components.of(weights.net).net.ENCODER != "vgg" or weights.output == "sigmoid")


def published_name(weights):
    """Return these Weights under the name of the published net with the same graph. Raises UsageError without one."""
    own = weights.variant
    if is_own(weights) or weights.others:
        raise errors.UsageError(f"{weights.net} is not a published FCN on VGG, the only nets that .mat can hold",
                                fix="write an .npz, SavedModel, .pb, .tflite or .onnx.")
    if own["fusion"] != "scores" or own["score_relu"]:
        raise errors.UsageError(f"{weights.net} fuses features or has a ReLU on its scores; .mat and .npz hold only "
                                "nets that fuse plain scores", fix="write a SavedModel, .pb, .tflite or .onnx.")
    if weights.net in ("fcn32s", "fcn16s"):
        return weights
    return dataclasses.replace(weights, net="fcn8s_atonce" if own["pool_scaling"] else "fcn8s")


def differences(one, other):
    """Return the names of the layers and fields in which two Weights differ."""
    def equal(name):
        pair = one.layers.get(name), other.layers.get(name)
        return all(pair) and all((a is None) == (b is None) and (a is None or np.array_equal(a, b))
                                 for a, b in zip(*pair, strict=True))
    layers = [name for name in {**one.layers, **other.layers} if not equal(name)]
    layers += [name for name in {**one.others, **other.others}
               if not np.array_equal(one.others.get(name, ()), other.others.get(name, ()))]
    fields = [name for name in ("net", "class_names", "variant", "ignored_ids", "size", "output")
              if getattr(one, name) != getattr(other, name)]
    return layers + fields + ([] if np.array_equal(one.mean_rgb, other.mean_rgb) else ["mean_rgb"])
