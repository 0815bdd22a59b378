#!/usr/bin/env python3
"""Train an FCN: data folder + pretrained VGG-19 -> a run folder with checkpoints, log and curves.

    python train_fcn.py --layout ade20k --data DIR --weights weights/imagenet-vgg-verydeep-19.mat --run runs/NAME
    python train_fcn.py --run runs/NAME        goes on where the run stands
    python train_fcn.py --demo                 the same on generated scenes, in minutes
"""

import argparse
import collections
import dataclasses
import math
import pathlib
import sys

from fcn import (
    batches,
    cache,
    checkpoint_files,
    choices,
    class_weights,
    config,
    demo,
    errors,
    expect,
    origins,
    pretrained,
    record,
    runlog,
    screen,
    shelf,
    transplant,
    vgg_table,
)


def main(argv):
    arguments = parse(argv)
    if arguments.diff:
        print(origins.compare(arguments.recipe or "demo", arguments.diff))
    elif arguments.stages:
        train_stages(arguments)
    else:
        train_one(arguments)


def train_stages(arguments):
    """One run a stage, in RUN/1-NAME, RUN/2-NAME, ...; each starts from the last checkpoint of the one before.

    The same command goes on where it was stopped: finished stages are passed over.
    """
    folder, before = pathlib.Path(arguments.run or "runs/stages"), None
    names = arguments.stages.split(",")
    for number, name in enumerate(names, 1):
        path = pathlib.Path(name)
        run = folder / f"{number}-{path.stem}"
        stage = argparse.Namespace(**vars(arguments) | {"run": str(run)})
        stage.config, stage.recipe = (name, stage.recipe) if path.suffix == ".toml" else (stage.config, name)
        if before:
            stage.weights = str(before)
        print(f"stage {number} of {len(names)}: {name}", flush=True)
        if not arguments.print_config and is_finished(stage):
            print(f"  finished before, in {run}")
        else:
            train_one(stage)
        before = run


def is_finished(stage):
    run, settings = pathlib.Path(stage.run), resolve(stage)[0]
    found = checkpoint_files.listed(run / "checkpoints")
    return bool(found) and found[0][1]["step"] >= (settings.steps or record.read(run)["steps"])


def train_one(arguments):
    """The run that these arguments describe, from its start or from where it stands."""
    settings, where = resolve(arguments)
    if arguments.print_config:
        print(origins.as_toml(settings, where))
        return
    run = pathlib.Path(arguments.run)
    print(f"run: {run}")
    layout = shelf.pick("layouts", settings.layout)
    pairs = {split: layout.pairs(settings.data, split) for split in ("training", "validation")}
    spec = layout.spec(settings.data, settings.classes, settings.ignore_label)
    pretrained = read_weights(settings.weights)  # before the cache: a wrong file is told in seconds
    spec, training, validation = prepare_caches(settings, pairs, spec)
    print(expect.sentence(training.class_pixels, spec))
    print("\n  ".join([f"weights: {settings.weights}", *pretrained.notes]))
    files = [cache.fingerprint(found, spec, settings.size, with_times=False) for found in pairs.values()]
    content = describe(settings, spec, files, pretrained, training)
    record.begin(run, content, arguments.resume, config.SAME_AT_RESUME)
    train(run, settings, content, spec, training, validation, pretrained, arguments.resume)
    print(f"done: {run}/curves.png shows the curves; evaluate with\n  python eval_fcn.py --run {run}")


def parse(argv):
    parser = config.Parser(description=__doc__.split("\n\n")[0], prog="train_fcn.py",
                           epilog="Precedence: flag > --config > --recipe > the run's own settings > default.")
    parser.add_argument("--run", help="folder of this run (default: runs/LAYOUT-NET)")
    parser.add_argument("--demo", action="store_true", help="train on the embedded demo (recipe demo, run runs/demo)")
    parser.add_argument("--recipe", help=f"settings to start from: {', '.join(shelf.names('recipes', '.toml'))}")
    parser.add_argument("--config", metavar="FILE.toml", help="settings from a file, keys named as the flags")
    parser.add_argument("--resume", default="auto", metavar="auto|never|PATH",
                        help="auto: go on from the run's newest checkpoint (default); never: refuse a folder with a "
                             "run in it; PATH: a checkpoint to start from if the run has none yet")
    parser.add_argument("--stages", metavar="A,B,...", help="recipes, or TOML files, trained one after the other, each "
                        "from the weights of the one before: long2015_fcn32s,long2015_fcn16s,long2015_fcn8s")
    parser.add_argument("--print-config", action="store_true", help="show all settings, each with its source, and stop")
    parser.add_argument("--diff", metavar="RECIPE", help="show every setting in which --recipe and this one differ")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    config.add_flags(parser)
    return parser.parse_args(argv)


def resolve(arguments):
    """(Config of this call, {setting: its origin}); sets arguments.run. A run that exists lends its settings."""
    flags, own = vars(arguments), {}
    if arguments.demo:
        arguments.recipe, arguments.run = arguments.recipe or "demo", arguments.run or "runs/demo"
        data, weights = demo.prepare(flags.get("cache_dir", "data_cache"))
        flags = {"data": str(data), "weights": str(weights), **flags}
    elif arguments.run and (pathlib.Path(arguments.run) / "config.json").exists() and arguments.resume != "never":
        own = config.to_dict(config.from_dict(record.read(arguments.run)["config"]))
    settings = config.resolve(flags, arguments.config, arguments.recipe, own)
    arguments.run = arguments.run or f"runs/{settings.layout}-{settings.net}"
    given = {key: value for key, value in flags.items() if hasattr(settings, key)}
    if arguments.print_config:
        return settings, origins.of(given, arguments.config, arguments.recipe, own)
    if not settings.data:
        raise errors.UsageError("no data set is given", cure="give --data FOLDER, or --demo to see it run.")
    absolute = {"data": str(pathlib.Path(settings.data).absolute()),
                "weights": str(pathlib.Path(settings.weights).absolute()),
                "classes": settings.classes and str(pathlib.Path(settings.classes).absolute())}
    return dataclasses.replace(settings, **absolute), origins.of(given, arguments.config, arguments.recipe, own)


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


def read_weights(path):
    """The Weights of a file, or of a run's folder or checkpoint."""
    if not pathlib.Path(path).is_dir():
        return pretrained.read(path)
    from fcn import initial  # it needs TensorFlow
    return initial.from_run(path)


def describe(settings, spec, files, pretrained, training):
    """The content of config.json. files: fingerprints of both splits, wherever they lie; "starts" gets one entry each
    time that the run is started.
    """
    channels = spec.num_classes
    if settings.train_ignored:
        channels = max(channels, *(i + 1 for i in spec.ignored_ids))
        if channels > spec.num_classes + len(spec.ignored_ids):
            raise errors.UsageError(f"--train-ignored would give a net of {channels} channels, for the ignored "
                                    f"id {channels - 1}", cure="leave it out: only ids next to the classes' can be.")
    ignored = () if settings.train_ignored else spec.ignored_ids
    weights = class_weights.read(settings.class_weights, training, spec.class_names, channels, ignored)
    graph = {"net": settings.net, "choices": {name: getattr(settings, name) for name in choices.NAMES},
             "num_classes": channels, "ignored_ids": list(ignored), "channels": vgg_table.widths(pretrained.widths),
             "mean_rgb": [float(v) for v in settings.mean_rgb or pretrained.mean_rgb], "loss": settings.loss,
             "reduction": settings.loss_reduction, "class_weights": weights, "precision": settings.precision}
    steps = settings.steps or math.ceil(settings.epochs * len(training) / (settings.batch * settings.batches_per_step))
    return {"config": config.to_dict(settings), "spec": record.spec_to_dict(spec), "model": graph, "steps": steps,
            "weights": {"sha256": None if pathlib.Path(settings.weights).is_dir() else record.sha256(settings.weights),
                        "notes": pretrained.notes},
            "files": files, "starts": [record.provenance()]}


def train(run, settings, content, spec, training, validation, pretrained, resume):
    """Build the graph, restore or start, run the loop. TensorFlow is imported here, which takes seconds."""
    from fcn import checkpoint, evaluate, hooks, loop, model, optimize
    from fcn.tf1 import session as new_session
    from fcn.tf1 import tf

    tf.reset_default_graph()  # that of the stage before
    tf.set_random_seed(settings.seed)
    graph = model.build(**content["model"])
    update = optimize.build(graph.objective, graph.parts, settings.optimizer, settings.batches_per_step,
                            settings.momentum, settings.weight_decay, config.factors(settings.rate_factors))
    store = checkpoint.Store(run / "checkpoints")
    steps = content["steps"]
    count = sum(math.prod(v.shape.as_list()) for v in tf.trainable_variables())
    plan = loop.Plan(steps, **{f.name: getattr(settings, f.name) for f in dataclasses.fields(loop.Plan)
                               if f.name != "steps"})

    def batch_at(number):
        return batches.training(training, number, settings.batch, settings.seed, settings.crop, settings.flip)

    def validate():
        some = batches.validation(validation, settings.batch, settings.eval_batches)
        return evaluate.validate(session, graph, some, spec.ignored_ids)

    with new_session() as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        state = start(session, store, resume, pretrained, settings, spec, graph.num_classes, run)
        pretrained.layers.clear()  # half a gigabyte that is in the variables now
        position = loop.Position(state["step"], collections.deque(map(tuple, state["window"]), settings.average_loss))
        runlog.cut(run / "log.jsonl", position.step)
        print(f"{settings.net}: {count:,} parameters, {graph.num_classes} channels; step {position.step} of {steps}, "
              f"{settings.batch} x {settings.batches_per_step} images a step", flush=True)
        with screen.Screen("step", steps, position.step) as view, hooks.usual(
                run, settings, plan, position, view, expect.floor(training.class_pixels, spec), validate,
                lambda state: store.save(session, state)) as periodic:
            loop.train(session, graph, update, batch_at, plan, position, periodic, lambda *b: keep_batch(run, *b))


def start(session, store, resume, pretrained, settings, spec, num_classes, run):
    """State to go on from: a checkpoint's, or that of a fresh run with pretrained weights."""
    from fcn import initial

    state = store.restore_latest(session, print)
    if state is None and resume not in ("auto", "never"):
        state = store.restore(session, resume)
    if state:
        print(f"resumed at step {state['step']}")
        return state
    chosen = choices.of(settings.net, **{name: getattr(settings, name) for name in choices.NAMES})
    rows = initial.fill(session, pretrained, spec.class_names, num_classes, settings.carry_scores, chosen)
    print(transplant.text(rows))
    transplant.write(run / "transplant.json", rows)
    return {"step": 0, "window": []}


def keep_batch(run, images, labels):
    import numpy as np
    path = run / "bad_batch.npz"
    np.savez_compressed(path, images=images, labels=labels)
    return path


if __name__ == "__main__":
    sys.exit(errors.run(main, sys.argv[1:]))
