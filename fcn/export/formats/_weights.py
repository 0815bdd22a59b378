"""What .npz and .mat have in common: the weights by layer, of the nets that have a published name."""

import dataclasses

import numpy as np

from fcn.core import errors
from fcn.data import label_policy
from fcn.models import components, graph_builder
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import new_session, run, tf
from fcn.weights import detection, initialize
from fcn.weights.formats import npz


def write(path, checkpoint, form):
    """Write a checkpoint in the format `form` (fcn/weights/formats). Raises WeightsError unless the bits come back."""
    weights = initialize.from_run(checkpoint)
    if not (form is npz and is_own(weights)):
        weights = published_name(weights)
    form.write(path, weights)
    differing = differences(weights, detection.read_weights(path))
    if differing:
        raise errors.WeightsError(f"what was written is not what was read back: {', '.join(differing)}", where=path)
    layers = {*weights.layers, *(name.rpartition("/")[0] for name in weights.others)}
    return f"{weights.net}, {len(layers)} layers, read back bit-equal"


def outputs(path, batches):
    """(logits, prediction) of each batch, by the net that the file says it holds."""
    weights = detection.read_weights(path)
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        architecture = Architecture(weights.net, weights.num_classes,
                                    components.of(weights.net).widths(weights.widths), weights.mean_rgb.tolist(),
                                    weights.variant)
        policy = label_policy.of_net(weights.ignored_ids, weights.num_classes)
        net = graph_builder.inference(architecture, policy.never_predicted)
        initialize.load_all(session, weights)
        for images in batches:
            yield run(session, [net.logits, net.prediction], {net.images: images})


def is_own(weights):
    """Whether these Weights are of a net that is no FCN on VGG, of which .npz holds every variable."""
    return not weights.variant or components.of(weights.net).net.ENCODER != "vgg"


def published_name(weights):
    """These Weights under the name of the published net that they are one of. Raises UsageError if they are none."""
    own = weights.variant
    if is_own(weights) or weights.others:
        raise errors.UsageError(f"{weights.net} is not a published FCN on VGG, and .mat holds no other net",
                                fix="write an .npz, SavedModel, .pb, .tflite or .onnx.")
    if own["fusion"] != "scores" or own["score_relu"]:
        raise errors.UsageError(f"{weights.net} fuses features or has a ReLU on its scores; .mat and .npz hold nets "
                                "that fuse plain scores", fix="write a SavedModel, .pb, .tflite or .onnx.")
    if weights.net in ("fcn32s", "fcn16s"):
        return weights
    return dataclasses.replace(weights, net="fcn8s_atonce" if own["pool_scaling"] else "fcn8s")


def differences(one, other):
    """Names of the layers and facts in which two Weights differ."""
    def equal(name):
        pair = one.layers.get(name), other.layers.get(name)
        return all(pair) and all((a is None) == (b is None) and (a is None or np.array_equal(a, b))
                                 for a, b in zip(*pair, strict=True))
    layers = [name for name in {**one.layers, **other.layers} if not equal(name)]
    layers += [name for name in {**one.others, **other.others}
               if not np.array_equal(one.others.get(name, ()), other.others.get(name, ()))]
    facts = [name for name in ("net", "class_names", "variant", "ignored_ids")
             if getattr(one, name) != getattr(other, name)]
    return layers + facts + ([] if np.array_equal(one.mean_rgb, other.mean_rgb) else ["mean_rgb"])
