"""Settings that exclude each other, and settings without effect."""

import argparse

from fcn.config import loss_terms
from fcn.config.parsers import FIX
from fcn.core import errors, registry

# Settings that have no effect unless another one has this value.
ONLY_WITH = {"poly_power": ("schedule", "poly"), "step_size": ("schedule", "step"), "gamma": ("schedule", "step"),
             "momentum": ("optimizer", "momentum"), "rise": ("schedule", "one_cycle"),
             "final_factor": ("schedule", "one_cycle")}
KINDS = {"schedule": "schedules", "optimizer": "optimizers"}  # a plugin of these may use every setting


def without_effect(config, where):
    """A line on each setting that was given as a flag and has no effect. where: of provenance.origins_of."""
    return [f"note: --{name.replace('_', '-')} has no effect without --{other} {value}"
            for name, (other, value) in ONLY_WITH.items()
            if where[name] == "flag" and getattr(config, other) != value
            and not (other in KINDS and registry.is_plugin(KINDS[other], getattr(config, other)))]


def check(config):
    """Raise UsageError for settings that exclude each other."""
    crop, size = config.crop_size, config.size
    if crop and size and any(c > s for c, s in zip(crop, size, strict=True)):
        smaller = "x".join(str(min(sides)) for sides in zip(crop, size, strict=True))
        raise errors.UsageError(f"--crop-size {crop[0]}x{crop[1]} is larger than --size {size[0]}x{size[1]}",
                                fix=f"give --crop-size {smaller}, or a larger --size.")
    if size is None and not crop and config.batch > 1:
        raise errors.UsageError(f"--size native with --batch {config.batch}: images of a batch need one size",
                                fix="give --batch 1 --batches-per-step N, or crops of one size with --crop-size.")
    check_channels(config)
    check_loss(config.loss, config.loss_reduction, (config.class_weights != "none", bool(config.border_weight)),
               config.output == "sigmoid")
    if config.steps:
        check_durations(config.steps, config.warmup, config.freeze_steps)
    if config.freeze_steps and not config.freeze:
        raise errors.UsageError(f"--freeze-steps {config.freeze_steps} needs --freeze",
                                fix="give --freeze encoder, or leave out --freeze-steps.")
    if config.images_in_memory and config.replacement:
        raise errors.UsageError("--images-in-memory and --replacement exclude each other: with replacement any image "
                                "may come next", fix="give --images-in-memory 0, or --no-replacement.")
    if config.crops_per_image > 1 and not crop:
        raise errors.UsageError(f"--crops-per-image {config.crops_per_image} needs --crop-size",
                                fix="give a --crop-size, or --crops-per-image 1.")


def check_channels(config):
    """Raise UsageError for settings that need another number of channels."""
    of_rgb = [name for name in config.augment if registry.load("augmentations", name).RGB_ONLY]
    if config.channels != 3 and of_rgb:
        others = [name for name in config.augment if name not in of_rgb]
        raise errors.UsageError(f"--augment {','.join(of_rgb)} needs RGB images, these have --channels "
                                f"{config.channels}", fix=f"give --augment {','.join(others) or 'none'}.")
    if config.mean_rgb and len(config.mean_rgb) != config.channels:
        raise errors.UsageError(f"--mean-rgb has {len(config.mean_rgb)} numbers, images have --channels "
                                f"{config.channels}", fix="give one number for each channel, or leave out --mean-rgb.")


def check_loss(loss, reduction, has_weights=(False, False), sigmoid=False):
    """Raise UsageError for an invalid loss, and for a reduction or weights that have no effect on it.

    has_weights: whether there are class weights, and weights of the border. sigmoid: whether the net has one sigmoid
    output; then losses that know of it weight no classes against each other.
    """
    try:
        terms = loss_terms.parse(loss)
        for term in terms:
            term.values()
    except argparse.ArgumentTypeError as error:
        what, _, fix = str(error).partition(FIX)
        raise errors.UsageError(f"--loss: {what}", fix=fix or "give a loss such as cross_entropy, or a sum such as "
                                "0.5*dice+focal.") from None
    if any("build" not in registry.functions("losses", term.name) for term in terms):
        return
    taken = [set(loss_terms.parameters(term.name)) for term in terms]
    weighted = any("class_weights" in one and not (sigmoid and "sigmoid" in one) for one in taken)
    flags = ([f"--loss-reduction {reduction}"] * (reduction != "mean")
             + ["--class-weights"] * (has_weights[0] and not weighted) + ["--border-weight"] * has_weights[1])
    if flags:
        classes = " of one class (--output sigmoid)" if sigmoid else ""
        raise errors.UsageError(f"{' and '.join(flags)}: --loss {loss} is over whole images{classes}, not over pixels",
                                fix=f"leave out {' and '.join(flags)}, or give another --loss.")


def check_durations(steps, warmup, freeze_steps, length="--steps or --epochs"):
    """Raise UsageError for a warm-up, or a number of frozen steps, that lasts as long as the run.

    length: options that make the run longer.
    """
    for flag, duration in (("--warmup", warmup), ("--freeze-steps", freeze_steps)):
        if duration and duration >= steps:
            raise errors.UsageError(f"{flag} {duration}: the run has only {steps} steps",
                                    fix=f"give {flag} {max(0, steps - 1)} or less, or more {length}.")
