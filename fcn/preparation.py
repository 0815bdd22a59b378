"""What stands before a run's first step beside its data: its weights, its samples, and what its config.json says.

`settings` is a config.Config throughout.
"""

import dataclasses
import math
import pathlib

from fcn import batches, checkpoint_files, choices, class_weights, components, config, errors, pretrained, rates, record
from fcn.spec import NATIVE, VOID_ID


def sampling(settings, content):
    """How training samples are drawn: a batches.Sampling. content: of config.json."""
    graph = content["model"]
    return batches.Sampling(batch=settings.batch, seed=settings.seed, crop_size=settings.crop_size,
                            augment=settings.augment, crops_per_image=settings.crops_per_image,
                            images_in_memory=settings.images_in_memory, replace=settings.replacement,
                            fill_rgb=tuple(round(v) for v in graph["mean_rgb"]),
                            ignored_id=pad_id(graph["ignored_ids"]))


def pad_id(ignored_ids):
    """The id of pixels outside an image."""
    return ignored_ids[0] if ignored_ids else VOID_ID


def pads(settings):
    """Whether samples may reach beyond their image, or windows leave out what another one shows."""
    return "scale" in settings.augment or "turn" in settings.augment or bool(
        settings.size == NATIVE and settings.crop_size)


def read_weights(settings):
    """The Weights of a file, or of a run's folder or checkpoint."""
    path = pathlib.Path(settings.weights)
    if path.is_dir():
        from fcn import initial  # it needs TensorFlow
        return initial.from_run(path)
    weights = pretrained.read(path)
    if weights.net and not weights.class_names and settings.carry_scores == "name":
        raise errors.UsageError("is a whole FCN whose classes have no names", where=path,
                                cure="--carry-scores id carries its scores by number, fresh starts new ones.")
    return weights


def check_layers(settings, weights):
    """Refuse a --last-layer or --freeze that the encoder lacks with these weights, and options that the net lacks,
    before minutes go into a cache. Raises UsageError.
    """
    parts = components.of(settings.net)
    widths = parts.widths(weights.widths)
    layers = parts.layers(widths)
    if layers is not None and rates.frozen(layers, settings.freeze) == list(layers) and not settings.new_layer_factor:
        raise errors.UsageError(f"--freeze {settings.freeze} with --new-layer-factor 0: nothing is left to train")
    chosen = choices.of(settings.net, **_variant(settings))
    try:
        parts.check(widths, chosen)
    except errors.UsageError as error:
        raise errors.UsageError(error.what, where=settings.weights, cure=error.cure) from None


def _variant(settings):
    return {name: getattr(settings, name) for name in choices.NAMES}


def describe(settings, spec, listings, caches, weights, old):
    """The content of config.json.

    listings: digests of the lists of files, wherever they lie; caches: of training and validation; "starts" gets one
    entry each time that the run is started. weights: Weights, or None with `old`, the content of a run that goes on:
    its weights stay what they were. Where samples may be padded, the id of that is ignored, in the graph and by the
    spec.
    """
    channels = spec.num_classes
    if settings.train_ignored:
        channels = max([channels, *(i + 1 for i in spec.ignored_ids)])
        if channels > spec.num_classes + len(spec.ignored_ids):
            raise errors.UsageError(f"--train-ignored would give a net of {channels} channels, for the ignored "
                                    f"id {channels - 1}", cure="leave it out: only ids next to the classes' can be.")
    ignored = () if settings.train_ignored else spec.ignored_ids
    training = caches[0]
    if pads(settings):
        if not ignored and channels > VOID_ID:
            raise errors.UsageError("samples may reach beyond their image, whose pixels would be ignored as "
                                    f"{VOID_ID}, which is a class", cure="leave out --augment scale and turn, and "
                                    "crops at --size native; or name an id with --ignore-label.")
        ignored = ignored or (VOID_ID,)
        spec = dataclasses.replace(spec, ignored_ids=tuple(dict.fromkeys([*spec.ignored_ids, pad_id(ignored)])))
    by_class = class_weights.read(settings.class_weights, training, spec.class_names, channels, ignored)
    body = old["model"] if old else {"channels": components.of(settings.net).widths(weights.widths),
                                     "mean_rgb": [float(v) for v in settings.mean_rgb or weights.mean_rgb]}
    graph = {"net": settings.net, "choices": _variant(settings),
             "num_classes": channels, "ignored_ids": list(ignored), "channels": body["channels"],
             "mean_rgb": body["mean_rgb"], "loss": settings.loss, "reduction": settings.loss_reduction,
             "class_weights": by_class, "precision": settings.precision, "recompute": settings.recompute}
    steps = settings.steps or math.ceil(settings.epochs * len(training) * settings.crops_per_image
                                        / (settings.batch * settings.batches_per_step))
    kept = config.to_dict(settings) | ({"weights": old["config"]["weights"]} if old else {})
    content = {"config": kept, "spec": record.spec_to_dict(spec), "model": graph, "steps": steps,
               "weights": old["weights"] if old else weights_facts(settings.weights, weights),
               "files": listings, "pixels": [made.digest for made in caches], "starts": [record.provenance()]}
    return content | {"fingerprints": old["fingerprints"] if old else
                      record.fingerprints(content, config.SAME_AT_RESUME)}


def weights_facts(path, weights):
    """What config.json says of --weights: the SHA-256 of a file; of a run, which checkpoint it was and the SHA-256 of
    each of its files, as its state.json has them (they were compared when it was read).
    """
    sha256 = None if weights.of_run else checkpoint_files.sha256(path)
    return {"sha256": sha256, **weights.of_run, "notes": weights.notes}


def expectation(graph, training, spec):
    """The arguments of expect.floor: what the loss of this graph counts."""
    trained = [i for i in range(graph["num_classes"]) if i not in graph["ignored_ids"]]
    return training.class_pixels, spec, graph["num_classes"], trained, graph["class_weights"]
