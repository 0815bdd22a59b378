#!/usr/bin/env python3
"""Evaluate a net: a split -> numbers by named protocols, report.html and pictures; or photos -> predictions.

    python eval_fcn.py --run runs/NAME
    python eval_fcn.py --run runs/NAME --window 512 --scales 0.75,1,1.25 --flip
    python eval_fcn.py --run runs/NAME --images DIR_OR_FILE --out DIR
    python eval_fcn.py --weights pascal-fcn8s-dag.mat --images DIR_OR_FILE      a published net, as it is

docs/evaluation.md says what each protocol and option is.
"""

import dataclasses
import pathlib
import sys

from fcn import config, dataset, durable, errors, machine, outputs, parsers, record, results, shelf, sources, subject
from fcn.gallery import Gallery
from fcn.plan import Plan
from fcn.spec import NATIVE


def main(argv):
    arguments = parse(argv)
    refuse_idle_flags(arguments)
    of = choose(arguments)
    plan = Plan(None if of.settings.size == NATIVE else of.settings.size, arguments.window,
                0.5 if arguments.overlap == "exact" else arguments.overlap, arguments.merge, arguments.scales,
                arguments.flip, arguments.enlarge)
    if arguments.images:
        found, left_out = sources.of_photos(arguments.images), []
    else:
        good, left_out = dataset.to_evaluate(of.settings, of.spec, arguments.split, of.run)
        found = sources.of_pairs(good)
    out = pathlib.Path(arguments.out or ("predictions" if arguments.images else default_folder(arguments, of)))
    if out.exists() and not out.is_dir():
        raise errors.UsageError("is no folder", where=out, cure="give another --out.")
    writes = outputs.Outputs(out, of.spec, arguments.outputs)
    gallery = Gallery(of.spec)

    from fcn import scoring  # TensorFlow

    if arguments.overlap == "exact":
        plan = dataclasses.replace(plan, overlap=scoring.exact_overlap(of))
    scored = scoring.over(found, of, plan, writes, gallery)
    left_out += scored.left_out
    for problem in left_out:
        print(f"left out: {problem}")
    print(speed(scored))
    if arguments.images:
        print(f"{scored.images} predictions are in {out}: {', '.join(arguments.outputs)}")
        return
    content = results.write(out, scored.original, scored.network, of.spec,
                            facts(arguments, of, plan, scored, left_out))
    gallery.write(out)
    show(content, out, of, arguments)


def show(content, out, of, arguments):
    """The page, the table, and where everything is."""
    from fcn import page

    page.write(out, of.run)
    print(results.table(content))
    print(f"everything is in {out}: report.html, report.json, per_class.csv, confusion.npz"
          + "".join(f", {kind}/" for kind in arguments.outputs if kind != outputs.ZIP)
          + (", predictions.zip" if outputs.ZIP in arguments.outputs else ""))


def speed(scored):
    memory, seconds = machine.peak_memory(), max(scored.seconds, 1e-9)
    return (f"{scored.images} images in {seconds:.0f} s, {scored.images / seconds:.2f} a second; "
            f"the net waited for reading and writing {scored.waited / seconds:.1%} of it"
            + (f"; peak memory {durable.amount(memory)}" if memory else ""))


def facts(arguments, of, plan, scored, left_out):
    """What report.json says besides the numbers."""
    return {"name": of.name, "inference": plan.describe(), "split": arguments.split, "images": scored.images,
            "left_out": [str(problem) for problem in left_out], "checkpoint_step": of.step,
            "weights": str(arguments.weights or of.checkpoint), "precision": of.settings.precision,
            "layout": of.settings.layout, "net": of.model["net"], "training": list(of.starts),
            "settings": dataclasses.asdict(of.settings), "peak_memory_bytes": machine.peak_memory(),
            "seconds": scored.seconds, **record.provenance()}


def choose(arguments):
    """The Subject that the flags name, with the settings that they change."""
    if arguments.weights:
        def asked():
            if not arguments.data:
                raise errors.UsageError("no data set is given", cure="give --layout and --data FOLDER, or --images "
                                                                     "PHOTOS.")
            return subject.classes_of(arguments.data, arguments.layout, arguments.classes, arguments.ignore_label,
                                      arguments.label_encoding, arguments.mask_threshold)
        of = subject.of_file(arguments.weights, None if arguments.images else asked)
    else:
        of = subject.of_run(arguments.run, arguments.checkpoint)
    changed = {key: value for key, value in vars(arguments).items()
               if key in ("data", "size", "precision", "skip_bad", "max_pixels") and value}
    return dataclasses.replace(of, settings=dataclasses.replace(of.settings, **changed))


def default_folder(arguments, of):
    """RUN/eval/validation-680, with what was asked for besides: results of other options do not replace each other."""
    words = [arguments.split, *([str(of.step)] if of.step is not None else [])]
    if arguments.size:
        words.append("native" if arguments.size == NATIVE else "x".join(map(str, arguments.size)))
    if arguments.window:
        words.append(f"window{'x'.join(map(str, arguments.window))}-{arguments.overlap}")
    if arguments.scales != (1.0,):
        words.append("scales" + ",".join(f"{scale:g}" for scale in arguments.scales))
    words += ["flip"] * arguments.flip
    if arguments.merge != DEFAULT_MERGE and (arguments.window or arguments.flip or len(arguments.scales) > 1):
        words.append(arguments.merge)
    words += [f"enlarge-{arguments.enlarge}"] * (arguments.enlarge != "labels")
    words += [arguments.precision] if arguments.precision else []
    return of.folder / "eval" / "-".join(words)


def refuse_idle_flags(arguments):
    """A flag that would change nothing is a misunderstanding. Raises UsageError."""
    idle = {"checkpoint": "best"} if arguments.weights else {
        "layout": "auto", "classes": "", "ignore_label": None, "label_encoding": None, "mask_threshold": None}
    given = [f"--{name.replace('_', '-')}" for name, default in idle.items() if getattr(arguments, name) != default]
    if given:
        raise errors.UsageError(f"{', '.join(given)} goes with {'--run' if arguments.weights else '--weights'} only")
    if not arguments.window and arguments.overlap != DEFAULT_OVERLAP:
        raise errors.UsageError("--overlap is that of windows", cure="give --window, too.")
    if arguments.merge != DEFAULT_MERGE and not (arguments.window or arguments.flip or len(arguments.scales) > 1):
        raise errors.UsageError(f"--merge {arguments.merge}: there is nothing to merge",
                                cure="give --window, --scales or --flip, too.")


DEFAULT_MERGE, DEFAULT_OVERLAP = "mean", 0.5


def parse(argv):
    parser = config.Parser(description=__doc__.split("\n\n")[0], prog="eval_fcn.py")
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument("--run", help="folder of a run, or of one checkpoint in it")
    of.add_argument("--weights", help="a whole FCN in a file: MatConvNet's pascal-fcn8s-dag.mat and its like, or .npz")
    parser.add_argument("--checkpoint", default="best", metavar="best|latest|PATH",
                        help="best: the highest validation mean IoU (default)")
    what = parser.add_argument_group("what is looked at")
    what.add_argument("--split", default="validation", help="default: validation")
    what.add_argument("--data", help="folder of the data set, if it is not where the run found it")
    what.add_argument("--images", help="predict this photo or folder of photos, which need no labels")
    what.add_argument("--skip-bad", action="store_true", help="go on without images and labels that cannot be used")
    what.add_argument("--max-pixels", type=parsers.count, help="refuse larger images (default: the run's)")
    how = parser.add_argument_group("how the net looks at an image")
    how.add_argument("--size", type=parsers.parse_size,
                     help="size the net sees, or native (default: the run's; with --weights native)")
    how.add_argument("--window", type=parsers.parse_crop, help="look through windows of this many pixels, such as 512 "
                     "(multiples of 32): for images that do not fit into memory as a whole")
    how.add_argument("--overlap", type=parsers.parse_overlap, default=DEFAULT_OVERLAP, metavar="SHARE|exact",
                     help="of neighbouring windows (default: 0.5); exact: so much that --merge centre gives what the "
                     "whole image would")
    how.add_argument("--merge", choices=("mean", "probability", "max", "centre"), default=DEFAULT_MERGE,
                     help="where windows, scales and mirror images overlap: mean of logits (default), mean of "
                     "probabilities, maximum activation, or the window whose middle is nearest")
    how.add_argument("--scales", type=parsers.parse_scales, default=(1.0,), help="such as 0.75,1,1.25 (default: 1)")
    how.add_argument("--flip", action="store_true", help="look at the mirror image, too")
    how.add_argument("--enlarge", choices=("labels", "scores"), default="labels", help="to the original size: the "
                     "prediction by nearest neighbour, as the benchmark's own code does (default), or the scores "
                     "bilinearly")
    how.add_argument("--precision", choices=("float32", "bfloat16"), help="default: the run's")
    to = parser.add_argument_group("what is written")
    to.add_argument("--out", help="folder of results (default: RUN/eval/SPLIT-STEP and the options, or predictions)")
    to.add_argument("--outputs", type=outputs.parse, default=outputs.USUAL, metavar="WORDS",
                    help=f"for every image, of {', '.join(outputs.KINDS)}; all, none (default: "
                    f"{','.join(outputs.USUAL)})")
    of_file = parser.add_argument_group("the data set, with --weights")
    of_file.add_argument("--layout", default="auto", choices=["auto", *shelf.names("layouts")],
                         help="how its folders are laid out (default: auto, as they look)")
    of_file.add_argument("--classes", default="", help="file with the class names (docs/data.md)")
    of_file.add_argument("--label-encoding", choices=shelf.names("encodings"),
                         help="how label files hold their ids (default: as the layout has it)")
    of_file.add_argument("--mask-threshold", type=parsers.between(0, 254),
                         help="binary masks: values above it are foreground (default: 127)")
    of_file.add_argument("--ignore-label", type=parsers.parse_ids, help="label ids left out, e.g. 255")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(errors.run(main, sys.argv[1:]))
