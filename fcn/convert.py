"""Learning rate and weight decay from one loss reduction, batch or momentum to another.

    python -m fcn.convert --recipe long2015_fcn8s --to mean --size 384
    python -m fcn.convert --learning-rate 1e-10 --momentum 0.99 --weight-decay 5e-4 --loss-reduction sum --to mean

The update is Caffe's, v = momentum v + rate (gradient + decay w); w -= v. With n labelled pixels in every image, the
gradient of the summed loss is n times that of the mean loss, so that

    rate_mean = rate_sum x n          decay_mean = decay_sum / n

leave rate (gradient + decay w), and with it every step, what it was. That is EXACT (to rounding) while momentum and
batch stay and every image has n labelled pixels; where n varies, the sum weighs an image by its labelled area and the
mean does not. Factors on rates (biases x 2, never decayed) and a rate that changes during the run are carried over.

The rest is FIRST ORDER, for gradients that change little over the 1 / (1 - momentum) steps that a velocity remembers:
a constant gradient moves a weight by rate / (1 - momentum) a step, so the rate goes with (1 - momentum); and a step
on k times as many images replaces k steps, so the rate goes with k, and the number of steps with 1 / k.
"""

import dataclasses
import math
import sys

from fcn import config, errors, parsers
from fcn.spec import NATIVE

REDUCTIONS = ("mean", "sum", "mean-per-image")


@dataclasses.dataclass(frozen=True)
class Solver:
    """What decides the size of a step. pixels: labelled pixels of an image. The names are those of the settings."""

    learning_rate: float
    weight_decay: float = 0.0
    momentum: float = 0.9
    loss_reduction: str = "mean"
    batch: int = 1
    batches_per_step: int = 1
    pixels: float = 1.0

    @property
    def images(self):
        """Images of a step."""
        return self.batch * self.batches_per_step

    @property
    def mean_rate(self):
        """The learning rate that makes the same step from the mean loss."""
        return self.learning_rate * self.pixels / divisor(self.loss_reduction, self.pixels)

    @property
    def effective_rate(self):
        """What a constant gradient of the mean loss is worth in the end: mean_rate / (1 - momentum)."""
        return self.mean_rate / (1 - self.momentum)


def divisor(loss_reduction, pixels):
    """What the summed loss of an image with so many labelled pixels is divided by."""
    return 1.0 if loss_reduction == "sum" else pixels


def convert(solver, **changes) -> Solver:
    """The solver with these fields changed (loss_reduction, momentum, batch, batches_per_step), its rate and decay so
    that it takes the same steps. Raises UsageError if no rate does.
    """
    new = dataclasses.replace(solver, **changes)
    if not (0 <= solver.momentum < 1 and 0 <= new.momentum < 1):
        raise errors.UsageError("a momentum of 1 never forgets: no rate makes another momentum equal to it")
    scale = divisor(new.loss_reduction, new.pixels) / divisor(solver.loss_reduction, solver.pixels)
    memory = (1 - new.momentum) / (1 - solver.momentum)
    rate = solver.learning_rate * scale * memory * (new.images / solver.images)
    return dataclasses.replace(new, learning_rate=rate, weight_decay=solver.weight_decay / scale)


def exactness(old, new) -> str:
    """How good the conversion is, in a sentence."""
    first_order = [name for name, same in (("momentum", old.momentum == new.momentum),
                                           ("images per step", old.images == new.images)) if not same]
    if first_order:
        return f"to first order: {' and '.join(first_order)} changed"
    if old.loss_reduction == new.loss_reduction:
        return "exact: nothing changed"
    return "exact, step by step, if every image has so many labelled pixels"


def of_settings(settings, pixels) -> Solver:
    """The Solver in a Config. Raises UsageError for Adam, which divides the gradient's scale out again."""
    if settings.optimizer != "momentum":
        raise errors.UsageError(f"the law is that of --optimizer momentum, this is {settings.optimizer}",
                                why="Adam divides the scale of the gradient out: one rate serves sum and mean.")
    names = [field.name for field in dataclasses.fields(Solver) if field.name != "pixels"]
    return Solver(**{name: getattr(settings, name) for name in names}, pixels=pixels)


def table(old, new) -> str:
    """Both solvers side by side."""
    rows = [(name, getattr(old, name), getattr(new, name)) for name in
            ("loss_reduction", "learning_rate", "weight_decay", "momentum", "batch", "batches_per_step", "pixels",
             "mean_rate", "effective_rate")]
    lines = [f"{'':<18}{'from':>14}{'to':>14}"]
    lines += [f"{name:<18}" + "".join(f"{v:>14.6g}" if isinstance(v, (int, float)) else f"{v:>14}" for v in values)
              for name, *values in rows]
    return "\n".join([*lines, exactness(old, new)])


def as_toml(old, new) -> str:
    """The lines of a --config file that say what the new solver does."""
    note = f"{old.loss_reduction}, {old.learning_rate:g}, decay {old.weight_decay:g}, momentum {old.momentum:g}, " \
           f"{old.images} image{'s' * (old.images > 1)} a step, {old.pixels:g} labelled pixels an image"
    return "\n".join([f"# converted from {note}", 'optimizer = "momentum"', f'loss_reduction = "{new.loss_reduction}"',
                      *(f"{name} = {getattr(new, name)!r}" for name in
                        ("learning_rate", "weight_decay", "momentum", "batch", "batches_per_step"))])


def prototxt(settings) -> str:
    """The lines of a Caffe solver.prototxt that train as these settings do, and what the net has to say besides.

    Caffe shows a loss averaged over iterations, of batches_per_step batches each; settings.average_loss is in batches.
    """
    if settings.optimizer != "momentum":
        raise errors.UsageError(f"only --optimizer momentum is Caffe's SGD, this is {settings.optimizer}")
    normalize = {"sum": "false", "mean": "true"}.get(settings.loss_reduction)
    policy = [f"power: {settings.poly_power:g}"] if settings.schedule == "poly" else []
    lines = [f"base_lr: {settings.learning_rate:g}", f'lr_policy: "{settings.schedule}"', *policy,
             f"momentum: {settings.momentum:g}", f"weight_decay: {settings.weight_decay:g}",
             f"iter_size: {settings.batches_per_step}",
             f"average_loss: {math.ceil(settings.average_loss / settings.batches_per_step)}"]
    lines += [f"max_iter: {settings.steps}"] if settings.steps else []
    lines += [f"# net: batch {settings.batch}; biases with decay_mult: 0; loss_param {{ normalize: {normalize} }}"
              if normalize else "# net: Caffe has no loss that is the mean of every image's mean"]
    return "\n".join(lines)


def parse(argv):
    parser = config.Parser(prog="python -m fcn.convert", description="Rate and decay under another loss reduction, "
                           "batch or momentum: the law stands at the top of fcn/convert.py.")
    parser.add_argument("--recipe", help="settings to start from")
    parser.add_argument("--config", metavar="FILE.toml", help="settings to start from, or over those of the recipe")
    config.add_flags(parser)
    parser.add_argument("--labelled", type=parsers.fraction, default=1.0, metavar="X",
                        help="share of an image's pixels that is labelled (default: 1)")
    parser.add_argument("--to", choices=REDUCTIONS, help="loss reduction to convert to")
    parser.add_argument("--to-momentum", type=parsers.between(0.0, 1.0, parsers.real), metavar="X")
    parser.add_argument("--to-batch", type=parsers.count, metavar="X")
    parser.add_argument("--to-batches-per-step", type=parsers.count, metavar="X")
    parser.add_argument("--prototxt", action="store_true", help="show Caffe's solver lines of the converted settings")
    return parser.parse_args(argv)


def main(argv):
    arguments = parse(argv)
    flags = vars(arguments)
    if not (arguments.recipe or arguments.config):
        flags.setdefault("optimizer", "momentum")
    settings = config.resolve(flags, arguments.config, arguments.recipe)
    size = settings.crop_size or settings.size
    if size == NATIVE:
        raise errors.UsageError("these settings train every image at its own size",
                                cure="give the size to convert for, e.g. --size 375x500.")
    old = of_settings(settings, math.prod(size) * arguments.labelled)
    wanted = {"loss_reduction": arguments.to, "momentum": arguments.to_momentum, "batch": arguments.to_batch,
              "batches_per_step": arguments.to_batches_per_step}
    new = convert(old, **{name: value for name, value in wanted.items() if value is not None})
    steps = math.ceil(settings.steps * old.images / new.images)  # as many images as before; 0 goes by epochs
    print(table(old, new), as_toml(old, new) + (f"\nsteps = {steps}" if steps else ""), sep="\n\n")
    if arguments.prototxt:
        changed = {k: v for k, v in dataclasses.asdict(new).items() if k != "pixels"} | {"steps": steps}
        print("", prototxt(dataclasses.replace(settings, **changed)), sep="\n")


if __name__ == "__main__":
    sys.exit(errors.run(main, sys.argv[1:]))
