"""Start or resume a run: its data, caches and weights are prepared, config.json is written, and the net is trained.

The command `fcn train` and fcn.train() both use this. TensorFlow is imported after everything else was checked.
"""

import dataclasses
import json
import logging
import pathlib
import shlex
import sys

from fcn.config import checks, training_config
from fcn.core import atomic_io, errors, machine, registry
from fcn.data import class_weights, dataset
from fcn.data.layouts import _auto
from fcn.distributed import cluster, joining
from fcn.metrics import baselines
from fcn.models import components
from fcn.runs import checkpoint_files, record
from fcn.training import setup

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Start:
    """Arguments of a start. run: folder of the run. settings: Config. resume: "auto", "never" or a checkpoint.

    verify_cache: check every row of the caches first. hours: duration of a new run, instead of the number of steps.
    times_precisions: whether a new run uses the faster of float32 and bfloat16 instead of that in its settings.
    """

    run: pathlib.Path
    settings: training_config.Config
    resume: str = "auto"
    verify_cache: bool = False
    hours: float | None = None
    times_precisions: bool = False

    def earlier(self):
        """Return (content of config.json of the run in this folder, that of the run whose checkpoint it starts from).

        Both are the same for a run that resumes, and None for a new one.
        """
        old = record.record_to_resume(self.run, self.resume)
        return old, old or record.of_checkpoint(self.resume)


def own_settings(run, resume="auto"):
    """Return the settings of the run in this folder, {} if it has no checkpoint yet or must not be resumed."""
    if resume == "never" or not checkpoint_files.paths(pathlib.Path(run) / "checkpoints"):
        return {}
    return training_config.to_dict(training_config.from_dict(record.read_record(run)["config"]))


def with_layout(settings, own=None):
    """Return the settings with the detected layout instead of "auto", the patterns of a proposed one, and --rim.

    own: settings of the run that resumes; a run of an older version has no rim. Raises UsageError.
    """
    if settings.layout == "auto" and settings.data:
        choice = _auto.chosen(settings)
        logger.info(f"layout {choice.layout}: {choice.why}")
        settings = dataclasses.replace(settings, **choice.settings())
    return settings if settings.layout == "auto" else dataclasses.replace(settings, rim=_rim(settings, own))


def _rim(settings, own):
    """Return the value of --rim, None for labels without boundary pixels. Raises UsageError if it cannot be given."""
    default = registry.load("layouts", settings.layout).RIM
    fits = default and settings.ignore_label is None and settings.label_encoding in (None, "blue_bits")
    if settings.rim and not fits:
        why = f"the layout {settings.layout} has no boundary pixels" if not default else \
              "--ignore-label and --label-encoding replace how boundary pixels are read"
        raise errors.UsageError(f"--rim {settings.rim}: {why}", fix="leave out --rim." if not default else
                                "leave out --rim, or these two.")
    return settings.rim or (default if fits and not own else None)


def with_precision(settings, own=None):
    """Return the settings with float32 or bfloat16, by the processor, instead of --precision auto.

    own: settings of the run that resumes, which keeps its precision. A new run on a GPU has float32.
    """
    if settings.precision != training_config.AUTO:
        return settings
    if own:
        return dataclasses.replace(settings, precision=own["precision"])
    is_fast = machine.has_bfloat16() and not machine.signs_of_a_gpu()
    return dataclasses.replace(settings, precision="bfloat16" if is_fast else "float32")


def with_weights(settings):
    """Return the settings with the published weights of the net's encoder, if --weights was not given.

    Without that file in weights/, an encoder that names one (WEIGHTS) starts from random values. VGG as in the FCNs
    does not; its missing file is an error.
    """
    published = getattr(components.of(settings.net).encoder, "WEIGHTS", None)
    if not published or settings.weights != training_config.fields()["weights"]:
        return settings
    path = pathlib.Path(settings.weights).with_name(published)
    if not path.exists():
        logger.info(f"{path} is not there: the encoder starts from random values (weights/README.md)")
    return dataclasses.replace(settings, weights=str(path) if path.exists() else training_config.NO_WEIGHTS)


def with_absolute_paths(settings):
    """Return the settings with absolute paths, as config.json stores them, and the weights of with_weights().

    Raises UsageError without a data set.
    """
    if not settings.data:
        raise errors.UsageError("no data set is given", fix="give --data FOLDER, or --demo to see it run.")
    settings = with_weights(settings)
    absolute = {"plugins": registry.folders(), "data": str(pathlib.Path(settings.data).absolute()),
                "classes": settings.classes and str(pathlib.Path(settings.classes).absolute())}
    if settings.weights != training_config.NO_WEIGHTS:
        absolute["weights"] = str(pathlib.Path(settings.weights).absolute())
    if settings.class_weights not in class_weights.KNOWN:
        absolute["class_weights"] = str(pathlib.Path(settings.class_weights).absolute())
    return dataclasses.replace(settings, **absolute)


def train(start):
    """Train the run of a Start to its end. Does nothing if it is complete. Raises FcnError.

    All workers of a cluster (distributed/cluster.py) that the environment describes call this and train together.
    """
    found = cluster.find()
    if found:
        joining.check_batches(start.settings, found.count)
    with joining.together() as workers:
        if workers and not workers.is_chief:
            _train_with_chief(start, workers)
        else:
            _train(start, workers)


def _train_with_chief(start, workers):
    """Train as a worker that is not the chief, with the settings that the chief sends; None: its run is complete.

    Paths are those of this worker's own settings, so that a data set may have another place on each machine.
    """
    settings = dataclasses.replace(training_config.from_dict(workers.of_chief(None, patient=True)), **{
        name: getattr(start.settings, name) for name in ("data", "cache_dir", "classes", "plugins")})
    _tell_differences(settings, start.settings)
    training_config.import_plugins(settings)
    data = dataset.find_data(settings)
    build_own_shards(settings, data, workers)
    content = workers.of_chief(None, patient=True)
    if content is None:
        return
    _, training, validation = dataset.prepare_caches(settings, data, start.verify_cache)
    digests = [data.digests(), [made.digest for made in (training, validation)]]
    _check_data(workers, json.loads(json.dumps(digests)) == [content["files"], content["pixels"]])
    from fcn.training import trainer
    trainer.train(setup.Job(start.run, settings, content, record.spec_from_dict(content["spec"]), training, validation,
                            None, ()), workers)


def _tell_differences(settings, own):
    """Write to stderr which settings of this worker, `own`, the chief's replace. settings: Config, as own."""
    used, here = training_config.to_dict(settings), training_config.to_dict(own)
    different = [f"{name} {used[name]} (here: {here[name]})" for name in used if used[name] != here[name]]
    if different:
        print(f"the chief's settings are used: {', '.join(different)}", file=sys.stderr)


def build_own_shards(settings, data, workers):
    """Build this worker's share of the shards of the training cache, and wait until all have built theirs."""
    if settings.cache_shards > 1:
        for _ in dataset.prepared(settings, data, "training", wanted=lambda number: (
                number % workers.count == workers.index)):
            pass
    workers.exchange(None, patient=True)


def _check_data(workers, same=True):
    """Wait until all workers have their caches. Raises DataError for those whose data differ from the chief's.

    same: whether those of this worker do not.
    """
    different = [number for number, own in enumerate(workers.exchange(same, patient=True)) if not own]
    if different:
        names = ", ".join(map(workers.cluster.name, different))
        raise errors.DataError(f"{names} has other data than the chief", fix="give all workers the same files (names, "
                               "contents) and the same options about data.")


def _train(start, workers=None):
    old, before = start.earlier()
    if old and start.hours:
        logger.info(f"--hours is for a new run: this one keeps its {old['steps']:,} steps")
        start = dataclasses.replace(start, settings=dataclasses.replace(start.settings, steps=old["steps"]))
    job, data = prepare(start, old, before, workers)
    if old and is_complete(start.run, job.content, start.settings.patience):
        record.check_unchanged(start.run, old, job.content)
        logger.info("the run is complete: nothing is left to train")
        if workers:
            workers.of_chief(None, patient=True)
    else:
        _train_locked(start, job, data, (old, before), workers)
    logger.info(f"evaluate it with\n  fcn evaluate --run {shlex.quote(str(start.run))}")


def prepare(start, old, before, workers=None):
    """Read the weights, build the caches and create the content of config.json. Returns (setup.Job, dataset.Data).

    old, before: result of Start.earlier(). workers: that train with this one, the chief.
    """
    settings, of = start.settings, record.OWN if old else record.FORKED
    if before:
        _report_changes(start, before, old)
    training_config.import_plugins(settings)
    data = dataset.find_data(settings)
    listings = data.digests()
    if before:
        record.check_unchanged(start.run, before, {"files": listings}, of=of)
    # Before the cache, so that a wrong file is reported in seconds. A run that resumes needs no file.
    pretrained = None if before else setup.read_weights(settings)
    if pretrained:
        setup.check_layers(settings, pretrained)
    if workers:
        workers.of_chief(training_config.to_dict(settings), patient=True)
        build_own_shards(settings, data, workers)
    spec, training, validation = dataset.prepare_caches(settings, data, start.verify_cache)
    content = setup.describe(settings, spec, listings, (training, validation), pretrained, before)
    if workers:
        content["starts"][-1]["workers"] = workers.count
    if before or not start.hours:  # else the number of steps is not known yet
        checks.check_durations(content["steps"], settings.warmup, settings.freeze_steps)
    spec = record.spec_from_dict(content["spec"])
    expected = setup.expectation(content["model"], training, spec)
    logger.info(baselines.sentence(*expected))
    if pretrained:
        logger.info("\n  ".join([f"weights: {settings.weights}", *pretrained.notes]))
    return setup.Job(start.run, settings, content, spec, training, validation, pretrained,
                     baselines.numbers(*expected), start.resume), data


def _report_changes(start, before, old):
    """Log how this start differs from `before`. Raises UsageError for forbidden changes. old: None in a fork."""
    given = training_config.to_dict(start.settings)
    record.check_unchanged(start.run, before, {"config": given}, training_config.SAME_AT_RESUME,
                           record.OWN if old else record.FORKED)
    changes = record.differences(before["config"], given, before["config"])
    ignored = ["--resume is not used: it was for the run's start, and the run resumes from its newest checkpoint"] if (
        old and start.resume != "auto") else []
    logger.info("\n  ".join(["the run is resumed; --weights is not needed", *ignored, *changes,
                             *record.other_machine(before)]))


def is_complete(run, content, patience):
    """Return whether the newest checkpoint is valid and the run's last one."""
    try:
        state = checkpoint_files.verify(checkpoint_files.paths(run / "checkpoints")[0])
    except errors.WeightsError:
        return False
    return state.get("fingerprints") == content["fingerprints"] and checkpoint_files.is_last(
        state, content["steps"], patience)


def _train_locked(start, job, data, before, workers=None):
    """Train the job of a Start in its run's folder, locked against other processes.

    before: result of start.earlier(). workers: that train with this one, the chief.
    """
    run, (old, before) = job.run, before
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.MachineError(f"the run's folder cannot be created: {error.strerror}", where=run,
                                  fix="give another --run.") from None
    with atomic_io.locked(run / "run", "is being trained", "wait for it, stop it, or give another --run."):
        if record.record_to_resume(run, job.resume) != old:
            raise errors.MachineError("another process has trained in this folder meanwhile", where=run,
                                      fix="give the same command again.")
        from fcn.models import tf_compat  # it imports TensorFlow, which takes seconds
        from fcn.training import precision_choice, time_budget, trainer
        logger.info(tf_compat.describe_device())
        if start.times_precisions and not before and not workers:
            job = precision_choice.faster(job, bool(start.hours))
        if start.hours and not before:
            job = time_budget.fitted(job, start.hours)
        for line in record.on_device(job.content, tf_compat.detect_device().name, before):
            logger.info(f"  {line}")
        record.begin(run, job.content, old, before)
        dataset.keep_lists(run, data, (job.training, job.validation))
        if workers:
            workers.of_chief(job.content, patient=True)
            _check_data(workers)
        trainer.train(job, workers)
    logger.info(f"done: {run}/curves.png shows the curves")
