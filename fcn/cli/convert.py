"""Convert learning rate and weight decay to another loss reduction, batch or momentum.

    fcn convert --recipe long2015_fcn8s --to mean --size 384
    fcn convert --learning-rate 1e-10 --momentum 0.99 --weight-decay 5e-4 --loss-reduction sum --to mean

fcn/config/solver_conversion.py has the formulas.
"""

import math

from fcn.config import caffe_solver, command_line, parsers, solver_conversion, training_config
from fcn.core import errors, tables


def parse(argv):
    """The arguments of `fcn convert`."""
    parser = command_line.Parser(argv, prog="fcn convert", has_more=True, description=__doc__.split("\n\n")[0])
    start = parser.section("settings to convert")
    start.add_argument("--recipe", metavar="NAME", help="settings of a recipe")
    start.add_argument("--config", metavar="FILE.toml", help="settings of a file; they replace those of the recipe")
    target = parser.section("convert to")
    target.add_argument("--to", choices=solver_conversion.REDUCTIONS, help="loss reduction")
    target.add_argument("--to-momentum", type=parsers.between(0.0, 1.0, parsers.real), metavar="FACTOR",
                        help="momentum")
    target.add_argument("--to-batch", type=parsers.count, metavar="N", help="images per forward/backward pass")
    target.add_argument("--to-batches-per-step", type=parsers.count, metavar="N", help="batches per step")
    target.add_argument("--labelled", type=parsers.fraction, default=1.0, metavar="SHARE",
                        help="share of an image's pixels that is labelled (default: 1)")
    target.add_argument("--prototxt", action="store_true", help="also print the lines of a Caffe solver")
    command_line.add_flags(parser, common=("size", "optimizer", "learning_rate", "batch", "batches_per_step",
                                           "momentum", "weight_decay", "loss_reduction"))
    return parser.parse_args(argv)


def main(argv):
    """Convert the settings of a Caffe solver. Returns the exit code."""
    arguments = parse(argv)
    flags = vars(arguments)
    if not (arguments.recipe or arguments.config):
        flags.setdefault("optimizer", "momentum")
    settings = training_config.resolve(flags, arguments.config, arguments.recipe)
    size = settings.crop_size or settings.size
    if size is None:
        raise errors.UsageError("these settings train each image at its own size",
                                fix="give the size to convert for, such as --size 375x500.")
    old = solver_conversion.of_settings(settings, math.prod(size) * arguments.labelled)
    wanted = {"loss_reduction": arguments.to, "momentum": arguments.to_momentum, "batch": arguments.to_batch,
              "batches_per_step": arguments.to_batches_per_step}
    new = solver_conversion.convert(old, **{name: value for name, value in wanted.items() if value is not None})
    converted = solver_conversion.settings_of(settings, old, new)
    lines = caffe_solver.prototxt(converted) if arguments.prototxt else None
    base = training_config.resolve({}, recipe=arguments.recipe)
    print(table(old, new, settings.warmup), solver_conversion.as_toml(old, converted, base), *filter(None, [lines]),
          sep="\n\n")


def table(old, new, warmup=0) -> str:
    """A table of both solvers."""
    clipped = ["clip_norm"] if old.clip_norm else []
    rows = [(name, getattr(old, name), getattr(new, name)) for name in
            ("loss_reduction", "learning_rate", "weight_decay", *clipped, "momentum", "batch", "batches_per_step",
             "pixels", "mean_rate", "effective_rate")]
    lines = tables.lines(["<", ">from", ">to"], [
        [name, *(f"{value:.6g}" if isinstance(value, (int, float)) else value for value in values)]
        for name, *values in rows])
    return "\n".join([*lines, solver_conversion.exactness(old, new, warmup)])
