"""Preparation of a run: pretrained weights, sampling, and the content of config.json.

`settings` is always a training_config.Config.
"""

import dataclasses
import math
import pathlib

import numpy as np

from fcn.config import parsers, training_config, variants
from fcn.core import errors, registry
from fcn.data import batch_loader, border_weights, class_weights, label_policy
from fcn.data.cache.cache import Cache
from fcn.data.spec import DatasetSpec
from fcn.models import components
from fcn.models.architecture import SIGMOID
from fcn.runs import checkpoint_files, record
from fcn.training import lr_multipliers
from fcn.weights import detection
from fcn.weights.detection import Weights
from fcn.weights.formats import _weights

MOST_FOR_MEANS = 200  # images


@dataclasses.dataclass(frozen=True)
class Job:
    """Everything that defines a run before its graph is built.

    run: folder of the run. settings: Config. content: dict of config.json. spec: DatasetSpec. training, validation:
    caches. pretrained: Weights to start from; None if the run resumes. baselines: result of baselines.numbers. resume:
    value of --resume.
    """

    run: pathlib.Path
    settings: training_config.Config
    content: dict
    spec: DatasetSpec
    training: Cache
    validation: Cache
    pretrained: Weights | None
    baselines: tuple
    resume: str = "auto"


def sampling(settings, mean_rgb, padding_id):
    """Return the batch_loader.Sampling of a run.

    mean_rgb: a number for each channel, 0-255. Pixels outside an image get this colour and the label
    padding_id (see LabelPolicy).
    """
    return batch_loader.Sampling(batch=settings.batch, seed=settings.seed, crop_size=settings.crop_size,
                                 augment=settings.augment, crops_per_image=settings.crops_per_image,
                                 images_in_memory=settings.images_in_memory, replace=settings.replacement,
                                 fill_rgb=tuple(round(v) for v in mean_rgb), padding_id=padding_id)


def pads(settings):
    """Return whether training samples may extend beyond their image."""
    return any(registry.load("augmentations", name).PADS for name in settings.augment) or bool(
        settings.size is None and settings.crop_size)


def read_weights(settings):
    """Read the Weights of a file, a run's folder or a checkpoint; for --weights none, Weights without layers.

    Raises UsageError, WeightsError.
    """
    if settings.weights == training_config.NO_WEIGHTS:
        return Weights({}, _weights.imagenet_mean(), ("every layer starts from its initial values",))
    path = pathlib.Path(settings.weights)
    if path.is_dir():
        from fcn.weights import initialize  # it needs TensorFlow
        return initialize.from_run(path)
    weights = detection.read_weights(path)
    if weights.net and not weights.class_names and settings.carry_scores == "name":
        raise errors.UsageError("is an FCN without class names", where=path,
                                fix="--carry-scores id keeps its scores by class id; fresh initialises new scores.")
    return weights


def means(settings, mean_rgb, training):
    """Return the mean of each channel of the images, 0-255, as a list: --mean-rgb, or from mean_rgb of the weights.

    One channel has the mean of the mean colour. Channels that are not RGB have the mean of the training images, of
    which up to MOST_FOR_MEANS are read. training: Cache.
    """
    given = [float(value) for value in settings.mean_rgb or mean_rgb]
    if len(given) == settings.channels:
        return given
    if settings.channels == 1:
        return [sum(given) / len(given)]
    chosen = range(0, len(training), -(-len(training) // MOST_FOR_MEANS))
    own = np.mean([training.image(i).mean(axis=(0, 1)) for i in chosen], axis=0).round(3).tolist()
    return given + own[len(given):] if settings.channels > len(given) else own


def check_channels(settings, weights):
    """Raise UsageError unless the weights are of a net for RGB images, or for images of these channels."""
    own = len(weights.mean_rgb)
    if own not in (3, settings.channels):
        raise errors.UsageError(f"is a net for images of {own} channels, these have {settings.channels}",
                                where=settings.weights,
                                fix=f"give --channels {own} with such images, or the weights of a net for RGB images.")


def check_layers(settings, weights):
    """Check --freeze, --last-layer and the options of the net before caches are built. Raises UsageError."""
    check_channels(settings, weights)
    net = components.of(settings.net)
    widths = net.widths(weights.widths)
    layers = net.layer_names(widths)
    if layers is not None and lr_multipliers.frozen(layers, settings.freeze) == list(layers) and (
            lr_multipliers.NEW, 0) in parsers.factors(settings.rate_factors):
        raise errors.UsageError(f"--freeze {settings.freeze} with --rate-factors new=0: nothing is left to train",
                                fix="leave out one of the two.")
    chosen = variants.variants_of(settings.net, **_variant(settings))
    try:
        net.check(widths, chosen)
    except errors.UsageError as error:
        raise errors.UsageError(error.what, where=settings.weights, fix=error.fix) from None


def _variant(settings):
    return {name: getattr(settings, name) for name in variants.NAMES}


def border(settings, training, spec, policy):
    """The BorderWeights of a new run, None without --border-weight. training: Cache. Raises UsageError."""
    if not settings.border_weight:
        return None
    channels = label_policy.num_channels(spec, settings.train_ignored)
    by_class = class_weights.resolve(settings.class_weights, training, spec.class_names, channels, policy)
    return border_weights.make(settings.border_weight, policy.trained_ids(channels), by_class)


def describe(settings, spec, listings, caches, weights, old):
    """Return the content of config.json as a dict.

    listings: digests of the lists of files, independent of their folder. caches: (training, validation). weights:
    Weights, or None if the run resumes. old: content of a resumed run, from which the facts about weights are kept;
    else None. "ignored_ids" in "model" are ignored by the loss, those in "spec" by the scores (label_policy.of_run).
    "starts" has one entry per start of the run.
    """
    policy = label_policy.make(spec, settings.train_ignored, pads(settings), settings.rim)
    channels, training = label_policy.num_channels(spec, settings.train_ignored), caches[0]
    if settings.output == SIGMOID and channels != 2:
        raise errors.UsageError(f"--output sigmoid is for two classes, this data set has {channels}",
                                where=settings.data, fix="leave out --output sigmoid.")
    spec = dataclasses.replace(spec, ignored_ids=policy.ignored_in_scores)
    by_class = class_weights.resolve(settings.class_weights, training, spec.class_names, channels, policy)
    border_weights.make(settings.border_weight, policy.trained_ids(channels), by_class)  # raises UsageError
    encoder = old["model"] if old else {"channels": components.of(settings.net).widths(weights.widths),
                                        "mean_rgb": means(settings, weights.mean_rgb, training)}
    graph = {"net": settings.net, "choices": _variant(settings),
             "num_classes": channels, "ignored_ids": list(policy.ignored_in_loss), "channels": encoder["channels"],
             "mean_rgb": encoder["mean_rgb"], "loss": settings.loss, "reduction": settings.loss_reduction,
             "class_weights": by_class, "border_weight": settings.border_weight, "precision": settings.precision,
             "output": settings.output}
    steps = settings.steps or math.ceil(settings.epochs * len(training) * settings.crops_per_image
                                        / (settings.batch * settings.batches_per_step))
    kept = training_config.to_dict(settings) | ({"weights": old["config"]["weights"]} if old else {})
    content = {"config": kept, "spec": record.spec_to_dict(spec), "model": graph, "steps": steps,
               "weights": old["weights"] if old else weights_facts(settings.weights, weights),
               "files": listings, "pixels": [made.digest for made in caches], "starts": [record.provenance()]}
    return content | {"fingerprints": old["fingerprints"] if old else
                      record.fingerprints(content, training_config.SAME_AT_RESUME)}


def weights_facts(path, weights):
    """Return the facts about --weights for config.json.

    For a file, its SHA-256 (None for --weights none). For a run, its checkpoint and the SHA-256 of the checkpoint's
    files from state.json, which were verified when it was read.
    """
    sha256 = checkpoint_files.sha256(path) if weights.layers and not weights.of_run else None
    return {"sha256": sha256, **weights.of_run, "notes": weights.notes}


def expectation(graph, training, spec):
    """Return the arguments of baselines.numbers for this graph and training data."""
    channels = graph["num_classes"]
    policy = label_policy.of_run(graph, spec)
    in_loss, in_scores = (policy.counts_for(seen, training.class_pixels) for seen in (policy.for_loss,
                                                                                      policy.for_scores))
    return (in_loss, spec, channels, policy.trained_ids(channels), graph["class_weights"], graph["loss"], in_scores)
