"""Who is measured: the tutorial's net in four hands, a file each, by the same weights and on the same batches.

A file has VARIANTS, what it can be asked for, and
Contender(job, size, classes, channels, variant, keep_prob): the net with net.draw's weights. job: "train" or "predict",
    which decides what is built; size: (height, width) of its images; channels: {layer: width} of a VGG-19.
    train(images, labels): one step of Adam on uint8 (N, H, W, 3) and (N, H, W); the loss before it, a float.
    predict(images): class ids, uint8 (N, H, W).
    scores(images): logits float32 (N, H, W, classes), without dropout, for either job.
    weights(): {layer/kernel or layer/bias: array as ours has it}.
"""

import importlib

from contenders import net
from fcn.core import errors
from fcn.models import published_nets

NAMES = ("ours", "tutorial", "pytorch", "keras3")
PEAK = "gemm"  # no net, but takes its turn with them


def build(name, job, batch, size, classes, variant, channels=None):
    """step(): one training step, which returns its loss, or one prediction, which returns its ids.

    Arguments as of contender().
    """
    return step(contender(name, job, size, classes, variant, channels), job, batch, size, classes)


def contender(name, job, size, classes, variant, channels=None):
    """The Contender of this name. channels: VGG-19's unless given.

    Raises UsageError for a name or variant that is not there, MachineError where the library is not installed.
    """
    if name not in (*NAMES, PEAK):
        raise errors.UsageError(f"no contender '{name}'", fix=f"one of {', '.join(NAMES)}.")
    try:
        module = importlib.import_module(f"contenders.{name}")
    except ModuleNotFoundError as error:
        raise errors.MachineError(f"{error.name} is not installed", fix="pip install '.[bench]'") from None
    if variant not in module.VARIANTS:
        raise errors.UsageError(f"{name} has no variant '{variant}'", fix=f"one of {', '.join(module.VARIANTS)}.")
    return module.Contender(job, size, classes, channels or published_nets.widths(), variant)


def step(built, job, batch, size, classes):
    """As build(), of a Contender that is there already."""
    images, labels = net.batch(batch, size, classes)
    if job == "train":
        return lambda: built.train(images, labels)
    return lambda: built.predict(images)
