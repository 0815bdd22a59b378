#!/usr/bin/env python3
"""Evaluate a run: a split -> confusion matrix, the benchmark's numbers and pictures; or photos -> predictions.

    python eval_fcn.py --run runs/NAME
    python eval_fcn.py --run runs/NAME --images DIR_OR_FILE --out DIR
    python eval_fcn.py --weights pascal-fcn8s-dag.mat --images DIR_OR_FILE      a published net, as it is
"""

import dataclasses
import pathlib
import sys

from fcn import (
    batches,
    checkpoint_files,
    config,
    confusion,
    dataset,
    errors,
    images,
    parsers,
    pictures,
    preflight,
    pretrained,
    record,
    report,
    screen,
    shelf,
    sources,
    transplant,
    vgg_table,
)
from fcn.layouts import _auto
from fcn.spec import NATIVE, DatasetSpec, Problem


def main(argv):
    arguments = parse(argv)
    refuse_idle_flags(arguments)
    content, weights = of_file(arguments) if arguments.weights else (record.read(arguments.run), None)
    settings, spec = config.from_dict(content["config"]), record.spec_from_dict(content["spec"])
    settings = dataclasses.replace(settings, **{k: v for k, v in vars(arguments).items()
                                                if k in ("data", "size", "precision", "skip_bad", "max_pixels") and v})
    if arguments.images:
        found, left_out = sources.of_photos(arguments.images), []
    else:
        good, left_out = dataset.to_evaluate(settings, spec, arguments.split, arguments.run)
        found = sources.of_pairs(good)
    checkpoint_path, step = (None, None) if weights else choose(arguments)
    where = pathlib.Path("runs", pathlib.Path(arguments.weights).name) if weights else pathlib.Path(arguments.run)
    default = where / "eval" / (f"{arguments.split}-{step}" if step else arguments.split)
    out = pathlib.Path(arguments.out or ("predictions" if arguments.images else default))
    total, unread = run(found, settings, content, spec, weights or checkpoint_path, out, not arguments.no_pictures)
    left_out += unread
    for problem in left_out:
        print(f"left out: {problem}")
    if arguments.images:
        print(f"{len(found) - len(unread)} predictions are in {out}")
        return
    seen = "each image at its own size" if settings.size == NATIVE else (
        f"{settings.size[0]} x {settings.size[1]} px, the prediction is enlarged by nearest neighbour")
    facts = {"protocol": f"each image at its original size; the net sees {seen}",
             "split": arguments.split, "images": len(found) - len(unread), "left_out": [str(p) for p in left_out],
             "checkpoint_step": step, "weights": str(arguments.weights or checkpoint_path),
             "precision": settings.precision, "training": content.get("starts"),
             **record.provenance()}
    print(report.table(report.write(out, total, spec, facts)))
    print(f"everything is in {out}: report.json, per_class.csv, confusion.npz"
          + ("" if arguments.no_pictures else ", predictions/, colour/, panels/"))


def refuse_idle_flags(arguments):
    """A flag that would change nothing is a misunderstanding. Raises UsageError."""
    idle = {"checkpoint": "best"} if arguments.weights else {
        "layout": "auto", "classes": "", "ignore_label": None, "label_encoding": None, "mask_threshold": None}
    given = [f"--{name.replace('_', '-')}" for name, default in idle.items() if getattr(arguments, name) != default]
    if given:
        raise errors.UsageError(f"{', '.join(given)} goes with {'--run' if arguments.weights else '--weights'} only")


def of_file(arguments):
    """(what a run's config.json would say of a whole FCN in a file, its Weights). Raises WeightsError."""
    weights = pretrained.read(arguments.weights)
    print("\n  ".join([f"weights: {arguments.weights}", *weights.notes]))
    if weights.net is None:
        raise errors.WeightsError("holds a VGG, not a whole FCN: there is nothing to evaluate", where=arguments.weights,
                                  cure="train from it: python train_fcn.py --weights ...")
    channels = int(weights.layers["score_fr"][0].shape[3])
    spec = DatasetSpec(tuple(weights.class_names) or tuple(f"class {i}" for i in range(channels)))
    if not arguments.images:
        if not arguments.data:
            raise errors.UsageError("no data set is given", cure="give --layout and --data FOLDER, or --images PHOTOS.")
        if arguments.layout == "auto":
            arguments.layout, why = _auto.choose(arguments.data)
            print(f"layout {arguments.layout}: {why}")
        asked = shelf.pick("layouts", arguments.layout).spec(arguments.data, arguments.classes, arguments.ignore_label)
        asked = asked.as_asked(arguments.label_encoding, arguments.mask_threshold)
        spec = same_classes(asked, spec, len(weights.class_names) > 0, channels, arguments)
    model = {"net": weights.net, "choices": weights.choices, "num_classes": channels,
             "ignored_ids": list(weights.ignored_ids), "mean_rgb": weights.mean_rgb.tolist(),
             "channels": vgg_table.widths(weights.widths)}
    return {"config": {"layout": arguments.layout, "size": NATIVE}, "model": model,
            "spec": record.spec_to_dict(spec)}, weights


def same_classes(asked, own, named, channels, arguments):
    """The spec of the data set, whose classes must be those of the net: ids decide, names that differ are told."""
    if not asked.class_names:
        return dataclasses.replace(asked, class_names=own.class_names)
    names = transplant.channel_names(asked.class_names, channels)
    if len(names) > channels or any(i not in asked.ignored_ids for i in range(asked.num_classes, channels)):
        raise errors.DataError(f"the data set has {asked.num_classes} classes, the net in {arguments.weights} "
                               f"{channels}", where=arguments.data)
    for i, (theirs, ours) in enumerate(zip(own.class_names, names, strict=True)):
        if named and i not in asked.ignored_ids and theirs.casefold() != ours.casefold():
            print(f"note: class {i} is '{theirs}' in the file, '{ours}' in the data set; ids are compared, not names")
    return asked


def parse(argv):
    parser = config.Parser(description=__doc__.split("\n\n")[0], prog="eval_fcn.py")
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument("--run", help="folder of the run")
    of.add_argument("--weights", help="a whole FCN in a file: MatConvNet's pascal-fcn8s-dag.mat and its like, or .npz")
    parser.add_argument("--checkpoint", default="best", metavar="best|latest|PATH",
                        help="best: the highest validation mean IoU (default)")
    parser.add_argument("--split", default="validation", help="default: validation")
    parser.add_argument("--data", help="folder of the data set, if it is not where the run found it")
    parser.add_argument("--images", help="predict this photo or folder of photos, which need no labels")
    parser.add_argument("--out", help="where results go (default: RUN/eval/SPLIT-STEP, or predictions)")
    parser.add_argument("--layout", default="auto", choices=["auto", *shelf.names("layouts")], help="with --weights: "
                        "how the data set's folders are laid out (default: auto, as they look)")
    parser.add_argument("--classes", default="", help="with --weights: file with the class names (docs/data.md)")
    parser.add_argument("--label-encoding", choices=shelf.names("encodings"), help="with --weights: how label files "
                        "hold their ids (default: as the layout has it)")
    parser.add_argument("--mask-threshold", type=parsers.between(0, 254), help="with --weights, binary masks: values "
                        "above it are foreground (default: 127)")
    parser.add_argument("--ignore-label", type=parsers.parse_ids, help="with --weights: label ids left out, e.g. 255")
    parser.add_argument("--size", type=parsers.parse_size,
                        help="size the net sees, or native (default: the run's; with --weights native)")
    parser.add_argument("--skip-bad", action="store_true", help="go on without images and labels that cannot be used")
    parser.add_argument("--max-pixels", type=parsers.count, help="refuse larger images (default: the run's)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="default: the run's")
    parser.add_argument("--no-pictures", action="store_true", help="numbers only")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(argv)


def choose(arguments):
    """(checkpoint folder, its step). Raises WeightsError."""
    if arguments.checkpoint not in ("best", "latest"):
        return pathlib.Path(arguments.checkpoint), checkpoint_files.read_state(arguments.checkpoint)["step"]
    found = checkpoint_files.listed(pathlib.Path(arguments.run) / "checkpoints")
    if not found:
        raise errors.WeightsError("there is no checkpoint", where=pathlib.Path(arguments.run) / "checkpoints",
                                  cure="train on, until the first one is saved.")
    path, state = checkpoint_files.best(found) if arguments.checkpoint == "best" else found[0]
    path, state = (path, state) if path else found[0]
    print(f"checkpoint: {path}")
    return path, state["step"]


def run(found, settings, content, spec, weights, out, with_pictures):
    """Predict every Source; return (summed confusion matrix, Problems of those that were left out with skip_bad).

    With pictures, predictions are written in the labels' encoding, beside coloured ones and panels. weights: a
    checkpoint's folder, or the Weights of a file.
    """
    import numpy as np

    from fcn import checkpoint, evaluate, initial, model
    from fcn.tf1 import session as new_session

    graph = model.build(**content["model"] | {"precision": settings.precision})

    def read(index):
        try:
            return sources.read(found[index], spec, None if settings.size == NATIVE else settings.size,
                                settings.max_pixels)
        except errors.DataError as error:
            if not settings.skip_bad:
                raise
            return preflight.problem(error, found[index].photo)

    total, left_out = np.zeros((graph.num_classes, graph.num_classes), np.int64), []
    with new_session() as session, screen.counted("evaluated", len(found)) as advance:
        if isinstance(weights, pathlib.Path):
            checkpoint.restore(session, weights)
        else:
            initial.fill_all(session, weights)
        for number, sample in enumerate(batches.ahead(read, range(len(found)))):
            if isinstance(sample, Problem):
                left_out.append(sample)
                continue
            photo, label, seen = sample
            prediction = evaluate.predict(session, graph, seen, photo.shape[:2])
            if label is not None:
                total += confusion.matrix(label, prediction, graph.num_classes, spec.ignored_ids)
            if with_pictures:
                write_pictures(out, found[number].name, photo, label, prediction, spec)
            advance(number + 1)
    if len(left_out) == len(found):
        raise errors.DataError("not one good image is left", why=errors.several(left_out))
    return total, left_out


def write_pictures(out, name, photo, label, prediction, spec):
    for folder in ("predictions", "colour", "panels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    encoding = shelf.pick("encodings", spec.encoding)
    encoding.write(out / "predictions" / f"{name}{encoding.SUFFIX}", prediction, spec)
    images.write_png(out / "colour" / f"{name}.png", pictures.colour(prediction, spec.palette()))
    images.write_png(out / "panels" / f"{name}.png", pictures.panel(photo, label, prediction, spec))


if __name__ == "__main__":
    sys.exit(errors.run(main, sys.argv[1:]))
