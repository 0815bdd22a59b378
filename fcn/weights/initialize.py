"""Initialisation of a net's variables from a weight file or from a run, layer by layer."""

import dataclasses
import itertools

import numpy as np

from fcn.core import errors
from fcn.data.spec import size_of
from fcn.models import components, published_nets, tf_compat, variables
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf
from fcn.runs import checkpoint_choice
from fcn.weights import checkpoint_reader, input_channels, transfer
from fcn.weights.detection import Weights
from fcn.weights.formats import _keras_layers, _weights


def from_run(path):
    """Read the Weights of a run's folder or a checkpoint's folder.

    checkpoint_choice.choose selects the checkpoint of a run. Raises UsageError, WeightsError.
    """
    chosen = checkpoint_choice.choose(path)
    model, spec = chosen.content["model"], chosen.content["spec"]
    size = size_of(chosen.content["config"].get("size"))
    files = {name: facts["sha256"] for name, facts in chosen.state.get("files", {}).items()}
    layers, others = _weights.by_layer(checkpoint_reader.read_variables(chosen.path))
    return Weights(layers, np.array(model["mean_rgb"], np.float32),
                   (f"{model['net']} of {chosen.text}",), model["net"],
                   _variant(Architecture.from_dict(model)),
                   transfer.channel_names(spec["class_names"], model["num_classes"]), tuple(model["ignored_ids"]),
                   tuple(size) if size else None,
                   {"run": str(chosen.run.absolute()), "checkpoint": chosen.path.name, "step": chosen.state["step"],
                    "files": files}, others, model.get("output", "softmax"))


def _variant(architecture):
    """Return {field: value} of a net's Variants, or {} if it has none."""
    chosen = architecture.chosen()
    return dataclasses.asdict(chosen) if chosen else {}


def load_weights(session, weights, class_names, num_classes, carry_scores, chosen):
    """Load Weights into the net of the default graph and initialise all other variables.

    class_names: names of this net's classes. num_classes: its channels. carry_scores: see transfer.carried_classes.
    chosen: variants.Variants of this net, or None. Returns the per-layer loading report, a list of
    transfer.LayerReport. The layers are removed from `weights`, which halves the memory (VGG-19 has 0.5 GB).
    """
    own = {v.op.name: v for v in variables.of_net()}
    needed = {name: v.shape.as_list() for name, v in own.items()}
    rename_numbered(weights, needed)
    order = {name.rpartition("/")[0]: number for number, name in enumerate(needed)}
    stored = dict(sorted(weights.layers.items(), key=lambda item: order.get(item[0], len(order))))
    classes, factors = None, {}
    count = transfer.score_channels(weights.layers)
    kept_fresh = ("fc6", "fc7") if chosen and chosen.fc == "random" and not weights.net else ()
    if count == 1 and not transfer.carries_output(carry_scores, weights.class_names, class_names):
        kept_fresh += tuple(layer for layer in stored if transfer.is_score(layer))
    if count > 1:  # one output, of --output sigmoid, is copied to another one or not at all
        old = transfer.channel_names(weights.class_names, count)
        new = transfer.channel_names(class_names, num_classes)
        classes = transfer.carried_classes(carry_scores, old, new), len(old), len(new)
        scaled = bool(chosen) and chosen.pool_scaling
        if weights.variant.get("pool_scaling", weights.net == "fcn8s_atonce") != scaled:
            factors = {f"score_{pool}": 1 / scale if scaled else scale
                       for pool, scale in published_nets.POOL_SCALES.items()}
    arrays, rows = transfer.plan_transfer(stored, needed, kept_fresh, classes,
                                          lambda name: _first_value(session, own[name]), factors)
    copied, copied_rows = transfer.others(weights.others, needed)
    arrays |= copied
    rows += copied_rows
    stored.clear()
    weights.layers.clear()
    weights.others.clear()
    # Loaded variables are not initialised first: drawing fc6's 103 M random numbers took longer than everything else.
    initialise(session, [v for v in tf.global_variables() if v.op.name not in arrays])
    new = {name: v for name, v in own.items() if name not in arrays}
    rest = {name: v for name, v in new.items() if transfer.is_other(name, own)}
    checkpoint_reader.put(session, arrays)
    for group in variables.in_groups([v for name, v in new.items() if name.endswith("/kernel")]):
        rows += [transfer.fresh(v.op.name, array) for v, array in zip(group, session.run(group), strict=True)]
    return rows + transfer.fresh_others(session.run(rest))


def rename_numbered(weights, needed):
    """Give the numbered layers of a .weights.h5 of Keras 3 the names of the net's layers, in place.

    needed: {variable of the net: shape}, in the order of the forward pass.
    """
    numbered = [*weights.layers, *dict.fromkeys(name.rpartition("/")[0] for name in weights.others)]
    if not _keras_layers.is_numbered(numbered):
        return
    names = _keras_layers.by_name(numbered, needed)
    layers = {names.get(layer, layer): pair for layer, pair in weights.layers.items()}
    others = {f"{names.get(layer, layer)}/{part}": array for (layer, _, part), array in (
        (name.rpartition("/"), array) for name, array in weights.others.items())}
    for own, renamed in ((weights.layers, layers), (weights.others, others)):
        own.clear()
        own.update(renamed)


def fit_channels(weights, architecture, how):
    """Fit Weights of a net for RGB images to the net of the default graph, if its images have other channels.

    architecture: of the net. how: see input_channels.fit. Returns {layer: text for the loading report}.
    """
    if len(weights.mean_rgb) == architecture.image_channels:
        return {}
    preprocess = components.of(architecture.net).encoder.preprocess
    with tf.Graph().as_default(), tf_compat.new_session() as session:
        offsets = [session.run(preprocess(tf.zeros((1, 1, 1, len(mean))), tuple(mean)))[0, 0, 0]
                   for mean in (weights.mean_rgb.tolist(), architecture.mean_rgb)]
    needed = {v.op.name: tuple(v.shape.as_list()) for v in variables.of_net()}
    fitted, texts = input_channels.fit(weights.layers, needed, offsets, how)
    weights.layers.update(fitted)
    return texts


def initialise(session, variables):
    """Run the initialisers of these variables, grouped by the last part of the name (kernel, Adam, Adam_1, ...).

    Zeros of equal shape that are initialised in one session.run share a buffer until the first update copies them, when
    most memory is in use. Adam's two slots of a weight would then cost 0.35 GB permanently.
    """
    def kind(variable):
        return variable.op.name.rpartition("/")[2]
    for _, alike in itertools.groupby(sorted(variables, key=kind), kind):
        session.run([variable.initializer for variable in alike])


def _first_value(session, variable):
    session.run(variable.initializer)
    return session.run(variable)


def load_all(session, weights):
    """Load an FCN into the net of the default graph, which has the same classes.

    Raises WeightsError if a variable is missing.
    """
    needed = {v.op.name: v.shape.as_list() for v in variables.of_net()}
    arrays = transfer.plan_transfer(weights.layers, needed)[0] | transfer.others(weights.others, needed)[0]
    missing = sorted(needed.keys() - arrays.keys())
    if missing:
        raise errors.WeightsError(f"the weights of {weights.net} have no {', '.join(missing)}",
                                  fix="give the file of a whole net.")
    checkpoint_reader.put(session, arrays)
