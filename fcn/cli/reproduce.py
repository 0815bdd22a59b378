"""Train a recipe, evaluate it, and compare its scores with the published ones.

    fcn reproduce nyud_fcn32s --data NYUDV2
    fcn reproduce nyud_fcn32s --data NYUDV2 --split validation

All other options are those of fcn train, and change the recipe. The same command resumes an interrupted training. Exit
code 1: a score is lower than the published one by more than its 95 % confidence interval over the images.
"""

import difflib
import json
import os
import pathlib

from fcn.cli import evaluate, evaluate_flags, train
from fcn.config import command_line, reproduction
from fcn.core import atomic_io, errors, ownership, registry, tables
from fcn.data import dataset
from fcn.data.layouts import _auto
from fcn.distributed import joining
from fcn.evaluation import result_folder, results, stored
from fcn.evaluation.inference_config import InferenceConfig
from fcn.metrics import protocols, thresholds
from fcn.runs import stages

LOWER = 1  # exit code
OUT = stored.REPRODUCTION  # folder of the evaluation, in the run; with .json, the comparison
VALIDATION = ("validation", "val", "valid")  # names of one split
OTHER_USES = ("dry_run", "sanity", "show_batch", "print_config", "diff", "multi_run", "demo")  # of fcn train
VERDICTS = {True: "lower", False: "not lower", None: ""}


def main(argv):
    """Train, evaluate and compare. Returns 0, or 1 if a score is lower than published by more than its interval."""
    arguments, flags = parse(argv)
    joining.refuse("fcn reproduce")
    target = reproduction.read(arguments.recipe)
    split = arguments.split or target.split
    split = VALIDATION[0] if split in VALIDATION else split
    whole = training(target, split, arguments, flags)
    check_flags(whole, target)
    last = stages.listed(whole)[-1] if whole.stages else whole
    settings, _ = train.resolve(last)
    words = ["--split", split, "--checkpoint", target.checkpoint, "--data", settings.data,
             *(["--skip-bad"] if settings.skip_bad else []), "--max-pixels", str(settings.max_pixels)]
    check_split(settings, split, target)
    check_evaluation(target, settings)
    folder = pathlib.Path(last.run) / OUT
    check_place(folder)
    (train.train_stages if whole.stages else train.train_one)(whole)
    evaluate.main(["--run", last.run, *words, *target.evaluation, *plugins(), "--out", str(folder)])
    content = results.read_report(folder)
    rows = compared(target, content, split == target.split)
    print("\n".join(["", *lines(target, split, content["images"], rows)]))
    atomic_io.write_json(folder.with_suffix(".json"), {
        "recipe": target.recipe, "source": target.source, "published_split": target.split, "split": split,
        "images": content["images"], "protocol": target.protocol, "scores": rows})
    return LOWER if any(row["lower"] for row in rows) else 0


def parse(argv):
    """(arguments of this command, the other ones, for fcn train). Raises UsageError."""
    parser = command_line.Parser(argv, prog="fcn reproduce", description=__doc__.split("\n\n")[0],
                                 epilog=__doc__.split("\n\n")[2])
    known = ", ".join(reproduction.names())  # with those of --plugins
    parser.add_argument("recipe", metavar="RECIPE", help=f"a recipe with published scores: {known}")
    parser.add_argument("--data", required=True, metavar="DIR", help="folder of the data set, which the first lines of "
                        "the recipe describe (in fcn/config/recipes)")
    parser.add_argument("--run", metavar="DIR", help="folder of the run (default: runs/RECIPE)")
    parser.add_argument("--split", metavar="NAME", help="split to score (default: that of the published scores)")
    arguments, flags = parser.parse_known_args(argv)
    registry.path("recipes", arguments.recipe)
    flags += plugins()
    arguments.run = arguments.run or f"runs/{arguments.recipe}"
    return arguments, flags


def plugins():
    """The option --plugins with the folders in use: every parser of options replaces them by its own."""
    return ["--plugins", os.pathsep.join(registry.folders())] if registry.folders() else []


def training(target, split, arguments, flags):
    """The arguments of fcn train, a Namespace; the last stage, if there are several, is the recipe itself."""
    if split in VALIDATION:
        flags = ["--train-split", "train", *flags]
    return train.parse([*trained(target), "--data", arguments.data, "--run", arguments.run, *flags])


def trained(target):
    """The option of fcn train for what is trained, and its value."""
    return ["--stages", ",".join([*target.stages, target.recipe])] if target.stages else ["--recipe", target.recipe]


def check_flags(arguments, target):
    """Raise UsageError for options of fcn train with which nothing, several runs or another recipe would be trained."""
    flag, value = trained(target)
    wanted = {"recipe": None, "stages": None} | {flag.removeprefix("--"): value}
    given = [name for name in OTHER_USES if getattr(arguments, name)]
    given += [name for name, value in wanted.items() if getattr(arguments, name) != value]
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        raise errors.UsageError(f"{flag} cannot be used with fcn reproduce",
                                fix=f"leave it out, or give it to fcn train --recipe {target.recipe}.")


def check_evaluation(target, settings):
    """Raise UsageError for options and protocol of the recipe that the evaluation would refuse after the training."""
    where = registry.path("recipes", target.recipe)
    try:
        given = evaluate_flags.parse(["--run", "RUN", *target.evaluation, *plugins()], "")
        evaluate_flags.refuse_enlarging(given, settings)
        overlap = InferenceConfig.overlap if given.overlap == "exact" else given.overlap
        InferenceConfig(settings.size, given.window, overlap, given.merge, given.scales, given.flip, given.enlarge)
        spec = dataset.spec_of(settings)
        if spec.class_names:
            thresholds.check(given.threshold, spec.num_classes, spec.ignored_ids)
    except errors.UsageError as error:
        raise errors.UsageError(error.what, where=where, why=error.why, fix="in the key evaluation of its "
                                f"table [reproduction]: {error.fix}") from error
    needed = protocols.kind(registry.load_all("protocols")[target.protocol])
    if needed == "network" and (settings.size is None or given.window):
        raise errors.UsageError(f"the protocol {target.protocol} scores predictions at network size, which images of "
                                "their own size and windows do not have", where=where,
                                fix="set a size, and leave --window out of the key evaluation.")


def check_split(settings, split, target):
    """Raise DataError if the data set has no such split, or has damaged files there, before hours of training."""
    try:
        has_pairs = bool(_auto.of(settings).listing(settings.data, split).pairs)
        what, where, why = f"the split {split} has no pairs", settings.data, None
    except errors.DataError as error:
        if not pathlib.Path(settings.data).is_dir():
            raise
        has_pairs, what, where, why = False, error.what, error.where, error.why
    if not has_pairs:
        near = difflib.get_close_matches(split, [*dataset.SPLITS, "test"], 1)
        raise errors.DataError(what, where=where, why=why, fix=f"did you mean --split {near[0]}?"
                               if near and near[0] != split else f"add the split {split}" + (
            "." if split in VALIDATION else "; or give --split validation, to train without the validation images and "
            f"score them. The published scores are of the split {target.split}."))
    spec = dataset.spec_of(settings)
    good, _ = dataset.to_evaluate(settings, spec, split)
    if split not in dataset.SPLITS:  # those are read for their caches
        dataset.check_pixels(good, spec, split, settings)


def check_place(folder):
    """Raise UsageError if the evaluation or the comparison must not be written, because files of others are there."""
    try:
        result_folder.ResultFolder(folder, result_folder.EVALUATION).check()
        ownership.check_free(folder.with_suffix(".json"), is_ours=is_comparison)
    except errors.UsageError as error:
        raise errors.UsageError(error.what, where=error.where, why=error.why,
                                fix="move it away, or give another --run.") from error


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
        raise errors.UsageError(f"the evaluation has no scores of the protocol {target.protocol}, but of "
                                f"{', '.join(content['protocols'])}", where=registry.path("recipes", target.recipe),
                                fix="write one of these as protocol in its table [reproduction].")
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
            *tables.lines(["<", ">published", "<here", "<difference", "<"], cells),
            f"published: {target.source or 'the recipe names no source'}",
            "[...]: 95 % confidence intervals over the images; another training would differ, too.", verdict]
