"""Convert learning rate and weight decay from one loss reduction, batch or momentum to another.

The update is Caffe's, v = momentum v + rate (gradient + decay w); w -= v. With n labelled pixels in every image, the
gradient of the summed loss is n times that of the mean loss, so that

    rate_mean = rate_sum x n          decay_mean = decay_sum / n          clip_norm_mean = clip_norm_sum / n

keep rate (gradient + decay w), and with it every step, the same. This is EXACT (to rounding) if momentum and images per
step stay the same and every image has n labelled pixels. If n varies, the sum weighs an image by its labelled area and
the mean does not. Factors on rates (biases x 2, never decayed) and the schedule are kept.

The rest is FIRST ORDER, for gradients that change little within the 1 / (1 - momentum) steps of the velocity:
a constant gradient moves a weight by rate / (1 - momentum) per step, so the rate is proportional to (1 - momentum). A
step on k times as many images replaces k steps, so the rate is proportional to k and every number of steps to 1 / k. A
clipped gradient cannot be converted: the clipped mean of k images is not the mean of k clipped gradients.

SETTINGS lists how every setting is converted; caffe_solver.py writes the result as a Caffe solver.
"""

import dataclasses
import math

from fcn.config import checks, provenance, settings_file, training_config
from fcn.core import errors

REDUCTIONS = ("mean", "sum", "mean-per-image")

# How every setting of training_config.Config is converted when the loss reduction, the momentum or the batch changes.
SETTINGS = {
    "asked for": ("loss_reduction", "momentum", "batch", "batches_per_step"),
    "converted by the law": ("learning_rate", "weight_decay", "clip_norm"),
    "steps of the run: as many images, rounded up": ("steps",),
    "steps that shape the rate: as many images, within 1 % or refused": ("step_size", "warmup", "freeze_steps"),
    "steps between two events: as many images, rounded": ("eval_every", "save_every", "log_every"),
    "batches: as many images, rounded up": ("average_loss", "eval_batches"),
    "part of the optimizer, the same in both": (
        "optimizer", "schedule", "poly_power", "gamma", "epochs", "rate_factors", "freeze", "loss", "class_weights",
        "border_weight", "rim", "train_ignored", "keep_prob", "ema", "rise", "final_factor", "best_by", "patience",
        "keep"),
    "not part of the optimizer": (
        "layout", "data", "images", "labels", "train_split", "classes", "label_encoding", "mask_threshold",
        "ignore_label", "channels", "size", "crop_size", "crops_per_image", "images_in_memory", "augment",
        "replacement", "skip_bad", "max_pixels", "cache_dir", "cache_shards", "net", "weights", "carry_scores",
        "extra_channels",
        "mean_rgb", "alignment", "pool", "last_layer", "fc", "fusion", "init_stddev", "pool_scaling", "score_relu",
        "learn_upsampling", "output", "precision", "seed", "norm_momentum", "sync_batch_norm", "deterministic",
        "plugins"),
}
_, BY_LAW, _, SHAPES, PERIODS, BATCHES, KEPT, _ = SETTINGS.values()
ROUNDING = 0.01  # of a number of steps that shapes the rate


@dataclasses.dataclass(frozen=True)
class Solver:
    """The settings that determine the size of a step, by their names. pixels: labelled pixels of an image."""

    learning_rate: float
    weight_decay: float = 0.0
    momentum: float = 0.9
    loss_reduction: str = "mean"
    batch: int = 1
    batches_per_step: int = 1
    clip_norm: float = 0.0
    pixels: float = 1.0

    @property
    def images(self):
        """Images of a step."""
        return self.batch * self.batches_per_step

    @property
    def mean_rate(self):
        """The learning rate that gives the same step for the mean loss."""
        return self.learning_rate * self.pixels / divisor(self.loss_reduction, self.pixels)

    @property
    def effective_rate(self):
        """Distance per step under a constant gradient of the mean loss: mean_rate / (1 - momentum)."""
        return self.mean_rate / (1 - self.momentum)


def divisor(loss_reduction, pixels):
    """The divisor of the summed loss of an image with this many labelled pixels."""
    return 1.0 if loss_reduction == "sum" else pixels


def convert(solver, **changes) -> Solver:
    """The solver with these fields changed, and with the rate, decay and clip_norm that give the same steps.

    The fields are loss_reduction, momentum, batch and batches_per_step. Raises UsageError if no values give the same
    steps.
    """
    new = dataclasses.replace(solver, **changes)
    if not (0 <= solver.momentum < 1 and 0 <= new.momentum < 1):
        raise errors.UsageError("a momentum of 1 cannot be converted: no learning rate makes another momentum equal to "
                                "it", fix="give a --momentum and --to-momentum below 1, such as 0.9.")
    if solver.clip_norm and new.images != solver.images:
        raise errors.UsageError(f"--clip-norm {solver.clip_norm:g} cannot be converted from {solver.images} to "
                                f"{new.images} images per step",
                                why="the mean of several images' gradients has a smaller norm than each of them, by a "
                                    "factor that depends on the images, so no threshold clips the same steps.",
                                fix=f"keep {solver.images} images per step, or convert with --clip-norm 0 and choose "
                                     "the threshold anew (log.jsonl has every gradient_norm).")
    scale = divisor(new.loss_reduction, new.pixels) / divisor(solver.loss_reduction, solver.pixels)
    memory = (1 - new.momentum) / (1 - solver.momentum)
    rate = solver.learning_rate * scale * memory * (new.images / solver.images)
    return dataclasses.replace(new, learning_rate=rate, weight_decay=solver.weight_decay / scale,
                               clip_norm=solver.clip_norm / scale)


def exactness(old, new, warmup=0) -> str:
    """A sentence on how exact the conversion is. warmup: steps of the old solver."""
    limits = []
    if old.momentum != new.momentum:
        remembered = 1 / (1 - max(old.momentum, new.momentum))
        limits.append(f"momentum changed, so gradient and rate must change little within {remembered:.0f} steps"
                      + (f"; the warm-up has {warmup}" if warmup else ""))
    if old.images != new.images:
        ratio = max(old.images, new.images) / min(old.images, new.images)
        limits.append(f"images per step changed, so the gradient must change little within {ratio:.3g} of the smaller "
                      "steps")
    if limits:
        return f"to first order: {'; '.join(limits)}"
    if old.loss_reduction == new.loss_reduction:
        return "exact: nothing changed" if old == new else "exact: a step has the same images"
    return "exact, step by step, if every image has this many labelled pixels"


def settings_of(settings, old, new):
    """The Config of the solver `new`, converted from `settings`, whose Solver is `old`. Raises UsageError."""
    if settings.class_weights != "none" and (old.loss_reduction == "sum") != (new.loss_reduction == "sum"):
        raise errors.UsageError(f"--class-weights {settings.class_weights}: the mean divides by the sum of the pixels' "
                                "weights, which differs between images",
                                fix="give --class-weights none, or leave out --to.")
    found = {field.name: getattr(new, field.name) for field in dataclasses.fields(Solver) if field.name != "pixels"}
    found |= {name: max(1, round(getattr(settings, name) * old.images / new.images)) for name in PERIODS
              if getattr(settings, name) >= 1}  # a share of the time (eval_every) stays
    found["steps"] = -(-settings.steps * old.images // new.images)  # 0, by epochs, stays
    shapes = [name for name in SHAPES if name != "step_size" or settings.schedule == "step"]
    found |= {name: whole_steps(name, getattr(settings, name), old.images, new.images) for name in shapes}
    found |= {name: -(-getattr(settings, name) * old.batch // new.batch) for name in BATCHES}
    converted = dataclasses.replace(settings, **found)
    checks.check(converted)
    return converted


def whole_steps(name, steps, images, new_images):
    """The steps of new_images images that replace `steps`. Raises UsageError if they are far from a whole number."""
    wanted = steps * images / new_images
    nearest = round(wanted)
    if abs(nearest - wanted) > ROUNDING * wanted:
        flag, unit = f"--{name.replace('_', '-')}", new_images // math.gcd(images, new_images)
        raise errors.UsageError(f"{flag} {steps}: {steps} steps of {images} images are {wanted:.4g} steps of "
                                f"{new_images}", fix=f"{flag} {max(1, round(steps / unit)) * unit} is a whole number.")
    return nearest


def of_settings(settings, pixels) -> Solver:
    """The Solver in a Config. Raises UsageError for Adam, whose steps do not depend on the gradient's scale."""
    if settings.optimizer != "momentum":
        raise errors.UsageError(f"the conversion is for --optimizer momentum, this is {settings.optimizer}",
                                why="Adam's steps do not depend on the gradient's scale: one rate serves sum and mean.",
                                fix="keep the learning rate; or convert another one with --optimizer momentum.")
    names = [field.name for field in dataclasses.fields(Solver) if field.name != "pixels"]
    return Solver(**{name: getattr(settings, name) for name in names}, pixels=pixels)


def as_toml(old, converted, base) -> str:
    """TOML lines for --config that turn the settings `base` (a recipe's) into the Config `converted`."""
    note = f"{old.loss_reduction}, {old.learning_rate:g}, decay {old.weight_decay:g}, momentum {old.momentum:g}, " \
           f"{old.images} image{'s' * (old.images > 1)} a step, {old.pixels:g} labelled pixels an image"
    always = ("optimizer", "loss_reduction", "learning_rate", "weight_decay", "momentum", "batch", "batches_per_step")
    sizes = ("size",) if converted.batch > 1 else ()  # images of native size make no batch
    changed = [name for name in (*BY_LAW, "steps", *SHAPES, *PERIODS, *BATCHES, *KEPT, *sizes)
               if name not in always and getattr(converted, name) != getattr(base, name)]
    lines = {name: f"{name} = {provenance.toml_setting(name, getattr(converted, name))}"
             for name in (*always, *changed)}
    return f"# converted from {note}\n{settings_file.text(lines, training_config.groups())}"
