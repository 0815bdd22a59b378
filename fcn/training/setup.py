"""What stands before a run's first step beside its data: its weights, its samples, and what its config.json says.

`settings` is a training_config.Config throughout.
"""

import dataclasses
import math
import pathlib

from fcn.config import parsers, training_config, variants
from fcn.core import errors, registry
from fcn.data import batch_loader, class_weights, label_policy
from fcn.data.cache.cache import Cache
from fcn.data.spec import DatasetSpec
from fcn.models import components
from fcn.runs import checkpoint_files, record
from fcn.training import lr_multipliers
from fcn.weights import detection
from fcn.weights.detection import Weights
from fcn.weights.formats import _weights


@dataclasses.dataclass(frozen=True)
class Job:
    """What is known of a run before its graph: its folder, its Config, the content of config.json, its DatasetSpec,
    both caches, the Weights that it starts from (None: it resumes), the numbers of baselines.numbers, and --resume.
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
    """How training samples are drawn: a batch_loader.Sampling. mean_rgb: three numbers from 0 to 255; this colour and
    padding_id (LabelPolicy's) are given to pixels outside an image.
    """
    return batch_loader.Sampling(batch=settings.batch, seed=settings.seed, crop_size=settings.crop_size,
                                 augment=settings.augment, crops_per_image=settings.crops_per_image,
                                 images_in_memory=settings.images_in_memory, replace=settings.replacement,
                                 fill_rgb=tuple(round(v) for v in mean_rgb), padding_id=padding_id)


def pads(settings):
    """Whether samples may reach beyond their image, or windows leave out what another one shows."""
    return any(registry.load("augmentations", name).PADS for name in settings.augment) or bool(
        settings.size is None and settings.crop_size)


def read_weights(settings):
    """The Weights of a file, or of a run's folder or checkpoint; without any layer for --weights none."""
    if settings.weights == training_config.NO_WEIGHTS:
        return Weights({}, _weights.imagenet_mean(), ("every layer starts from its initial values",))
    path = pathlib.Path(settings.weights)
    if path.is_dir():
        from fcn.weights import initialize  # it needs TensorFlow
        return initialize.from_run(path)
    weights = detection.read_weights(path)
    if weights.net and not weights.class_names and settings.carry_scores == "name":
        raise errors.UsageError("is a whole FCN whose classes have no names", where=path,
                                fix="--carry-scores id carries its scores by number, fresh starts new ones.")
    return weights


def check_layers(settings, weights):
    """Refuse a --last-layer or --freeze that the encoder lacks with these weights, and options that the net lacks,
    before minutes go into a cache. Raises UsageError.
    """
    parts = components.of(settings.net)
    widths = parts.widths(weights.widths)
    layers = parts.layer_names(widths)
    if layers is not None and lr_multipliers.frozen(layers, settings.freeze) == list(layers) and (
            lr_multipliers.NEW, 0) in parsers.factors(settings.rate_factors):
        raise errors.UsageError(f"--freeze {settings.freeze} with --rate-factors new=0: nothing is left to train",
                                fix="leave out one of the two.")
    chosen = variants.variants_of(settings.net, **_variant(settings))
    try:
        parts.check(widths, chosen)
    except errors.UsageError as error:
        raise errors.UsageError(error.what, where=settings.weights, fix=error.fix) from None


def _variant(settings):
    return {name: getattr(settings, name) for name in variants.NAMES}


def describe(settings, spec, listings, caches, weights, old):
    """The content of config.json.

    listings: digests of the lists of files, wherever they lie; caches: of training and validation; "starts" gets one
    entry each time that the run is started. weights: Weights, or None with `old`, the content of a run that goes on:
    its weights stay what they were. "ignored_ids" of "model" are those that the loss ignores, of "spec" those that the
    scores ignore (label_policy.of_run).
    """
    policy = label_policy.make(spec, settings.train_ignored, pads(settings))
    channels, training = label_policy.num_channels(spec, settings.train_ignored), caches[0]
    spec = dataclasses.replace(spec, ignored_ids=policy.ignored_in_scores)
    by_class = class_weights.resolve(settings.class_weights, training, spec.class_names, channels,
                                     policy.ignored_in_loss)
    body = old["model"] if old else {"channels": components.of(settings.net).widths(weights.widths),
                                     "mean_rgb": [float(v) for v in settings.mean_rgb or weights.mean_rgb]}
    graph = {"net": settings.net, "choices": _variant(settings),
             "num_classes": channels, "ignored_ids": list(policy.ignored_in_loss), "channels": body["channels"],
             "mean_rgb": body["mean_rgb"], "loss": settings.loss, "reduction": settings.loss_reduction,
             "class_weights": by_class, "precision": settings.precision}
    steps = settings.steps or math.ceil(settings.epochs * len(training) * settings.crops_per_image
                                        / (settings.batch * settings.batches_per_step))
    kept = training_config.to_dict(settings) | ({"weights": old["config"]["weights"]} if old else {})
    content = {"config": kept, "spec": record.spec_to_dict(spec), "model": graph, "steps": steps,
               "weights": old["weights"] if old else weights_facts(settings.weights, weights),
               "files": listings, "pixels": [made.digest for made in caches], "starts": [record.provenance()]}
    return content | {"fingerprints": old["fingerprints"] if old else
                      record.fingerprints(content, training_config.SAME_AT_RESUME)}


def weights_facts(path, weights):
    """What config.json says of --weights: the SHA-256 of a file, None without one; of a run, which checkpoint it was
    and the SHA-256 of each of its files, as its state.json has them (they were compared when it was read).
    """
    sha256 = checkpoint_files.sha256(path) if weights.layers and not weights.of_run else None
    return {"sha256": sha256, **weights.of_run, "notes": weights.notes}


def expectation(graph, training, spec):
    """The arguments of baselines.numbers: which loss this graph has, and what it counts."""
    channels = graph["num_classes"]
    trained_ids = label_policy.of_net(graph["ignored_ids"], channels).trained_ids(channels)
    return training.class_pixels, spec, channels, trained_ids, graph["class_weights"], graph["loss"]
