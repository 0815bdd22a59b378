"""Train a recipe, evaluate it, and compare its scores with the published ones.

    fcn reproduce nyud_fcn32s --data NYUDV2
    fcn reproduce nyud_fcn32s --data NYUDV2 --split validation

All other options are those of fcn train, and change the recipe. The same command resumes an interrupted training. Exit
code 1: a score is lower than the published one by more than its 95 % confidence interval over the images.
"""

import json
import os
import pathlib

from fcn.cli import evaluate, evaluate_flags, train
from fcn.config import command_line, reproduction
from fcn.core import atomic_io, errors, ownership, registry, tables
from fcn.data.layouts import _auto
from fcn.evaluation import result_folder, results
from fcn.runs import stages

LOWER = 1  # exit code
OUT = "reproduction"  # folder of the evaluation, in the run; with .json, the comparison
VALIDATION = ("validation", "val", "valid")
OTHER_USES = ("dry_run", "sanity", "show_batch", "print_config", "diff", "multi_run", "demo")  # of fcn train
VERDICTS = {True: "lower", False: "reproduced", None: ""}


def main(argv):
    """Train, evaluate and compare. Returns 0, or 1 if a score is lower than published by more than its interval."""
    arguments, flags = parse(argv)
    target = reproduction.read(arguments.recipe)
    split = arguments.split or target.split
    words = ["--split", split, "--checkpoint", target.checkpoint, *target.evaluation]
    evaluate_flags.parse(["--run", arguments.run, *words], "")  # what it would refuse after hours of training
    whole = training(target, split, arguments, flags)
    check_flags(whole, target)
    last = stages.listed(whole)[-1] if whole.stages else whole
    check_split(last, split, target)
    folder = pathlib.Path(last.run) / OUT
    result_folder.ResultFolder(folder, result_folder.EVALUATION).check()
    ownership.check_free(folder.with_suffix(".json"), "--run", is_comparison)
    (train.train_stages if whole.stages else train.train_one)(whole)
    evaluate.main(["--run", last.run, *words, "--out", str(folder)])
    content = results.read_report(folder)
    rows = compared(target, content, split == target.split)
    print("\n".join(["", *lines(target, split, content["images"], rows)]))
    atomic_io.write_json(folder.with_suffix(".json"), {
        "recipe": target.recipe, "source": target.source, "published_split": target.split, "split": split,
        "images": content["images"], "protocol": target.protocol, "scores": rows})
    return LOWER if any(row["lower"] for row in rows) else 0


def parse(argv):
    """(arguments of this command, the other ones, for fcn train). Raises UsageError."""
    known = reproduction.names()
    parser = command_line.Parser(argv, prog="fcn reproduce", description=__doc__.split("\n\n")[0],
                                 epilog=__doc__.split("\n\n")[2])
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe with published scores: " + ", ".join(known))
    parser.add_argument("--data", required=True, metavar="DIR", help="folder of the data set, which the first lines of "
                        "the recipe describe (in fcn/config/recipes)")
    parser.add_argument("--run", metavar="DIR", help="folder of the run (default: runs/RECIPE)")
    parser.add_argument("--split", metavar="NAME", help="split to score (default: that of the published scores)")
    arguments, flags = parser.parse_known_args(argv)
    registry.path("recipes", arguments.recipe)
    if registry.folders():
        flags += ["--plugins", os.pathsep.join(registry.folders())]
    arguments.run = arguments.run or f"runs/{arguments.recipe}"
    return arguments, flags


def training(target, split, arguments, flags):
    """The arguments of fcn train, a Namespace; the last stage, if there are several, is the recipe itself."""
    if split in VALIDATION:
        flags = ["--train-split", "train", *flags]
    what = ["--stages", ",".join([*target.stages, target.recipe])] if target.stages else ["--recipe", target.recipe]
    return train.parse([*what, "--data", arguments.data, "--run", arguments.run, *flags])


def check_flags(arguments, target):
    """Raise UsageError for options of fcn train with which nothing would be trained, or several runs."""
    given = [name for name in OTHER_USES if getattr(arguments, name)]
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        raise errors.UsageError(f"{flag} cannot be used with fcn reproduce",
                                fix=f"leave it out, or give it to fcn train --recipe {target.recipe}.")


def check_split(arguments, split, target):
    """Raise DataError if the data set has no such split, before hours of training."""
    settings, _ = train.resolve(arguments)
    try:
        has_pairs = bool(_auto.of(settings).listing(settings.data, split).pairs)
        what, where, why = f"the split {split} has no pairs", settings.data, None
    except errors.DataError as error:
        if not pathlib.Path(settings.data).is_dir():
            raise
        has_pairs, what, where, why = False, error.what, error.where, error.why
    if not has_pairs:
        raise errors.DataError(what, where=where, why=why, fix=f"add the split {split}" + (
            "." if split in VALIDATION else "; or give --split validation, to train without the validation images and "
            f"score them. The published scores are of the split {target.split}."))


def is_comparison(path):
    """Whether a file is one that main() has written."""
    try:
        return {"recipe", "published_split", "scores"} <= json.loads(path.read_bytes()).keys()
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def compared(target, content, comparable):
    """A dict for each published score: score, published, here, interval, difference, lower.

    content: of report.json. lower: whether the whole interval is below the published score, None for scores that are
    not comparable, of another split. Raises UsageError if the evaluation lacks the protocol.
    """
    if target.protocol not in content["protocols"]:
        raise errors.UsageError(f"the evaluation has no scores of the protocol {target.protocol}", fix="it needs "
                                "predictions at network size: train with one --size, and evaluate without --window.")
    entry = content["protocols"][target.protocol]
    rows = []
    for name, published in target.published.items():
        here, interval = entry["scores"][name], entry["intervals"][name]
        rows.append({"score": name, "published": published, "here": here, "interval": interval,
                     "difference": here - published,
                     "lower": published > (interval[1] if interval else here) if comparable else None})
    return rows


def lines(target, split, images, rows):
    """The comparison as text."""
    cells = []
    for row in rows:
        low, high = row["interval"] or (row["here"], row["here"])
        cells.append([reproduction.SCORES[row["score"]], f"{row['published']:.3f}", f"{row['here']:.3f} [{low:.3f}, "
                      f"{high:.3f}]", f"{row['difference']:+.3f} [{low - row['published']:+.3f}, "
                      f"{high - row['published']:+.3f}]", VERDICTS[row["lower"]]])
    lower = [reproduction.SCORES[row["score"]] for row in rows if row["lower"]]
    verdict = f"The published scores are of the split {target.split}, those here of {split}: they are not comparable." \
        if split != target.split else f"lower than published by more than the interval: {', '.join(lower)}" if lower \
        else "No score is lower than published by more than its interval."
    return [f"{target.recipe}, {images} images of the split {split}, protocol {target.protocol}",
            *tables.lines(["<", ">published", "<here", "<difference", "<"], cells), f"published: {target.source}",
            "[...]: 95 % confidence intervals over the images; another training would differ, too.", verdict]
