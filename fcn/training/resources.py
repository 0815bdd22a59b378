"""What a run will need, from shapes alone: memory, room for checkpoints, time. Plain arithmetic, before any step.

The memory is that of the process on a CPU, as TensorFlow 2.21 takes it. What follows from shapes is counted; what does
not (the parts of the program, copies) is measured, and stands as numbers in PROGRAM, LOGITS and an optimizer's COPIES
(docs/training.md says how, and how far off it is).
"""

import dataclasses
import math

from fcn.core import registry

PROGRAM = 720e6  # bytes of Python, TensorFlow and a session with no variables in it
LOGITS = 2       # upsampled, and the gradient of the loss to them
FLOAT = 4        # bytes of a float32
WRITTEN_PER_S = 80e6  # bytes of a checkpoint written, on the disk and checked (65e6 measured beside other work)


def activations(memory_map, size_px, classes, trained=None, width=FLOAT):
    """Bytes of one image in a training step at most: what is kept for the gradients, and the two largest maps besides.

    memory_map: encoders.MemoryMap for an image of size_px. trained: layers that are; maps before the first one are
    dropped as soon as the next one is there (None: all are). width: bytes of a number in the encoder's maps (2 for
    bfloat16).
    """
    sizes = _bytes(memory_map, width)
    names = list(sizes)
    first = min((names.index(name) for name in trained or names if name in sizes), default=len(names))
    kept = [sizes[name] for name in names[max(first - 1, 0):]]
    encoder = max(sum(kept) + 2 * max(kept, default=0), 2 * max(sizes.values()))
    return encoder + memory_map.workspace * width + (LOGITS * classes + 3) * math.prod(size_px) * FLOAT


def prediction(memory_map, size_px, classes, width=FLOAT):
    """Bytes of one image in a validation at most: nothing is kept for gradients."""
    largest = max(_bytes(memory_map, width).values())
    return 2 * largest + memory_map.workspace * width + (LOGITS * classes + 3) * math.prod(size_px) * FLOAT


def forward(memory_map, size_px, score_count, width=FLOAT, argmaxed=True):
    """Bytes of one image on its way to a prediction at most, without a loss. score_count: numbers in its scores.

    Scores come when the encoder's maps are done with, in blocks that reach over the image's sides. They lie where the
    two largest maps did, if they fit there; else TensorFlow's pool grows by them and gives nothing back. argmaxed: in
    the graph, as they lie; else they are brought into the order of the image, which takes them twice.
    """
    largest = max(_bytes(memory_map, width).values())
    encoder = 2 * largest + memory_map.workspace * width + 3 * math.prod(size_px) * FLOAT
    scores = score_count * FLOAT
    return encoder + (scores > largest) * (1 if argmaxed else 2) * scores


def _bytes(memory_map, width):
    return {name: width * math.prod(shape) for name, shape in memory_map.activations.items()}


@dataclasses.dataclass(frozen=True)
class Update:
    """What the memory of a weight update depends on. decays: whether there is weight decay. terms: of the loss, each
    with a normalizer of its own.
    """

    optimizer: str = "adam"
    batches_per_step: int = 1
    decays: bool = False
    terms: int = 1


def memory(parameters, trained, training, validation, update, width=FLOAT):
    """{part: bytes}: what the process holds at the worst moment; their sum is the estimate.

    parameters, trained: numbers in all variables of the net, and in those that are trained. training, validation:
    bytes of a batch by activations() and prediction(). update: an Update. width: bytes of a number in the encoder's
    maps; with fewer than four every weight is held a second time so.
    """
    summed = update.terms if update.batches_per_step > 1 else 0
    rule = registry.load("optimizers", update.optimizer)  # it imports TensorFlow
    copies = rule.COPIES + (update.decays and not rule.DECOUPLED_WEIGHT_DECAY)
    gradients = max(summed, 1) * trained * FLOAT
    return {"the program": PROGRAM,
            "weights": parameters * FLOAT,
            "weights, converted": (width < FLOAT) * parameters * width,
            f"{update.optimizer}'s numbers beside them": rule.SLOTS * trained * FLOAT,
            "running sums of the gradients": summed * trained * FLOAT,
            "gradients": gradients,
            "copies during the update": copies * trained * FLOAT,
            "maps of a batch": training,
            "validation, beyond maps and gradients": max(0, validation - training - gradients)}


def times(first, last, every):
    """How many multiples of `every` are in first + 1, ..., last."""
    return last // every - first // every


def checkpoints(first, last, save_every, eval_every):
    """How many checkpoints a run writes after step `first`: every so often, after every validation, and at its end."""
    if first >= last:
        return 0
    due = (times(first, last, save_every) + times(first, last, eval_every)
           - times(first, last, math.lcm(save_every, eval_every)))
    return due + bool(last % save_every and last % eval_every)


def validations(first, last, eval_every):
    """How many validations a run makes after step `first`; one is at its end."""
    return times(first, last, eval_every) + bool(last > first and last % eval_every)


def duration(training_s, validation_s, checkpoint_bytes, eval_budget=None):
    """Seconds of a run, from those of all steps and of all validations, and the bytes of all checkpoints.

    eval_budget: the share of the time that validations take, whatever validation_s.
    """
    if eval_budget:
        validation_s = training_s * eval_budget / (1 - eval_budget)
    return training_s + validation_s + checkpoint_bytes / WRITTEN_PER_S
