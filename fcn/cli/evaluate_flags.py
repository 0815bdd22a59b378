"""The flags of eval_fcn.py: what they are, which of them go together, and the folder that they name."""

import argparse
import hashlib
import os
import pathlib
import re

from fcn.config import command_line, parsers
from fcn.core import errors, registry
from fcn.evaluation import prediction_writer
from fcn.runs import checkpoint_choice

MERGE, OVERLAP, SPLIT = "mean", 0.5, "validation"
OF_THE_DATA = {"layout": "auto", "classes": "", "ignore_label": None, "label_encoding": None, "mask_threshold": None}


def parse(argv, description):
    """The arguments. Raises UsageError for flags that do nothing together; argparse answers all else itself."""
    parser = command_line.Parser(argv, description=description, prog="eval_fcn.py")
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument("--run", help="folder of a run, or of one checkpoint in it")
    of.add_argument("--weights", help="a whole FCN in a file: MatConvNet's pascal-fcn8s-dag.mat and its like, or .npz")
    parser.add_argument("--checkpoint", default=checkpoint_choice.BEST, metavar="best|latest|PATH",
                        help="best: the highest validation mean IoU (default)")
    what = parser.add_argument_group("what is looked at")
    what.add_argument("--split", default=SPLIT, help="default: validation")
    what.add_argument("--data", help="folder of the data set, if it is not where the run found it")
    what.add_argument("--images", help="predict this photo or folder of photos, which need no labels")
    what.add_argument("--skip-bad", action="store_true", help="go on without images and labels that cannot be used")
    what.add_argument("--max-pixels", type=parsers.count, help="refuse larger images (default: the run's)")
    how = parser.add_argument_group("how the net looks at an image")
    how.add_argument("--size", type=parsers.parse_size, default=argparse.SUPPRESS,
                     help="size the net sees, or native (default: the run's; with --weights native)")
    how.add_argument("--window", type=parsers.parse_crop, help="look through windows of this many pixels, such as 512 "
                     "(multiples of 32): for images that do not fit into memory as a whole")
    how.add_argument("--overlap", type=parsers.parse_overlap, default=OVERLAP, metavar="SHARE|exact",
                     help="of neighbouring windows (default: 0.5); exact: so much that --merge centre gives what the "
                     "whole image would")
    how.add_argument("--merge", choices=("mean", "probability", "max", "centre"), default=MERGE,
                     help="where windows, scales and mirror images overlap: mean of logits (default), mean of "
                     "probabilities, maximum activation, or the window whose middle is nearest")
    how.add_argument("--scales", type=parsers.parse_scales, default=(1.0,), help="such as 0.75,1,1.25 (default: 1)")
    how.add_argument("--flip", action="store_true", help="look at the mirror image, too")
    how.add_argument("--enlarge", choices=("labels", "scores"), default="labels", help="to the original size: the "
                     "prediction by nearest neighbour, as the benchmark's own code does (default), or the scores "
                     "bilinearly")
    how.add_argument("--precision", choices=("float32", "bfloat16"), help="default: the run's")
    to = parser.add_argument_group("what is written")
    to.add_argument("--out", help="folder of results, replaced only if this program wrote all that is in it (default: "
                    "RUN/eval/SPLIT-STEP and the options; with --images predictions, predictions-2, ...)")
    to.add_argument("--outputs", type=prediction_writer.parse_outputs, default=prediction_writer.USUAL, metavar="WORDS",
                    help=f"for every image, of {', '.join(prediction_writer.KINDS)}; all, none (default: "
                    f"{','.join(prediction_writer.USUAL)})")
    of_file = parser.add_argument_group("the data set, with --weights")
    of_file.add_argument("--layout", default="auto", choices=["auto", *registry.names("layouts")],
                         help="how its folders are laid out (default: auto, as they look)")
    of_file.add_argument("--classes", default="", help="file with the class names (docs/data.md)")
    of_file.add_argument("--label-encoding", choices=registry.names("label_formats"),
                         help="how label files hold their ids (default: as the layout has it)")
    of_file.add_argument("--mask-threshold", type=parsers.between(0, 254),
                         help="binary masks: values above it are foreground (default: 127)")
    of_file.add_argument("--ignore-label", type=parsers.parse_ids, help="label ids left out, e.g. 255")
    arguments = parser.parse_args(argv)
    refuse_idle(arguments)
    return arguments


def refuse_idle(arguments):
    """A flag that would change nothing is a misunderstanding. Raises UsageError."""
    for is_so, idle, why in (
            (arguments.weights, {"checkpoint": checkpoint_choice.BEST}, "goes with --run only"),
            (arguments.run, OF_THE_DATA, "goes with --weights only"),
            (arguments.images, OF_THE_DATA | {"split": SPLIT, "data": None}, "is of labels, and --images need none"),
            (not arguments.window, {"overlap": OVERLAP}, "is that of windows: give --window, too")):
        given = [f"--{name.replace('_', '-')}" for name, default in idle.items() if getattr(arguments, name) != default]
        if is_so and given:
            raise errors.UsageError(f"{', '.join(given)} {why}")
    if arguments.overlap == "exact" and arguments.merge != "centre":
        raise errors.UsageError("--overlap exact is for --merge centre", fix="give --merge centre, too.")
    if arguments.merge != MERGE and not merges(arguments):
        raise errors.UsageError(f"--merge {arguments.merge}: there is nothing to merge",
                                fix="give --window, --scales or --flip, too.")
    if arguments.images and not arguments.outputs:
        raise errors.UsageError("--images without outputs: nothing would come of it", fix="leave out --outputs none.")


def advised(error, arguments):
    """The DataError, with what its advice is worth for a run: labels are read as in its training, so that the flags of
    the data set, which train_fcn.py has too, are refused.
    """
    named = [flag for flag in (f"--{name.replace('_', '-')}" for name in OF_THE_DATA)
             if re.search(rf"{flag}(?![\w-])", str(error))]
    if not arguments.run or not named:
        return error
    fix = f"{error.fix} " if error.fix else ""
    return errors.DataError(error.what, where=error.where, why=error.why, fix=f"{fix}With --run labels are read as "
                            f"in its training, without {', '.join(named)}: change the files, or train another run.")


def refuse_enlarging(arguments, settings):
    """At their own size images are not enlarged. Raises UsageError."""
    if arguments.enlarge != "labels" and settings.size is None:
        raise errors.UsageError(f"--enlarge {arguments.enlarge}: the net sees images at their own size",
                                fix="leave it out, or give a --size.")


def merges(arguments):
    return bool(arguments.window or arguments.flip or len(arguments.scales) > 1)


def folder(arguments, evaluated):
    """RUN/eval/validation-680, with what was asked for besides: results of other options do not replace each other."""
    words = [arguments.split, *([str(evaluated.step)] if evaluated.step is not None else [])]
    if arguments.data and not (evaluated.data and same(arguments.data, evaluated.data)):
        root = pathlib.Path(arguments.data).resolve()  # two data sets may have folders of one name
        words.append(f"{root.name}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:6]}")
    if "size" in arguments:
        words.append("native" if arguments.size is None else "x".join(map(str, arguments.size)))
    if arguments.window:
        words.append(f"window{'x'.join(map(str, arguments.window))}-{arguments.overlap}")
    if arguments.scales != (1.0,):
        words.append("scales" + ",".join(f"{scale:g}" for scale in arguments.scales))
    words += ["flip"] * arguments.flip
    words += [arguments.merge] * (arguments.merge != MERGE)
    words += [f"enlarge-{arguments.enlarge}"] * (arguments.enlarge != "labels")
    words += [arguments.precision] if arguments.precision else []
    return evaluated.folder / "eval" / "-".join(words)


def same(one, other):
    return pathlib.Path(one).absolute().resolve() == pathlib.Path(other).absolute().resolve()
