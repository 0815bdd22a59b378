"""Preflight of a run, from its trainer.Trainer: quick() at every start, from shapes alone; run() is --dry-run.

Nothing is written. The weights in the session are moved by the timed steps, and thrown away.
"""

import itertools
import logging
import math
import shutil
import statistics
import time

from fcn.core import atomic_io, machine, tables
from fcn.models import components, tf_compat
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf
from fcn.training import loop, lr_multipliers, progress_report, resources, validation

logger = logging.getLogger(__name__)

UNKNOWN = "unknown, as the net's encoder does not tell the sizes of its activations"
MOST_GRAPH = 4e6  # bytes; a larger graph has weights in it as constants
TIMED_STEPS, TIMED_S, MOST_STEPS = 3, 5.0, 30  # after one that does not count: so many and so long at least, or as many


def quick(trainer):
    """Lines on memory and disk, before the first step. Raises MachineError if not one checkpoint could be saved."""
    size, most, (free, there) = trainer.store.bytes, trainer.job.settings.keep + 2, disk(trainer)
    if free < size:
        raise atomic_io.no_space(size, trainer.job.run,
                                 "free space, or give a --run on another disk; not one checkpoint "
                                 "could be saved.")
    parts = memory_of(trainer)
    memory = f"about {atomic_io.format_bytes(sum(parts.values()))}" if parts else UNKNOWN
    lines = [f"memory {memory}; checkpoints of {atomic_io.format_bytes(size)}, up to {most} at once = "
             f"{atomic_io.format_bytes(most * size)} of {atomic_io.format_bytes(free + there)} free"]
    if free + there < most * size:
        lines.append(f"warning: the disk does not hold {most} checkpoints (--keep {most - 2}, the best one, and one "
                     "that is being written)")
    return lines


def disk(trainer):
    """Bytes (free where the checkpoints of this run go, in those that are there and will make room)."""
    folder = trainer.store.folder.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(nearest).free, sum(file.stat().st_size for file in folder.glob("step-*/*"))


def memory_of(trainer, batch=None):
    """{part: bytes}, resources.memory of this run, or of it with another batch; None if the net's encoder does not
    know.
    """
    settings, architecture, trained = trainer.job.settings, architecture_of(trainer), trainer.update.grads
    parts, batch = components.of(architecture.net), batch or settings.batch
    width = tf.as_dtype(architecture.precision).size
    layers = [lr_multipliers.layer_of(variable.op.name) for _, variable in trained]
    sizes = [variable.shape.num_elements() for variable in tf.trainable_variables()]
    one, other = sizes_px(trainer)
    maps, other_maps = parts.memory_map(architecture, one), parts.memory_map(architecture, other)
    if maps is None or other_maps is None:
        return None
    training = resources.activations(maps, one, architecture.num_classes, layers, width)
    validation = resources.prediction(other_maps, other, architecture.num_classes, width)
    update = resources.Update(settings.optimizer, settings.batches_per_step, bool(settings.weight_decay),
                              trainer.graph.objective.shape.num_elements())
    return resources.memory(sum(sizes), sum(v.shape.num_elements() for _, v in trained), batch * training,
                            batch * validation, update, width)


def architecture_of(trainer):
    return Architecture.from_dict(trainer.job.content["model"])


def sizes_px(trainer):
    """(height, width) of the largest sample of training, and of validation."""
    crop, caches = trainer.sampling.crop_size, (trainer.job.training, trainer.job.validation)
    one, other = (tuple(max(made.shapes.tolist(), key=math.prod)) for made in caches)
    return crop or one, other if caches[1].uniform else crop or other


def run(trainer):
    """Do all of a run but the training, print what it will be like. Raises what the run would raise."""
    warnings = quick(trainer)[1:]
    logger.info("dry run: data and caches as above; now the weights, and a few steps")
    with tf_compat.new_session() as session:
        state = trainer.start(session)
        at = loop.Position.of(state, 1, trainer.job.settings.batches_per_step)
        architecture = architecture_of(trainer)
        strides = components.of(architecture.net).strides(architecture)
        shapes = feature_maps(session, trainer.graph, strides, trainer.batch_at(0)[0])
        logger.info("\n".join([*_net(trainer, shapes, strides), ""]))
        seconds, waiting = timed_steps(session, trainer, at)
        spent = _time(trainer, state["step"], seconds, waiting, timed_validation(session, trainer))
        logger.info("\n".join([*_memory(trainer), "", *warnings, *_disk(trainer), "", *spent]))
    logger.info("dry run: nothing was written but the caches")


def feature_maps(session, graph, names, images):
    """{name: (height, width, channels)} of the names that are the images, a feature, a layer with a bias or the logits.

    graph: graph_builder.TrainingGraph in the default graph; images: uint8 (n, h, w, 3).
    """
    tensors = {"images": graph.images, "logits": graph.logits, **graph.features}
    for op in tf.get_default_graph().get_operations():
        if op.type == "BiasAdd":
            source = op.inputs[1].op
            while source.inputs:  # a cast, and the reading of the variable
                source = source.inputs[0].op
            tensors.setdefault(lr_multipliers.layer_of(source.name), op.outputs[0])  # not that of the backward pass
    fetches = {name: tf.shape(tensors[name])[1:] for name in names if name in tensors}
    return {name: tuple(shape.tolist()) for name, shape in tf_compat.run(session, fetches,
                                                                         {graph.images: images}).items()}


class Stopwatch:
    """A hook of the loop: the seconds of every step but the first; ends the loop when they are enough."""

    def __init__(self):
        self.seconds, self.last = [], None

    def after_step(self, at):
        now = time.perf_counter()
        if self.last is None:
            at.wait_s = at.run_s = 0.0
        else:
            self.seconds.append(now - self.last)
        self.last = now
        if len(self.seconds) >= TIMED_STEPS and sum(self.seconds) >= TIMED_S:
            at.finished = "timed"


def timed_steps(session, trainer, at):
    """(seconds of each of a few steps, share of them spent waiting for data), by the loop of training itself."""
    settings, watch = trainer.job.settings, Stopwatch()
    given = loop.LoopSettings(at.step + 1 + MOST_STEPS, settings.batches_per_step, settings.keep_prob, settings.seed,
                              lambda step: trainer.rate_at(min(step, trainer.steps - 1)), trainer.batch_at,
                              lambda number, *_: f"not kept, as this is a dry run (batch {number})")
    loop.train(session, trainer.graph, trainer.update, given, at, [watch])
    return watch.seconds, at.wait_s / (at.wait_s + at.run_s)


def timed_validation(session, trainer):
    """Seconds of one validation batch, the second time."""
    batch = list(itertools.islice(trainer.validation_batches(), 1))
    for _ in range(2):
        before = time.perf_counter()
        validation.validate(session, trainer.graph, batch, trainer.policy.ignored_in_scores)
    return time.perf_counter() - before


def _net(trainer, shapes, strides):
    variables, trained = tf.trainable_variables(), {variable.op.name for _, variable in trainer.update.grads}
    encoder = trainer.graph.encoder_layers
    def count(chosen):
        return f"{sum(v.shape.num_elements() for v in variables if chosen(v.op.name)):,}"
    lines = tables.lines(["<map", "<height x width x channels", ">stride"], [
        [name, " x ".join(map(str, shape)), str(strides[name])] for name, shape in shapes.items()], indent=2)
    size = tf.get_default_graph().as_graph_def().ByteSize()
    return ["", *lines, "",
            f"parameters: body {count(lambda name: lr_multipliers.layer_of(name) in encoder)}, head "
            f"{count(lambda name: lr_multipliers.layer_of(name) not in encoder)}, together {count(lambda name: True)}; "
            f"trained {count(lambda name: name in trained)}, not trained {count(lambda name: name not in trained)}",
            f"graph: {size / 1e6:.2f} MB" + (", too much: there are weights in it" if size > MOST_GRAPH else "")]


def _memory(trainer):
    parts, measured = memory_of(trainer), machine.peak_memory()
    if parts is None:
        return [f"memory: {UNKNOWN}" + (f"; measured, at most so far: {atomic_io.format_bytes(measured)}" if measured
                                        else "")]
    total = sum(parts.values())
    others = [f"{batch}: {atomic_io.format_bytes(sum(memory_of(trainer, batch).values()))}" for batch in (1, 2, 4)]
    rows = [[part, atomic_io.format_bytes(size), ""] for part, size in [*parts.items(), ("together", total)] if size]
    if measured:
        rows.append(["measured, at most so far", atomic_io.format_bytes(measured),
                     f"(the estimate is {total / measured - 1:+.0%})"])
    return ["memory, from shapes alone", *tables.lines(["<", ">", "<"], rows, indent=2),
            f"  together with --batch {', '.join(others)}"]


def _disk(trainer):
    size, most, (free, there) = trainer.store.bytes, trainer.job.settings.keep + 2, disk(trainer)
    one = atomic_io.format_bytes(size)
    return [f"disk: a checkpoint {one}, at most {most} at once (--keep {most - 2}, the best one, one "
            f"being written) = {atomic_io.format_bytes(most * size)} of {atomic_io.format_bytes(free + there)} free",
            f"  weights alone, as .npz: {atomic_io.format_bytes(trainer.parameters * resources.FLOAT)}"]


def _time(trainer, step, seconds, waiting, validation_s):
    s, step_s = trainer.job.settings, statistics.median(seconds)
    before = time.perf_counter()
    for number in range(TIMED_STEPS):
        trainer.batch_at(number)
    batch_s = (time.perf_counter() - before) / TIMED_STEPS
    every = sum(1 for _ in trainer.validation_batches())
    share = s.eval_every if s.eval_every < 1 else None
    checks = 0 if share else resources.validations(step, trainer.steps, s.eval_every)
    saves = resources.checkpoints(step, trainer.steps, s.save_every, trainer.steps if share else s.eval_every)
    whole = resources.duration((trainer.steps - step) * step_s, checks * every * validation_s,
                               saves * trainer.store.bytes, share)
    return [f"time: a step {step_s:.3g} s ({min(seconds):.3g} to {max(seconds):.3g} in {len(seconds)}), "
            f"{s.batch * s.batches_per_step / step_s:.3g} images/s",
            f"  data: a batch is made in {batch_s * 1e3:.3g} ms, ahead of its use; {waiting:.1%} of the time goes into "
            "waiting for it",
            f"  validation: {every} batches of {validation_s:.3g} s, {progress_report.duration(every * validation_s)}",
            f"  {trainer.steps - step} steps, {f'{checks} validations, ' if checks else ''}{saves} checkpoints: "
            f"about {progress_report.duration(whole)}"]
