"""Read what can be compared from run folders. Damaged or missing parts are unknown (None)."""

import dataclasses
import json
import pathlib

import numpy as np

from fcn.core import errors
from fcn.runs import checkpoint_files, curves, record, run_log

# Names of the facts of a run, in the order of the CSV file.
NAMES = ("steps_done", "steps_planned", "best_mean_iou", "best_step", "validation_loss", "validation_loss_se",
         "training_loss", "training_loss_se", "images_per_s", "starts", "commit", "evaluated_mean_iou",
         "evaluated_split", "evaluated_step", "evaluated_protocol", "best_f_score", "training_accuracy",
         "validation_accuracy", "evaluated_f_score")
DAMAGED = (OSError, ValueError, RecursionError)  # raised for damaged files


@dataclasses.dataclass(frozen=True)
class Run:
    """A run. content: of config.json. entries: of log.jsonl. facts: {each of NAMES: value, None if unknown}."""

    name: str
    folder: pathlib.Path
    content: dict
    entries: list
    facts: dict


def find(paths):
    """(list of Run, lines on skipped paths). A folder of stages is replaced by the runs in it."""
    found: dict = {}
    skipped, runs = [], []
    for path in map(pathlib.Path, paths):
        stages = sorted(_inside(path, "[0-9]*-*/config.json"), key=lambda file: _number_of(file.parent.name))
        inside = {path: path.resolve().name} if _inside(path, "config.json") else {
            file.parent: f"{path.resolve().name}/{file.parent.name}" for file in stages}
        if not inside:
            skipped.append(f"{path}: not a run folder, it has no config.json")
        for folder, name in inside.items():
            found.setdefault(folder.resolve(), (folder, name))
    names = [name for _, name in found.values()]
    for folder, name in found.values():
        try:
            runs.append(read_log(folder, name if names.count(name) == 1 else str(folder)))
        except errors.UsageError as error:
            why = f": {error.why}" if isinstance(error.why, str) else ""
            skipped.append(f"{folder}: {error.what}{why}")
    return runs, skipped


def read_log(folder, name):
    """The Run in a folder. Raises UsageError if its config.json cannot be used."""
    content = record.read_record(folder)
    entries, speed = _log(folder / "log.jsonl"), _log(folder / "speed.jsonl")
    return Run(name, folder, content, entries, facts(folder, content, entries, speed))


def facts(folder, content, entries, speed):
    """{each of NAMES: value, None if unknown}. entries: of log.jsonl. speed: entries of speed.jsonl."""
    known: dict = dict.fromkeys(NAMES)
    steps = [*curves.series(entries, "step")[0], *(state["step"] for _, state in _checkpoints(folder))]
    known["steps_done"] = int(max(steps, default=0))
    planned = curves.number(dig(content, "steps"))
    known["steps_planned"] = int(planned) if planned == planned else None
    scores, losses = curves.series(entries, "val_mean_iou"), curves.series(entries, "val_loss")
    if len(scores[0]):
        best = scores[1].argmax()
        known |= {"best_mean_iou": float(scores[1][best]), "best_step": int(scores[0][best])}
    for name, key in (("training_accuracy", "accuracy"), ("validation_accuracy", "val_pixel_accuracy")):
        values = curves.series(entries, key)[1]
        known[name] = float(values[-1]) if len(values) else None
    f_scores = curves.series(entries, "val_f_score")[1]
    known["best_f_score"] = float(f_scores.max()) if len(f_scores) else None
    for name, found in (("validation_loss", losses), ("training_loss", curves.series(entries, "loss"))):
        if len(found[0]):
            known |= {name: float(found[1][-1]), f"{name}_se": float(found[2][-1]) or None}
    speeds = curves.series(entries + speed, "images_per_s")[1]  # older runs have it in log.jsonl
    known["images_per_s"] = float(np.median(speeds)) if len(speeds) else None
    starts = dig(content, "starts")
    known["starts"] = sum(entry.get("event") == "start" for entry in speed) or (
        len(starts) if isinstance(starts, list) else None)
    commit = dig(starts, -1, "commit")
    known["commit"] = commit if isinstance(commit, str) else None
    return known | _evaluated(folder)


def dig(content, *keys):
    """content[keys[0]][keys[1]]...; None if it does not exist."""
    for key in keys:
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            return None
    return content


def _evaluated(folder):
    """Facts of the newest evaluation; {} without one."""
    newest: tuple = ("", {})
    for path in _inside(folder, "eval/[!.]*/report.json"):
        try:
            content = json.loads(path.read_bytes())
        except DAMAGED:
            continue
        score, step = curves.number(dig(content, "mean_iou")), curves.number(dig(content, "checkpoint_step"))
        if score != score:
            continue
        time = str(dig(content, "time") or "")
        if time >= newest[0]:
            newest = (time, {"evaluated_mean_iou": score, "evaluated_step": int(step) if step == step else None,
                             "evaluated_split": str(dig(content, "split") or "") or None,
                             "evaluated_protocol": _how(content), "evaluated_f_score": _f_score(content)})
    return newest[1]


def _f_score(content):
    """Mean F-score of a report; None for an older one."""
    score = curves.number(dig(content, "protocols", "benchmark", "scores", "mean_f_score"))
    return score if score == score else None


def _how(content):
    """Protocol and inference of a report; older reports have both in one text."""
    texts = [str(dig(content, key)) for key in ("protocol", "inference") if dig(content, key)]
    return ": ".join(texts) or None


def _log(path):
    try:
        return [entry for entry in run_log.read_entries(path) if isinstance(entry, dict)]
    except DAMAGED:
        return []


def _checkpoints(folder):
    try:
        return checkpoint_files.listed(folder / "checkpoints")
    except DAMAGED:
        return []


def _inside(folder, pattern):
    """Sorted paths that match a pattern; [] for a folder that cannot be listed."""
    try:
        return sorted(folder.glob(pattern))
    except DAMAGED:
        return []


def _number_of(name):
    """12 of the stage "12-long2015_fcn8s"."""
    digits = name.split("-")[0]
    return int(digits) if digits.isdecimal() else 0
