"""What stands before a run's first step: its caches, its weights, and what its config.json says of it.

`settings` is a config.Config throughout.
"""

import math
import pathlib

from fcn import cache, choices, class_weights, config, errors, pretrained, record, screen, vgg_table


def prepare_caches(settings, pairs, spec):
    """(spec with its classes counted if nobody names them, training Cache, validation Cache)."""
    caches = {}
    for split, found in pairs.items():
        with screen.counted(f"cache of {split}", len(found)) as advance:
            caches[split] = cache.prepare(found, spec, settings.size, settings.cache_dir,
                                          f"{settings.layout}-{split}", advance)
        print(f"{split}: {len(found)} pairs in {caches[split].path}")
    spec = spec.counted(caches["training"].class_pixels)
    if not caches["training"].class_pixels[list(spec.scored_ids)].any():
        raise errors.DataError("not one labelled pixel in the training labels", where=settings.data,
                               cure="check --ignore-label and the label files.")
    unknown = [i for i, count in enumerate(caches["validation"].class_pixels)
               if count and i >= spec.num_classes and i not in spec.ignored_ids]
    if unknown:
        raise errors.DataError(f"validation labels hold ids {unknown} that training labels do not",
                               where=settings.data, cure="name the classes with --classes.")
    return spec, caches["training"], caches["validation"]


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


def check_last_layer(settings, weights):
    """Refuse a --last-layer that the body in these weights lacks, before minutes go into a cache. Raises UsageError."""
    layer = (settings.last_layer or "last").replace("relu", "conv")
    if layer != "last" and layer not in vgg_table.widths(weights.widths):
        raise errors.UsageError(f"--last-layer {settings.last_layer}: the VGG-16 in these weights has no such layer",
                                where=settings.weights)


def describe(settings, spec, files, weights, training, old):
    """The content of config.json. files: fingerprints of both splits, wherever they lie; "starts" gets one entry each
    time that the run is started. weights: Weights, or None with `old`, the content of a run that goes on: its
    weights stay what they were.
    """
    channels = spec.num_classes
    if settings.train_ignored:
        channels = max([channels, *(i + 1 for i in spec.ignored_ids)])
        if channels > spec.num_classes + len(spec.ignored_ids):
            raise errors.UsageError(f"--train-ignored would give a net of {channels} channels, for the ignored "
                                    f"id {channels - 1}", cure="leave it out: only ids next to the classes' can be.")
    ignored = () if settings.train_ignored else spec.ignored_ids
    by_class = class_weights.read(settings.class_weights, training, spec.class_names, channels, ignored)
    body = old["model"] if old else {"channels": vgg_table.widths(weights.widths),
                                     "mean_rgb": [float(v) for v in settings.mean_rgb or weights.mean_rgb]}
    graph = {"net": settings.net, "choices": {name: getattr(settings, name) for name in choices.NAMES},
             "num_classes": channels, "ignored_ids": list(ignored), "channels": body["channels"],
             "mean_rgb": body["mean_rgb"], "loss": settings.loss, "reduction": settings.loss_reduction,
             "class_weights": by_class, "precision": settings.precision}
    steps = settings.steps or math.ceil(settings.epochs * len(training) / (settings.batch * settings.batches_per_step))
    kept = config.to_dict(settings) | ({"weights": old["config"]["weights"]} if old else {})
    return {"config": kept, "spec": record.spec_to_dict(spec), "model": graph, "steps": steps,
            "weights": old["weights"] if old else weights_facts(settings.weights, weights),
            "files": files, "starts": [record.provenance()]}


def weights_facts(path, weights):
    return {"sha256": None if pathlib.Path(path).is_dir() else record.sha256(path), "notes": weights.notes}


def expectation(graph, training, spec):
    """The arguments of expect.floor: what the loss of this graph counts."""
    trained = [i for i in range(graph["num_classes"]) if i not in graph["ignored_ids"]]
    return training.class_pixels, spec, graph["num_classes"], trained, graph["class_weights"]
