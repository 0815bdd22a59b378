"""Estimates of memory, disk space and time of a run, computed from shapes before the first step.

Memory is that of a process with TensorFlow 2.21 on a CPU. Arrays are computed from their shapes. PROGRAM, LOGITS and
COPIES of the optimizers are measured (accuracy: benchmarks/RESULTS.md).
"""

import dataclasses
import math

from fcn.core import registry

PROGRAM = 720e6  # bytes of Python, TensorFlow and a session without variables
PROGRAM_OPERATIONS = 3000  # of a graph that PROGRAM contains: an FCN
OPERATION = 13e3  # bytes of another operation in the graph and the session (measured: 11e3 to 15e3)
LOGITS = 2       # arrays of their size: upsampled logits and their gradient
FLOAT = 4        # bytes of a float32
SERVER = 250e6   # bytes of TensorFlow's server, with several workers
ALL_REDUCE = 3.3  # copies of the gradients while their sums over the workers are computed (measured: FCN-32s)
WRITTEN_PER_S = 80e6  # bytes/s of writing and verifying a checkpoint (measured: 65e6 while the machine does other work)


def activations(memory_map, size_px, classes, trained=None, width=FLOAT):
    """Return the peak memory of one image in a training step, in bytes: kept activations plus twice the largest one.

    memory_map: encoders.MemoryMap for an image of size_px. trained: names of trained layers (None: all); activations
    before the first of them are freed as soon as they are used. width: bytes per number in the encoder (2 for
    bfloat16 and float16).
    """
    sizes = _bytes(memory_map, width)
    names = list(sizes)
    first = min((names.index(name) for name in trained or names if name in sizes), default=len(names))
    kept = [sizes[name] for name in names[max(first - 1, 0):]]
    encoder = max(sum(kept) + 2 * max(kept, default=0), 2 * max(sizes.values()))
    return encoder + memory_map.workspace * width + (LOGITS * classes + 3) * math.prod(size_px) * FLOAT


def prediction(memory_map, size_px, classes, width=FLOAT):
    """Return the peak memory of one image in a validation, in bytes, without activations kept for gradients."""
    largest = max(_bytes(memory_map, width).values())
    return 2 * largest + memory_map.workspace * width + (LOGITS * classes + 3) * math.prod(size_px) * FLOAT


def forward(memory_map, size_px, score_count, width=FLOAT, argmaxed=True):
    """Return the peak memory of predicting one image, in bytes, without a loss. score_count: numbers in its scores.

    Scores are computed after the encoder's activations have been freed. If they fit, they reuse the memory of the two
    largest activations; else TensorFlow's pool grows by their size and never shrinks. argmaxed: the graph computes the
    argmax in block order. Otherwise scores are rearranged to image order, which needs them twice.
    """
    largest = max(_bytes(memory_map, width).values())
    encoder = 2 * largest + memory_map.workspace * width + 3 * math.prod(size_px) * FLOAT
    scores = score_count * FLOAT
    return encoder + (scores > largest) * (1 if argmaxed else 2) * scores


def _bytes(memory_map, width):
    return {name: width * math.prod(shape) for name, shape in memory_map.activations.items()}


@dataclasses.dataclass(frozen=True)
class Update:
    """Settings on which the memory of a weight update depends.

    decays: whether there is weight decay. terms: number of losses with their own normalizer. averaged: whether averages
    of the weights are kept. workers: number of processes that divide the batches of a step.
    """

    optimizer: str = "adam"
    batches_per_step: int = 1
    decays: bool = False
    terms: int = 1
    averaged: bool = False
    workers: int = 1


def graph(operations):
    """Return the memory in bytes that a graph of this many operations needs beyond that of an FCN."""
    return OPERATION * max(0, operations - PROGRAM_OPERATIONS)


def memory(parameters, trained, training, validation, update, width=FLOAT):
    """Return the peak memory of the process as {part: bytes}; the sum of the parts is the estimate.

    parameters, trained: how many numbers all variables of the net have, and the trained ones. training, validation:
    bytes of a batch from activations() and prediction(). update: Update. width: bytes per number in the encoder; below
    4, a converted copy of every weight is held too, and a gradient until it is converted.
    """
    summed = update.terms if update.batches_per_step > update.workers else 0
    rule = registry.load("optimizers", update.optimizer)  # it imports TensorFlow
    copies = rule.COPIES + (update.decays and not rule.DECOUPLED_WEIGHT_DECAY)
    gradients = max(summed, 1) * trained * FLOAT
    return {"the program": PROGRAM,
            "weights": parameters * FLOAT,
            "weights, converted": (width < FLOAT) * parameters * width,
            f"{update.optimizer}'s numbers beside them": rule.SLOTS * trained * FLOAT,
            "averages of the weights": update.averaged * trained * FLOAT,
            "running sums of the gradients": summed * trained * FLOAT,
            "gradients": gradients,
            "gradients, before conversion": (width < FLOAT) * trained * width,
            "sums over the workers": (update.workers > 1) * (SERVER + ALL_REDUCE * trained * FLOAT),
            "copies during the update": copies * trained * FLOAT,
            "maps of a batch": training,
            "validation, beyond maps and gradients": max(0, validation - training - gradients)}


def times(first, last, every):
    """Return the number of multiples of `every` in first + 1, ..., last."""
    return last // every - first // every


def checkpoints(first, last, save_every, eval_every):
    """Return the number of checkpoints after step `first`: periodic ones, one after each validation, one at the end."""
    if first >= last:
        return 0
    due = (times(first, last, save_every) + times(first, last, eval_every)
           - times(first, last, math.lcm(save_every, eval_every)))
    return due + bool(last % save_every and last % eval_every)


def validations(first, last, eval_every):
    """Return the number of validations after step `first`, including the one at the end."""
    return times(first, last, eval_every) + bool(last > first and last % eval_every)


def run_duration(first, last, seconds, checkpoint_bytes, periods):
    """Seconds of a run from step `first` to step `last`.

    seconds: of a step and of a whole validation. periods: steps between checkpoints, and between validations; the
    latter below 1 is the share of the time for validations.
    """
    (step_s, validation_s), (save_every, eval_every) = seconds, periods
    share = eval_every if eval_every < 1 else None
    checks = 0 if share else validations(first, last, eval_every)
    saves = checkpoints(first, last, save_every, last if share else eval_every)
    return duration((last - first) * step_s, checks * validation_s, saves * checkpoint_bytes, share)


def duration(training_s, validation_s, checkpoint_bytes, validation_share=None):
    """Seconds of a run, from those of all steps and of all validations, and the bytes of all checkpoints.

    validation_share: of the time that validations take, whatever validation_s.
    """
    if validation_share:
        validation_s = training_s * validation_share / (1 - validation_share)
    return training_s + validation_s + checkpoint_bytes / WRITTEN_PER_S
