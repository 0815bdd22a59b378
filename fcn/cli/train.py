"""Train an FCN: data folder + pretrained VGG-19 -> a run folder with checkpoints, log and curves.

    python train_fcn.py --layout ade20k --data DIR --weights weights/imagenet-vgg-verydeep-19.mat --run runs/NAME
    python train_fcn.py --run runs/NAME        resumes the run
    python train_fcn.py --demo                 the same on generated scenes, in minutes
"""

import dataclasses
import pathlib
import shlex

from fcn.config import checks, command_line, provenance, training_config
from fcn.core import atomic_io, errors, registry
from fcn.data import augment, batch_loader, class_weights, dataset, label_policy, render
from fcn.data.layouts import _auto
from fcn.metrics import baselines
from fcn.runs import checkpoint_files, record, stages
from fcn.training import setup
from fcn.weights import demo


def main(argv):
    arguments = parse(argv)
    if arguments.stages and (arguments.dry_run or arguments.sanity):
        raise errors.UsageError("--dry-run and --sanity try one run, --stages are several",
                                fix="leave out --stages; --recipe NAME --run RUN/1-NAME is the first of them.")
    if arguments.stages:
        train_stages(arguments)
    elif arguments.diff:
        other = training_config.resolve({}, recipe=arguments.diff), provenance.origins_of(recipe=arguments.diff)
        print(provenance.diff((arguments.recipe or "these settings", *resolve(arguments)), (arguments.diff, *other)))
    else:
        train_one(arguments)


def train_stages(arguments):
    """One run a stage, in RUN/1-NAME, RUN/2-NAME, ...; each starts from the best checkpoint of the one before.

    The same command resumes where it was stopped: finished stages are skipped.
    """
    if arguments.resume != "auto":
        raise errors.UsageError("--stages goes on by itself", fix="leave out --resume, or give another --run.")
    plan = stages.listed(arguments)
    for stage in plan:
        resolve(stage)  # a slip in the last one is told now, not after days
    for number, stage in enumerate(plan, 1):
        settings, where = resolve(stage)
        print(f"stage {number} of {len(plan)}: {stage.run}; seed {settings.seed}: {where['seed']}", flush=True)
        begun_after = any(checkpoint_files.paths(pathlib.Path(later.run) / "checkpoints") for later in plan[number:])
        if not arguments.print_config and stages.is_finished(stage.run, settings, begun_after):
            print("  finished before")
        else:
            train_one(stage)


def train_one(arguments):
    """The run that these arguments describe, from its start or from where it stands."""
    settings, where = resolve(arguments)
    if arguments.print_config:
        print(provenance.as_toml(settings, where))
        return
    run = pathlib.Path(arguments.run)
    print("\n".join([f"run: {run}", *checks.without_effect(settings, where)]))
    if arguments.show_batch:
        show(settings, arguments)
        return
    old = record.to_go_on_with(run, arguments.resume)
    before = old or record.of_checkpoint(arguments.resume)
    of = record.OWN if old else record.FORKED
    if before:
        say_what_changed(arguments, settings, before, old)
    job, data = prepare(arguments, settings, before, of)
    if arguments.dry_run or arguments.sanity:
        if before:
            record.check_unchanged(run, before, job.content, of=of)
        try_out(job, arguments)
    elif old and stands_at_its_end(run, job.content, settings.patience):
        record.check_unchanged(run, old, job.content)
        print(f"nothing is left to do; evaluate with\n  python eval_fcn.py --run {shlex.quote(str(run))}")
    else:
        start(job, data, old, before)


def say_what_changed(arguments, settings, before, old):
    """Print in what this start differs from the one `before`; refuse what may not change. old: None in a fork."""
    given = training_config.to_dict(settings)
    record.check_unchanged(pathlib.Path(arguments.run), before, {"config": given}, training_config.SAME_AT_RESUME,
                           record.OWN if old else record.FORKED)
    changes = record.differences(before["config"], given, before["config"])
    ignored = ["--resume was for its start: it goes on from its own newest checkpoint"] if (
        old and arguments.resume != "auto") else []
    print("\n  ".join(["it goes on, and needs no --weights any more", *ignored, *changes,
                       *record.other_machine(before)]))


def prepare(arguments, settings, before, of):
    """(Job, dataset.Data): weights read, caches built, config.json's content made; a run that resumes is `before`."""
    run = pathlib.Path(arguments.run)
    training_config.import_plugins(settings)
    data = dataset.find_data(settings)
    listings = data.digests()
    if before:
        record.check_unchanged(run, before, {"files": listings}, of=of)
    # Before the cache, so that a wrong file is told in seconds. A run that goes on needs no file any more.
    pretrained = None if before else setup.read_weights(settings)
    if pretrained:
        setup.check_layers(settings, pretrained)
    spec, training, validation = dataset.prepare_caches(settings, data, arguments.verify_cache)
    content = setup.describe(settings, spec, listings, (training, validation), pretrained, before)
    checks.check_warmup(content["steps"], settings.warmup)
    spec = record.spec_from_dict(content["spec"])
    expected = setup.expectation(content["model"], training, spec)
    print(baselines.sentence(*expected))
    if pretrained:
        print("\n  ".join([f"weights: {settings.weights}", *pretrained.notes]))
    return setup.Job(run, settings, content, spec, training, validation, pretrained, baselines.numbers(*expected),
                     arguments.resume), data


def start(job, data, old, before):
    """Train a job in its run's folder, which nobody else trains in meanwhile. old, before: as in train_one()."""
    run = job.run
    run.mkdir(parents=True, exist_ok=True)
    with atomic_io.locked(run / "run", "is being trained", "wait for it, stop it, or give another --run."):
        if record.to_go_on_with(run, job.resume) != old:
            raise errors.MachineError("another process has trained in this folder meanwhile", where=run,
                                      fix="give the same command again.")
        from fcn.models import tf_compat  # it imports TensorFlow, which takes seconds
        from fcn.training import trainer
        print(tf_compat.describe_device(), flush=True)
        print("".join(f"  {line}\n" for line in record.on_device(job.content, tf_compat.detect_device().name, before)),
              end="")
        record.begin(run, job.content, old, before)
        dataset.keep_lists(run, data, (job.training, job.validation))
        trainer.train(job)
    print(f"done: {run}/curves.png shows the curves; evaluate with\n  python eval_fcn.py --run "
          f"{shlex.quote(str(run))}")


def stands_at_its_end(run, content, patience):
    """Whether the newest checkpoint is this run's last one, and whole. If it is not, training will see to it."""
    try:
        state = checkpoint_files.verify(checkpoint_files.paths(run / "checkpoints")[0])
    except errors.WeightsError:
        return False
    return state.get("fingerprints") == content["fingerprints"] and checkpoint_files.is_last(
        state, content["steps"], patience)


def try_out(job, arguments):
    """--dry-run and --sanity: what this run will need, and whether it can learn."""
    from fcn.models import tf_compat
    from fcn.training import dry_run, overfit_check, trainer
    print(tf_compat.describe_device(), flush=True)
    if arguments.dry_run:
        dry_run.run(trainer.Trainer(job))
    if arguments.sanity:
        if arguments.dry_run and job.pretrained:  # its weights went into the net that has been thrown away
            job = dataclasses.replace(job, pretrained=setup.read_weights(job.settings))
        overfit_check.run(trainer.Trainer(job))


def show(settings, arguments):
    """Write a picture of the first batch as the net would get it."""
    path = pathlib.Path(arguments.show_batch)
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise errors.UsageError(f"--show-batch {path}: a .png in a folder that exists is needed")
    render.check_preview_place(path)
    data = dataset.find_data(settings)
    spec, training, _ = dataset.prepare_caches(settings, data, arguments.verify_cache)
    policy = label_policy.make(spec, settings.train_ignored, setup.pads(settings))
    sampling = setup.sampling(settings, settings.mean_rgb or augment.FILL_RGB, policy.padding_id)
    images, labels = batch_loader.training(training, 0, sampling)
    render.write_preview(path, images, labels, spec)
    print(f"the first batch is in {path}")


def parse(argv):
    parser = command_line.Parser(argv, description=__doc__.split("\n\n")[0], prog="train_fcn.py",
                           epilog="Precedence: flag > --config > --recipe > the run's own settings > default.")
    parser.add_argument("--run", help="folder of this run (default: runs/LAYOUT-NET)")
    parser.add_argument("--demo", action="store_true", help="train on the embedded demo (recipe demo, run runs/demo)")
    parser.add_argument("--recipe", help=f"settings to start from: {', '.join(registry.names('recipes'))}")
    parser.add_argument("--config", metavar="FILE.toml", help="settings from a file, keys named as the flags")
    parser.add_argument("--resume", default="auto", metavar="auto|never|PATH",
                        help="auto: go on from the run's newest checkpoint (default); never: refuse a folder with a "
                             "run in it; PATH: a checkpoint to start from if the run has none yet")
    parser.add_argument("--stages", metavar="A,B,...", help="recipes, or TOML files, trained one after the other, each "
                        "from the weights of the one before: long2015_fcn32s,long2015_fcn16s,long2015_fcn8s")
    parser.add_argument("--print-config", action="store_true", help="show all settings, each with its source, and stop")
    parser.add_argument("--diff", metavar="RECIPE", help="show every setting in which --recipe and this one differ")
    parser.add_argument("--show-batch", metavar="FILE.png", help="write a picture of the first batch as the net would "
                        "get it, and stop")
    parser.add_argument("--dry-run", action="store_true", help="all but the training: prepare the data, build the net, "
                        "time a few steps; say what it will need of memory, disk and time, and stop")
    parser.add_argument("--sanity", action="store_true", help="check that the net overfits one batch, in 200 "
                        "steps at most, and stop")
    parser.add_argument("--verify-cache", action="store_true", help="check every row of the caches first")
    command_line.add_flags(parser)
    return parser.parse_args(argv)


def resolve(arguments):
    """(Config of this call, {setting: its origin}); sets arguments.run. A run that exists lends its settings."""
    flags, own = vars(arguments), {}
    if arguments.demo:
        arguments.recipe, arguments.run = arguments.recipe or "demo", arguments.run or "runs/demo"
        data, weights = demo.prepare(flags.get("cache_dir", "data_cache"))
        flags = {"data": str(data), "weights": str(weights), **flags}
    elif arguments.run and checkpoint_files.paths(pathlib.Path(arguments.run) / "checkpoints") and (
            arguments.resume != "never"):
        own = training_config.to_dict(training_config.from_dict(record.read_record(arguments.run)["config"]))
    settings = training_config.resolve(flags, arguments.config, arguments.recipe, own)
    if settings.layout == "auto" and settings.data and not arguments.print_config:
        name, why = _auto.choose(settings.data)
        print(f"layout {name}: {why}")
        settings = dataclasses.replace(settings, layout=name)
    arguments.run = arguments.run or f"runs/{settings.layout}-{settings.net}"
    given = {key: value for key, value in flags.items() if hasattr(settings, key)}
    settings, where = stages.seeded(settings, provenance.origins_of(given, arguments.config, arguments.recipe, own),
                                    getattr(arguments, "stage", 1), own)
    if arguments.print_config or arguments.diff:
        return settings, where
    if not settings.data:
        raise errors.UsageError("no data set is given", fix="give --data FOLDER, or --demo to see it run.")
    absolute = {"plugins": registry.folders(), "data": str(pathlib.Path(settings.data).absolute()),
                "classes": settings.classes and str(pathlib.Path(settings.classes).absolute())}
    if settings.weights != training_config.NO_WEIGHTS:
        absolute["weights"] = str(pathlib.Path(settings.weights).absolute())
    if settings.class_weights not in class_weights.KNOWN:
        absolute["class_weights"] = str(pathlib.Path(settings.class_weights).absolute())
    return dataclasses.replace(settings, **absolute), where
