"""Train an FCN: data folder + pretrained VGG-19 -> a run folder with checkpoints, log and curves.

    fcn train --data DIR --run runs/NAME       with the default net and weights
    fcn train --run runs/NAME                  resumes the run
    fcn train --demo                           trains on generated scenes, in minutes
"""

import argparse
import dataclasses
import pathlib

from fcn.config import checks, command_line, parsers, provenance, training_config
from fcn.core import errors, registry
from fcn.data import augment, batch_loader, dataset, label_policy, render
from fcn.distributed import joining
from fcn.models import components
from fcn.runs import checkpoint_files, multi_run, record, stages
from fcn.training import setup, start
from fcn.weights import demo

ALONE = ("hours", "dry_run", "sanity", "show_batch", "print_config", "diff")  # for a single process


def main(argv):
    """Train a net. Returns the exit code."""
    arguments = parse(argv)
    joining.only_chief_prints()
    for flag in ALONE:
        if getattr(arguments, flag):
            joining.refuse(f"--{flag.replace('_', '-')}")
    if arguments.stages and (arguments.dry_run or arguments.sanity):
        raise errors.UsageError("--dry-run and --sanity check one run, and --stages trains several",
                                fix="leave out --stages; --recipe NAME --run RUN/1-NAME is the first stage.")
    if arguments.multi_run:
        train_multi(arguments)
    elif arguments.stages:
        train_stages(arguments)
    elif arguments.diff:
        other = training_config.resolve({}, recipe=arguments.diff), provenance.origins_of(recipe=arguments.diff)
        print(provenance.diff((arguments.recipe or "these settings", *resolve(arguments)), (arguments.diff, *other)))
    else:
        train_one(arguments)


def train_stages(arguments):
    """Train one run per stage, in RUN/1-NAME, RUN/2-NAME, ... A stage starts from the best checkpoint of the last one.

    The same command resumes an interrupted stage and skips finished ones.
    """
    if arguments.resume != "auto":
        raise errors.UsageError("--stages resumes without --resume", fix="leave out --resume, or give another --run.")
    plan = stages.listed(arguments)
    for stage in plan:
        resolve(stage)  # an invalid last stage is reported now, not after days
    if arguments.hours:
        planned = [training_config.resolve(vars(stage), stage.config, stage.recipe) for stage in plan]
        for stage, share in zip(plan, stages.shares(planned), strict=True):
            stage.hours = arguments.hours * share
    for number, stage in enumerate(plan, 1):
        settings, where = resolve(stage)
        print(f"stage {number} of {len(plan)}: {stage.run}; seed {settings.seed}: {where['seed']}", flush=True)
        begun_after = any(checkpoint_files.paths(pathlib.Path(later.run) / "checkpoints") for later in plan[number:])
        if not arguments.print_config and joining.of_chief(stages.is_finished(stage.run, settings, begun_after)):
            print("  finished before")
        else:
            train_one(stage)


def train_multi(arguments):
    """Train runs with the seeds SEED, SEED + 1, ... in RUN/1, RUN/2, ..., and print the mean and deviation of scores.

    The same command resumes an interrupted run and skips finished ones.
    """
    others = [flag for flag in ("stages", "hours", "dry_run", "sanity", "show_batch", "print_config", "diff")
              if getattr(arguments, flag)] + ["resume"] * (arguments.resume != "auto")
    if others:
        raise errors.UsageError(f"--multi-run cannot be used with --{others[0].replace('_', '-')}",
                                fix=f"leave out --{others[0].replace('_', '-')}, or --multi-run.")
    whole = argparse.Namespace(**vars(arguments))
    settings, _ = resolve(whole)
    plan = multi_run.listed(arguments, whole.run, settings)
    for number, one in enumerate(plan, 1):
        settings, _ = resolve(one)
        print(f"run {number} of {len(plan)}: {one.run}; seed {settings.seed}", flush=True)
        if joining.of_chief(stages.is_finished(one.run, settings, begun_after=False)):
            print("  finished before")
        else:
            train_one(one)
    if not joining.is_chief():
        return
    runs = [one.run for one in plan]
    found = multi_run.summarise(runs, settings.best_by)
    print(multi_run.table(found, settings.best_by))
    multi_run.write(whole.run, runs, found)
    print(f"mean and deviation: {whole.run}/{multi_run.SUMMARY} and {multi_run.CURVES}")


def train_one(arguments):
    """Start the run that these arguments describe, or resume it from its newest checkpoint."""
    settings, where = resolve(arguments)
    if arguments.print_config:
        print(provenance.as_toml(settings, where))
        return
    run = pathlib.Path(arguments.run)
    precision = [f"precision: {settings.precision}"] * (settings.precision != training_config.fields()["precision"])
    print("\n".join([f"run: {run}", *precision, *checks.without_effect(settings, where)]), flush=True)
    begun = start.Start(run, settings, arguments.resume, arguments.verify_cache, arguments.hours,
                        arguments.times_precisions)
    if arguments.show_batch:
        show(settings, arguments)
    elif arguments.dry_run or arguments.sanity:
        try_out(begun, arguments)
    else:
        start.train(begun)


def try_out(begun, arguments):
    """--dry-run and --sanity: estimate what this run needs, and check that it can overfit one batch."""
    old, before = begun.earlier()
    job, _ = start.prepare(begun, old, before)
    if before:
        record.check_unchanged(begun.run, before, job.content, of=record.OWN if old else record.FORKED)
    from fcn.models import tf_compat
    from fcn.training import dry_run, overfit_check, precision_choice, trainer
    print(tf_compat.describe_device(), flush=True)
    if arguments.dry_run:
        with trainer.built(job) as built:
            step_s = dry_run.run(built)
        for line in [] if before else precision_choice.advice(job, step_s, begun.times_precisions):
            print(line)
        print("dry run: nothing was written but the caches")
    if arguments.sanity:
        if arguments.dry_run and job.pretrained:  # the dry run has used up these weights
            job = dataclasses.replace(job, pretrained=setup.read_weights(job.settings))
        with trainer.built(job) as built:
            overfit_check.run(built)


def show(settings, arguments):
    """Write a picture of the first training batch, augmented as in training."""
    path = pathlib.Path(arguments.show_batch)
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise errors.UsageError(f"--show-batch {path}: expected a PNG file in an existing folder",
                                fix="give --show-batch batch.png.")
    render.check_preview_place(path)
    data = dataset.find_data(settings)
    spec, training, _ = dataset.prepare_caches(settings, data, arguments.verify_cache)
    policy = label_policy.make(spec, settings.train_ignored, setup.pads(settings), settings.rim)
    sampling = setup.sampling(settings, setup.means(settings, augment.FILL_RGB, training), policy.padding_id)
    images, labels = batch_loader.training_batch(training, 0, sampling)
    labels = policy.for_loss(labels)
    border = setup.border(settings, training, spec, policy)
    render.write_preview(path, images, labels, spec, border.maps(labels) if border else None)
    print(f"the first batch is in {path}")


def parse(argv):
    """The arguments of `fcn train`."""
    parser = command_line.Parser(
        argv, has_more=True, prog="fcn train", description=__doc__.split("\n\n")[0],
        usage="fcn train --data DIR --run DIR [options]\n       fcn train --run DIR     (resumes the run)",
        epilog="Precedence: option > --config > --recipe > the run's own settings > default.")
    run = parser.section("run")
    parser.add_option(run, "--run", metavar="DIR", help="folder of the run (default: runs/LAYOUT-NET)")
    parser.add_option(run, "--recipe", metavar="NAME", help="published or tested settings to start from: "
                      + ", ".join(registry.names("recipes")))
    parser.add_option(run, "--config", metavar="FILE.toml", help="settings of a file, as --print-config writes it")
    parser.add_option(run, "--demo", action="store_true", help="train on generated scenes, in minutes")
    parser.add_option(run, "--dry-run", action="store_true", help="time a few steps, estimate memory, disk and time, "
                      "and stop")
    parser.add_option(run, "--sanity", is_common=False, action="store_true", help="check that the net overfits one "
                      "batch within 200 steps, and stop")
    parser.add_option(run, "--show-batch", is_common=False, metavar="FILE.png", help="write a picture of the first "
                      "batch, and stop")
    parser.add_option(run, "--print-config", is_common=False, action="store_true", help="print all settings with their "
                      "origin as TOML, and stop")
    parser.add_option(run, "--diff", is_common=False, metavar="RECIPE", help="print the settings in which these and "
                      "RECIPE differ, and stop")
    parser.add_option(run, "--resume", is_common=False, default="auto", metavar="auto|never|CHECKPOINT",
                      help="auto: resume from the run's newest checkpoint (default); never: refuse a folder with a "
                      "run; CHECKPOINT: start a new run from this checkpoint's full state")
    parser.add_option(run, "--stages", is_common=False, metavar="A,B,...", help="train these recipes or TOML files one "
                      "after another, each from the weights of the one before")
    parser.add_option(run, "--hours", is_common=False, type=parsers.between(0.001, 100_000, parsers.real),
                      metavar="H", help="train a new run for about this time, instead of --steps; the first few steps "
                      "are timed, and stages share it")
    parser.add_option(run, "--multi-run", is_common=False, type=parsers.count, metavar="N", help="train N runs with "
                      "different seeds, and show the mean and deviation of their scores")
    parser.add_option(run, "--verify-cache", is_common=False, action="store_true", help="check every row of the caches "
                      "before training")
    command_line.add_flags(parser)
    arguments = parser.parse_args(argv)
    check_hours(arguments)
    return arguments


def check_hours(arguments):
    """Raise UsageError for options that --hours cannot be used with."""
    given = [flag for flag in ("steps", "epochs", "dry_run", "sanity", "show_batch", "print_config", "diff")
             if arguments.hours and getattr(arguments, flag, None)]
    given += ["resume"] * bool(arguments.hours and arguments.resume not in ("auto", "never"))
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        raise errors.UsageError(f"--hours cannot be used with {flag}", fix=f"leave out {flag}, or --hours.")


def resolve(arguments):
    """Return (Config, {setting: its origin}) and set arguments.run. An existing run gives the defaults.

    Precedence: flags, --config, --recipe, the run's own settings, defaults.
    """
    flags, own = vars(arguments), {}
    if arguments.demo:
        arguments.recipe, arguments.run = arguments.recipe or "demo", arguments.run or "runs/demo"
        data, weights = demo.prepare(flags.get("cache_dir", "data_cache"))
        is_vgg = hasattr(components.of(flags.get("net") or "fcn8s").encoder, "widths")
        flags = {"data": str(data), "weights": str(weights) if is_vgg else training_config.NO_WEIGHTS, **flags}
    elif arguments.run:
        own = start.own_settings(arguments.run, arguments.resume)
    if arguments.hours:
        flags = flags | {"steps": 0}  # not those of a recipe; start.train() decides
    settings = training_config.resolve(flags, arguments.config, arguments.recipe, own)
    if not arguments.print_config:
        settings = start.with_layout(settings, own)
    arguments.run = arguments.run or f"runs/{settings.layout}-{settings.net}"
    given = {key: value for key, value in flags.items() if hasattr(settings, key)}
    settings, where = stages.seeded(settings, provenance.origins_of(given, arguments.config, arguments.recipe, own),
                                    getattr(arguments, "stage", 1), own)
    if arguments.print_config or arguments.diff:
        return settings, where
    arguments.times_precisions = settings.precision == training_config.AUTO
    return start.with_absolute_paths(start.with_precision(settings, own)), where
