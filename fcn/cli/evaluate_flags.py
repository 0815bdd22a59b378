"""The flags of `fcn evaluate` and `fcn predict`, which of them exclude each other, and the folder that they name."""

import argparse
import difflib
import functools
import hashlib
import os
import pathlib
import re

from fcn.config import command_line, parsers, training_config
from fcn.core import errors, registry
from fcn.evaluation import prediction_writer
from fcn.runs import checkpoint_choice

MERGE, OVERLAP, SPLIT = "mean", 0.5, "validation"
SPLITS = ("training", "validation", "test", "train", "val", "valid")  # names that layouts know
OF_THE_DATA = {"layout": "auto", "image_pattern": "", "labels": "", "classes": "", "ignore_label": None,
               "label_encoding": None, "mask_threshold": None}


def parse(argv, description):
    """The arguments of `fcn evaluate`. Raises UsageError for flags that have no effect together."""
    parser = command_line.Parser(
        argv, has_more=True, prog="fcn evaluate", description=description,
        usage="fcn evaluate --run DIR [options]\n       fcn evaluate --weights FILE --data DIR [options]")
    add_model(parser)
    data = parser.section("data")
    parser.add_option(data, "--split", default=SPLIT, metavar="NAME", help="training, validation or test (default: "
                      "validation)")
    parser.add_option(data, "--data", metavar="DIR", help="folder of the data set (default: the run's)")
    parser.add_option(data, "--images", nargs="+", metavar="PHOTOS", help="predict photos, which need no labels, as "
                      "fcn predict does")
    add_unlabelled(parser, data)
    rare = functools.partial(parser.add_option, data, is_common=False)
    rare("--layout", default="auto", type=parsers.one_of(["auto", *registry.names("layouts")], "layout"),
         metavar="NAME", help="with --weights: folder structure of the data set (default: auto, detected)")
    rare("--labels", default="", metavar="PATTERN", help="with --weights: where labels are in --data, beside --images "
         "PATTERN, such as 'masks/{name}.png' (docs/data.md)")
    rare("--classes", default="", metavar="FILE", help="with --weights: class names (docs/data.md)")
    rare("--label-encoding", type=parsers.one_of(registry.names("label_formats"), "label format"), metavar="NAME",
         help="with --weights: format of the label files (default: the layout's)")
    rare("--mask-threshold", type=parsers.between(0, 254), metavar="VALUE",
         help="with --weights, binary masks: larger values are foreground (default: 127)")
    rare("--ignore-label", type=parsers.parse_ids, metavar="IDS", help="with --weights: label ids ignored in scores, "
         "such as 0,255")
    add_inference(parser)
    add_output(parser, "RUN/eval/SPLIT-STEP-OPTIONS")
    arguments = parser.parse_args(argv)
    arguments.image_pattern = ""
    is_pattern = any("{name}" in text for text in arguments.images or ())
    if is_pattern != bool(arguments.labels) or (is_pattern and len(arguments.images) > 1):
        raise errors.UsageError("a data set has one pattern of --images and one of --labels", fix="give both, such as "
                                "--images 'images/{name}.jpg' --labels 'masks/{name}.png'; or give --images PHOTOS "
                                "alone, which predicts photos.")
    if is_pattern:
        arguments.image_pattern, arguments.images = arguments.images[0], None
    refuse_idle(arguments)
    return arguments


def parse_prediction(argv, description):
    """The arguments of `fcn predict`: those of `fcn evaluate --images`. Raises UsageError."""
    parser = command_line.Parser(argv, has_more=True, prog="fcn predict", description=description,
                                 usage="fcn predict PHOTOS (--run DIR | --weights FILE) [--out DIR] [options]")
    parser.add_argument("images", nargs="+", metavar="PHOTOS", help="photos, folders, videos, or patterns such "
                        "as 'photos/*.jpg'")
    add_model(parser)
    add_unlabelled(parser, parser)
    add_inference(parser)
    add_output(parser, "predictions, predictions-2, ...")
    parser.set_defaults(split=SPLIT, data=None, **OF_THE_DATA)
    arguments = parser.parse_args(argv)
    refuse_idle(arguments)
    return arguments


def add_model(parser):
    """The flags that name a net."""
    section = parser.section("model")
    of = section.add_mutually_exclusive_group(required=True)
    of.add_argument("--run", metavar="DIR", help="folder of a run, or of one of its checkpoints")
    of.add_argument("--weights", metavar="FILE", help="file with a whole FCN: MatConvNet's pascal-fcn8s-dag.mat and "
                    "similar, or .npz")
    parser.add_option(section, "--checkpoint", default=checkpoint_choice.BEST, metavar="best|latest|DIR",
                      help="checkpoint of the run; best (default): best validation score (--best-by)")


def add_unlabelled(parser, section):
    """Flags about images that cannot be used."""
    parser.add_option(section, "--skip-bad", is_common=False, action="store_true",
                      help="leave out images and labels that cannot be used, and list them")
    parser.add_option(section, "--max-pixels", is_common=False, type=parsers.count, metavar="N",
                      help="refuse images with more pixels (default: the run's)")


def add_inference(parser):
    """Flags that change the prediction of an image."""
    section = parser.section("inference")
    option, rare = (functools.partial(parser.add_option, section, is_common=common) for common in (True, False))
    option("--size", type=parsers.parse_size, default=argparse.SUPPRESS, metavar="HxW", help="resize images to this "
           "size: 384, HEIGHTxWIDTH, or native (default: as in training; native for published weights)")
    option("--window", "--tile", type=parsers.parse_crop, metavar="HxW", help="predict in tiles of this size "
           "(multiples of 32), for images that do not fit into memory")
    option("--scales", type=parsers.parse_scales, default=(1.0,), metavar="S,S,...", help="average over these scales, "
           "such as 0.75,1,1.25 (default: 1)")
    option("--flip", action="store_true", help="average with the mirrored image")
    option("--threshold", type=parsers.parse_threshold, metavar="P|best", help="two classes: foreground from this "
           "probability, such as 0.4 (default: 0.5); best: highest F-score in the evaluation of the validation split")
    rare("--overlap", type=parsers.parse_overlap, default=OVERLAP, metavar="SHARE|exact", help="overlap of tiles "
         "(default: 0.5); exact: as much as --merge centre needs to equal the prediction of the whole image")
    rare("--merge", choices=("mean", "probability", "max", "centre"), default=MERGE, help="combine tiles, scales and "
         "mirror images by mean of logits (default), mean of probabilities, maximum, or the tile with the nearest "
         "centre")
    rare("--enlarge", choices=("labels", "scores"), default="labels", help="resize to the original size: predicted "
         "labels by nearest neighbour (default), or scores bilinearly")
    rare("--precision", choices=training_config.PRECISIONS, help="arithmetic of convolutions (default: the run's)")


def add_output(parser, default):
    """Flags of what is written. default: what --help says of --out."""
    section = parser.section("output")
    parser.add_option(section, "--out", metavar="DIR", help=f"folder of the results (default: {default})")
    parser.add_option(section, "--outputs", type=prediction_writer.parse_outputs,
                      metavar="NAMES", help=f"files per image, of {', '.join(prediction_writer.KINDS)}; all or none "
                      f"(default: {','.join(prediction_writer.USUAL)}; with videos "
                      f"{','.join(prediction_writer.USUAL_OF_VIDEOS)})")


def refuse_idle(arguments):
    """Refuse flags that would have no effect. Raises UsageError."""
    for is_so, idle, why in (
            (arguments.weights, {"checkpoint": checkpoint_choice.BEST}, "needs --run"),
            (arguments.run, OF_THE_DATA, "needs --weights: a run knows its data set"),
            (arguments.images, OF_THE_DATA | {"split": SPLIT, "data": None}, "is about labels; photos need none"),
            (arguments.weights and arguments.threshold == "best", {"threshold": None},
             "best needs --run, with an evaluation of its validation split"),
            (not arguments.window, {"overlap": OVERLAP}, "is the overlap of tiles: it needs --window")):
        given = [flag_of(name) for name, default in idle.items() if getattr(arguments, name) != default]
        if is_so and given:
            raise errors.UsageError(f"{', '.join(given)} {why}", fix=f"leave out {' and '.join(given)}.")
    if arguments.overlap != "exact" and arguments.overlap >= 1:
        share = min(round(arguments.overlap / min(arguments.window), 4), 0.9)
        raise errors.UsageError(f"--overlap {arguments.overlap:g}: expected a share of the window, or exact",
                                fix=f"give --overlap {share:g}: {share * min(arguments.window):.0f} of "
                                    f"{min(arguments.window)} px.")
    if arguments.overlap == "exact" and arguments.merge != "centre":
        raise errors.UsageError("--overlap exact needs --merge centre", fix="add --merge centre.")
    if arguments.merge != MERGE and not merges(arguments):
        raise errors.UsageError(f"--merge {arguments.merge}: there is nothing to merge",
                                fix="add --window, --scales or --flip, or leave out --merge.")
    if arguments.images and arguments.outputs == ():
        raise errors.UsageError("--outputs none with photos: nothing would be written", fix="leave out --outputs none.")


def flag_of(name):
    """'--max-pixels' of 'max_pixels'."""
    return "--images" if name == "image_pattern" else f"--{name.replace('_', '-')}"


def advised(error, arguments):
    """The DataError, with a fix that works for a run.

    A run reads labels as in its training, so flags of the data set, which `fcn train` has, are refused.
    """
    near = difflib.get_close_matches(arguments.split, SPLITS, 1)
    if near and arguments.split not in SPLITS and arguments.split in str(error.where):
        return errors.DataError(error.what, where=error.where, why=error.why, fix=f"did you mean --split {near[0]}?")
    named = [flag_of(name) for name in OF_THE_DATA if re.search(rf"{flag_of(name)}(?![\w-])", str(error))]
    if not arguments.run or not named:
        return error
    fix = f"{error.fix} " if error.fix else ""
    return errors.DataError(error.what, where=error.where, why=error.why, fix=f"{fix}With --run labels are read as "
                            f"in its training, without {', '.join(named)}: change the files, or train another run.")


def refuse_enlarging(arguments, settings):
    """Refuse --enlarge for images that are predicted at their own size. Raises UsageError."""
    if arguments.enlarge != "labels" and settings.size is None:
        raise errors.UsageError(f"--enlarge {arguments.enlarge}: images are predicted at their own size",
                                fix=f"leave out --enlarge {arguments.enlarge}, or give --size 384.")


def merges(arguments):
    """Whether scores of several tiles or scales are merged."""
    return bool(arguments.window or arguments.flip or len(arguments.scales) > 1)


def folder(arguments, evaluated):
    """RUN/eval/validation-680, with the options that were given: results of other options are kept."""
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
    words += [f"threshold-{arguments.threshold}"] if arguments.threshold else []
    words += [arguments.precision] if arguments.precision else []
    return evaluated.folder / "eval" / "-".join(words)


def same(one, other):
    """Whether two paths are the same file or folder."""
    return pathlib.Path(one).absolute().resolve() == pathlib.Path(other).absolute().resolve()
