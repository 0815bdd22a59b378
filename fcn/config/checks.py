"""Settings that cannot go together, and settings that do nothing beside others."""

import argparse

from fcn.config import parsers
from fcn.core import errors, registry

# Settings that do nothing unless another one has this value.
ONLY_WITH = {"poly_power": ("schedule", "poly"), "step_size": ("schedule", "step"), "gamma": ("schedule", "step"),
             "momentum": ("optimizer", "momentum")}
KINDS = {"schedule": "schedules", "optimizer": "optimizers"}  # a plugin of these may use every setting


def without_effect(config, where):
    """A line on each setting that was given as a flag and does nothing here. where: of provenance.origins_of."""
    return [f"note: --{name.replace('_', '-')} has no effect without --{other} {value}"
            for name, (other, value) in ONLY_WITH.items()
            if where[name] == "flag" and getattr(config, other) != value
            and not (other in KINDS and registry.is_plugin(KINDS[other], getattr(config, other)))]


def check(config):
    """Raise UsageError for settings that cannot go together."""
    crop, size = config.crop_size, config.size
    if crop and size and any(c > s for c, s in zip(crop, size, strict=True)):
        raise errors.UsageError(f"--crop-size {crop[0]}x{crop[1]} is larger than --size {size[0]}x{size[1]}")
    if size is None and not crop and config.batch > 1:
        raise errors.UsageError(f"--size native with --batch {config.batch}: images of different sizes make no batch",
                                fix="--batch 1 with --batches-per-step, or crops of one size with --crop-size.")
    check_loss(config.loss, config.loss_reduction, config.class_weights != "none")
    if config.steps:
        check_warmup(config.steps, config.warmup)
    if config.images_in_memory and config.replacement:
        raise errors.UsageError("--images-in-memory with --replacement: any image may come next")
    if config.crops_per_image > 1 and not crop:
        raise errors.UsageError("--crops-per-image without --crop-size would show each image that often")


def check_loss(loss, reduction, has_class_weights):
    """Raise UsageError for an invalid loss, and for a reduction or weights of pixels without a loss of each pixel:
    a loss over whole images (fcn/models/losses) has its own.
    """
    try:
        names = [name for _, name in parsers.loss_terms(loss)]
    except argparse.ArgumentTypeError as error:
        raise errors.UsageError(f"--loss: {error}") from None
    of_images = ["build" in registry.functions("losses", name) for name in names]
    flags = [f"--loss-reduction {reduction}"] * (reduction != "mean") + ["--class-weights"] * has_class_weights
    if flags and all(of_images):
        raise errors.UsageError(f"{' and '.join(flags)}: --loss {loss} is over whole images, not over pixels",
                                fix=f"leave out {' and '.join(flags)}, or take another --loss.")


def check_warmup(steps, warmup):
    """Raise UsageError for a warm-up that leaves no step of the run at the full rate."""
    if warmup and warmup >= steps:
        raise errors.UsageError(f"--warmup {warmup}: the run has {steps} steps, none is left after the warm-up",
                                fix="a smaller --warmup, or more --steps or --epochs.")
