#!/usr/bin/env python3
"""Evaluate a run: a split -> confusion matrix, the benchmark's numbers and pictures; or photos -> predictions.

    python eval_fcn.py --run runs/NAME
    python eval_fcn.py --run runs/NAME --images DIR_OR_FILE --out DIR
"""

import collections
import dataclasses
import pathlib
import sys

from fcn import (
    batches,
    cache,
    checkpoint_files,
    config,
    confusion,
    errors,
    images,
    pictures,
    record,
    report,
    screen,
    shelf,
)


def main(argv):
    arguments = parse(argv)
    content = record.read(arguments.run)
    settings, spec = config.from_dict(content["config"]), record.spec_from_dict(content["spec"])
    settings = dataclasses.replace(settings, **{k: v for k, v in vars(arguments).items()
                                                if k in ("data", "size", "precision") and v})
    if arguments.images:
        found = photos(arguments.images)
        stems = collections.Counter(path.stem for path in found)
        sources = [(path.stem if stems[path.stem] == 1 else path.name, path, None) for path in found]
    else:
        layout = shelf.pick("layouts", settings.layout)
        sources = [(p.name, p.image, p) for p in layout.pairs(settings.data, arguments.split)]
    checkpoint_path, step = choose(arguments)
    default = "predictions" if arguments.images else pathlib.Path(arguments.run) / "eval" / f"{arguments.split}-{step}"
    out = pathlib.Path(arguments.out or default)
    total = run(sources, settings, content, spec, checkpoint_path, out, not arguments.no_pictures)
    if arguments.images:
        print(f"{len(sources)} predictions are in {out}")
        return
    facts = {"protocol": f"each image at its original size; the net sees {settings.size[0]} x {settings.size[1]} px, "
                         "the prediction is enlarged by nearest neighbour",
             "split": arguments.split, "images": len(sources), "checkpoint_step": step,
             "precision": settings.precision, "training": content.get("starts"),
             **record.provenance()}
    print(report.table(report.write(out, total, spec, facts)))
    print(f"everything is in {out}: report.json, per_class.csv, confusion.npz"
          + ("" if arguments.no_pictures else ", predictions/, colour/, panels/"))


def parse(argv):
    parser = config.Parser(description=__doc__.split("\n\n")[0], prog="eval_fcn.py")
    parser.add_argument("--run", required=True, help="folder of the run")
    parser.add_argument("--checkpoint", default="best", metavar="best|latest|PATH",
                        help="best: the highest validation mean IoU (default)")
    parser.add_argument("--split", default="validation", help="default: validation")
    parser.add_argument("--data", help="folder of the data set, if it is not where the run found it")
    parser.add_argument("--images", help="predict this photo or folder of photos, which need no labels")
    parser.add_argument("--out", help="where results go (default: RUN/eval/SPLIT-STEP, or predictions)")
    parser.add_argument("--size", type=config.parse_size, help="size the net sees (default: the run's)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="default: the run's")
    parser.add_argument("--no-pictures", action="store_true", help="numbers only")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(argv)


def photos(where):
    """The photo, or the photos in the folder, sorted. Raises DataError."""
    where = pathlib.Path(where)
    if where.is_dir():
        found = sorted(p for p in where.iterdir() if p.suffix.lower() in images.PHOTO_SUFFIXES)
    else:
        found = [where] if where.exists() else []
    if not found:
        raise errors.DataError(f"no photo is here ({' '.join(images.PHOTO_SUFFIXES)})", where=where)
    return found


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


def run(sources, settings, content, spec, checkpoint_path, out, with_pictures):
    """Predict every source (name, photo path, Pair or None); write pictures; return the summed confusion matrix."""
    import numpy as np

    from fcn import checkpoint, evaluate, model
    from fcn.tf1 import session as new_session

    graph = model.build(**content["model"] | {"precision": settings.precision})

    def read(index):
        _, path, pair = sources[index]
        return cache.read_pair(pair, spec) if pair else (images.read_photo(path, upright=True), None)

    total = np.zeros((graph.num_classes, graph.num_classes), np.int64)
    with new_session() as session, screen.counted("evaluated", len(sources)) as advance:
        checkpoint.restore(session, checkpoint_path)
        for number, (photo, label) in enumerate(batches.ahead(read, range(len(sources)))):
            prediction = evaluate.predict(session, graph, photo, settings.size)
            if label is not None:
                total += confusion.matrix(label, prediction, graph.num_classes, spec.ignored_ids)
            if with_pictures:
                write_pictures(out, sources[number][0], photo, label, prediction, spec)
            advance(number + 1)
    return total


def write_pictures(out, name, photo, label, prediction, spec):
    made = {"predictions": prediction, "colour": pictures.colour(prediction, spec.palette()),
            "panels": pictures.panel(photo, label, prediction, spec)}
    for folder, picture in made.items():
        (out / folder).mkdir(parents=True, exist_ok=True)
        images.write_png(out / folder / f"{name}.png", picture)


if __name__ == "__main__":
    sys.exit(errors.run(main, sys.argv[1:]))
