"""Estimates of memory, disk space and time of a run: quick() at every start, run() for --dry-run.

Both take a trainer.Trainer and write nothing. The timed steps of run() change the weights in the session, which are
discarded.
"""

import itertools
import logging
import math
import shutil
import statistics
import time

from fcn.core import atomic_io, machine, progress_bar, tables
from fcn.models import components, tf_compat
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf
from fcn.training import loop, lr_multipliers, resources, validation

logger = logging.getLogger(__name__)

MOST_GRAPH = 4e6  # bytes; a larger graph contains weights as constants
TIMED_STEPS, TIMED_S, MOST_STEPS = 3, 5.0, 30  # after a warm-up step: minimum steps and seconds, maximum steps


def quick(trainer):
    """Return lines about memory and disk space. Raises MachineError if the disk cannot hold a single checkpoint."""
    size, most, (free, there) = trainer.store.bytes, trainer.job.settings.keep + 2, disk(trainer)
    if free < size:
        raise atomic_io.no_space(size, trainer.job.run,
                                 "free space, or give a --run on another disk; this disk cannot hold a single "
                                 "checkpoint.")
    memory = atomic_io.format_bytes(sum(memory_of(trainer).values()))
    each = f" in each of {trainer.workers.count} workers" if trainer.workers else ""
    lines = [f"memory about {memory}{each}; checkpoints of {atomic_io.format_bytes(size)}, up to {most} at once = "
             f"{atomic_io.format_bytes(most * size)} of {atomic_io.format_bytes(free + there)} free"]
    lines += gpu_lines(trainer)
    if free + there < most * size:
        lines.append(f"warning: the disk cannot hold {most} checkpoints (--keep {most - 2}, the best one, and one "
                     "being written)")
    return lines


def gpu_lines(trainer):
    """Return lines about the memory of the GPU; [] without one.

    What the process needs on a CPU, apart from the program, was within 4 % of the peak on a GPU in bfloat16; in float32
    cuDNN needed up to 2.4 GB more (one net on one GPU, benchmarks/RESULTS.md).
    """
    there = tf_compat.detect_device().memory
    if there is None:
        return []
    parts = memory_of(trainer)
    needed = sum(parts.values()) - parts["the program"]
    more = ", and up to 2.4 GB for cuDNN" * (architecture_of(trainer).precision == "float32")
    lines = [f"memory of the GPU: about {atomic_io.format_bytes(needed)}{more}, of {atomic_io.format_bytes(there)}"]
    if needed > there:
        lines.append("warning: the GPU's memory is probably too small: give a smaller --batch or --crop-size")
    return lines


def disk(trainer):
    """Return (free bytes on the disk of the checkpoints, bytes of existing checkpoints, which will be deleted)."""
    folder = trainer.store.folder.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(nearest).free, sum(file.stat().st_size for file in folder.glob("step-*/*"))


def memory_of(trainer, batch=None):
    """Return resources.memory of this run as {part: bytes}.

    batch: images per batch; default: that of the run.
    """
    settings, architecture, trained = trainer.job.settings, architecture_of(trainer), trainer.update.grads
    net, batch = components.of(architecture.net), batch or settings.batch
    width = tf.as_dtype(architecture.precision).size
    layers = [lr_multipliers.layer_of(variable.op.name) for _, variable in trained]
    sizes = [variable.shape.num_elements() for variable in tf.trainable_variables()]
    size_px, validation_px = sizes_px(trainer)
    memory_map, validation_map = net.memory_map(architecture, size_px), net.memory_map(architecture, validation_px)
    training = resources.activations(memory_map, size_px, architecture.num_classes, layers, width)
    validation = resources.prediction(validation_map, validation_px, architecture.num_classes, width)
    update = resources.Update(settings.optimizer, settings.batches_per_step, bool(settings.weight_decay),
                              trainer.graph.objective.shape.num_elements(), bool(settings.ema),
                              trainer.workers.count if trainer.workers else 1)
    parts = resources.memory(sum(sizes), sum(v.shape.num_elements() for _, v in trained), batch * training,
                             batch * validation, update, width)
    return parts | {"the graph": resources.graph(len(tf.get_default_graph().get_operations()))}


def architecture_of(trainer):
    """The Architecture of a trainer's run."""
    return Architecture.from_dict(trainer.job.content["model"])


def sizes_px(trainer):
    """Return (height, width) of the largest training sample and of the largest validation sample."""
    crop, caches = trainer.sampling.crop_size, (trainer.job.training, trainer.job.validation)
    one, other = (tuple(max(made.shapes.tolist(), key=math.prod)) for made in caches)
    return crop or one, other if caches[1].uniform else crop or other


def run(trainer):
    """Prepare a run, time a few steps and log the estimates. Returns the seconds of a step.

    Raises the errors that the run would raise.
    """
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
    return statistics.median(seconds)


def feature_maps(session, graph, names, images):
    """Return {name: (height, width, channels)} of images, features, layers with a bias and logits.

    graph: graph_builder.TrainingGraph in the default graph. names: tensors to list; unknown ones are skipped. images:
    uint8 (N, H, W, 3).
    """
    tensors = {"images": graph.images, "logits": graph.logits, **graph.features}
    for op in tf.get_default_graph().get_operations():
        if op.type == "BiasAdd":
            source = op.inputs[1].op
            while source.inputs:  # skip the cast and the read operation of the variable
                source = source.inputs[0].op
            tensors.setdefault(lr_multipliers.layer_of(source.name), op.outputs[0])  # the first one: the forward pass
    fetches = {name: tf.shape(tensors[name])[1:] for name in names if name in tensors}
    return {name: tuple(shape.tolist()) for name, shape in tf_compat.run(session, fetches,
                                                                         {graph.images: images}).items()}


class Stopwatch:
    """Hook that measures the seconds of every step after the first, and ends the loop when there are enough."""

    def __init__(self):
        self.seconds, self.last = [], None

    def after_step(self, at):
        """Record the time of the step."""
        now = time.perf_counter()
        if self.last is None:
            at.wait_s = at.run_s = 0.0
        else:
            self.seconds.append(now - self.last)
        self.last = now
        if len(self.seconds) >= TIMED_STEPS and sum(self.seconds) >= TIMED_S:
            at.finished = "timed"


def timed_steps(session, trainer, at, rate_at=None):
    """Run a few steps of the training loop. Returns (seconds of each step, share of the time waiting for data).

    rate_at: function of the step that returns the learning rate; default: that of the run.
    """
    settings, watch = trainer.job.settings, Stopwatch()
    given = loop.LoopSettings(at.step + 1 + MOST_STEPS, settings.batches_per_step, settings.keep_prob, settings.seed,
                              rate_at or (lambda step: trainer.rate_at(min(step, trainer.steps - 1))), trainer.batch_at,
                              lambda number, *_: f"not saved in a dry run (batch {number})",
                              trainer.job.settings.freeze_steps)
    loop.train(session, trainer.graph, trainer.update, given, at, [watch])
    return watch.seconds, at.wait_s / (at.wait_s + at.run_s)


def timed_validation(session, trainer):
    """Return the seconds of one validation batch, measured on its second run."""
    batch = list(itertools.islice(trainer.validation_batches(), 1))
    for _ in range(2):
        before = time.perf_counter()
        validation.validate(session, trainer.graph, batch, trainer.policy)
    return time.perf_counter() - before


def _net(trainer, shapes, strides):
    variables, trained = tf.trainable_variables(), {variable.op.name for _, variable in trainer.update.grads}
    encoder = trainer.graph.encoder_layers
    def count(chosen):
        return f"{sum(v.shape.num_elements() for v in variables if chosen(v.op.name)):,}"
    lines = tables.lines(["<layer", "<height x width x channels", ">stride"], [
        [name, " x ".join(map(str, shape)), str(strides[name])] for name, shape in shapes.items()], indent=2)
    size = tf.get_default_graph().as_graph_def().ByteSize()
    return ["", *lines, "",
            f"parameters: encoder {count(lambda name: lr_multipliers.layer_of(name) in encoder)}, decoder "
            f"{count(lambda name: lr_multipliers.layer_of(name) not in encoder)}, total {count(lambda name: True)}; "
            f"trained {count(lambda name: name in trained)}, not trained {count(lambda name: name not in trained)}",
            f"graph: {size / 1e6:.2f} MB" + (", too large: it contains weights" if size > MOST_GRAPH else "")]


def _memory(trainer):
    estimate, measured = memory_of(trainer), machine.peak_memory()
    total = sum(estimate.values())
    others = [f"{batch}: {atomic_io.format_bytes(sum(memory_of(trainer, batch).values()))}" for batch in (1, 2, 4)]
    rows = [[part, atomic_io.format_bytes(size), ""] for part, size in [*estimate.items(), ("total", total)] if size]
    if measured:
        rows.append(["measured peak so far", atomic_io.format_bytes(measured),
                     f"(the estimate is {total / measured - 1:+.0%})"])
    return ["memory, estimated from shapes", *tables.lines(["<", ">", "<"], rows, indent=2),
            f"  total with --batch {', '.join(others)}"]


def _disk(trainer):
    size, most, (free, there) = trainer.store.bytes, trainer.job.settings.keep + 2, disk(trainer)
    one = atomic_io.format_bytes(size)
    return [f"disk: a checkpoint {one}, at most {most} at once (--keep {most - 2}, the best one, one "
            f"being written) = {atomic_io.format_bytes(most * size)} of {atomic_io.format_bytes(free + there)} free",
            f"  weights only, as .npz: {atomic_io.format_bytes(trainer.parameters * resources.FLOAT)}"]


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
    whole = resources.run_duration(step, trainer.steps, (step_s, every * validation_s), trainer.store.bytes,
                                   (s.save_every, s.eval_every))
    return [f"time: a step {step_s:.3g} s ({min(seconds):.3g} to {max(seconds):.3g} in {len(seconds)}), "
            f"{s.batch * s.batches_per_step / step_s:.3g} images/s",
            f"  data: {batch_s * 1e3:.3g} ms per batch, loaded ahead; {waiting:.1%} of the time waits for data",
            f"  validation: {every} batches of {validation_s:.3g} s, {progress_bar.duration(every * validation_s)}",
            f"  {trainer.steps - step} steps, {f'{checks} validations, ' if checks else ''}{saves} checkpoints: "
            f"about {progress_bar.duration(whole)}"]
