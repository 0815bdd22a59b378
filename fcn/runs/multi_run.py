"""--multi-run N: the same training with N seeds, as runs RUN/1, RUN/2, ..., and the mean and deviation of their scores.

Run number n has the seed of the settings plus n - 1. A deviation is that of a sample, with N - 1 in the denominator.
"""

import argparse
import json
import math
import pathlib

import numpy as np

from fcn.config import selection
from fcn.core import atomic_io, errors, ownership, tables
from fcn.data import render
from fcn.runs import checkpoint_files, curves, run_log

SCORES = ("val_mean_iou", "val_pixel_accuracy", "val_loss")
TITLES = ("mean IoU", "pixel accuracy", "loss")
SUMMARY, CURVES = "multi_run.json", "curves.png"


def listed(arguments, folder, settings):
    """The arguments of each run, a list of Namespace. Raises UsageError if the folder holds other files.

    arguments: of fcn train. folder: RUN. settings: the Config of the first run.
    """
    folder = pathlib.Path(folder)
    if checkpoint_files.paths(folder / "checkpoints"):
        raise errors.UsageError("--multi-run: this folder holds a single run", where=folder,
                                fix="give another --run; its runs are then in the folders 1, 2, ...")
    ownership.check_free(folder / SUMMARY, is_ours=_is_summary)
    ownership.check_free(folder / CURVES, is_ours=lambda path: render.png_made_by(path, curves.RUN))
    data = {name: getattr(settings, name) for name in ("layout", "images", "labels")}  # detected once
    return [argparse.Namespace(**vars(arguments) | data | {"run": str(folder / str(number)),
                                                           "seed": settings.seed + number - 1})
            for number in range(1, arguments.multi_run + 1)]


def _is_summary(path):
    """Whether a file is one that write() has written."""
    try:
        return set(json.loads(path.read_bytes())) == {"runs", "mean", "deviation", "curves"}
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def summarise(runs, best_by=selection.DEFAULT):
    """{"runs", "mean", "deviation", "curves"} of the folders of runs, from their logs.

    Scores of a run are those of its best validation. best_by: a key of selection.SCORES. curves: {name: {"step",
    "mean", "deviation"}}, at the steps that all runs have. Unknown values are None.
    """
    logs = [run_log.read_entries(pathlib.Path(run) / "log.jsonl") for run in runs]
    rows = [{"run": pathlib.Path(run).name, **_best(entries, best_by)} for run, entries in zip(runs, logs, strict=True)]
    columns = {name: np.array([math.nan if row[name] is None else row[name] for row in rows]) for name in SCORES}
    return {"runs": rows, "mean": {name: _known(column.mean()) for name, column in columns.items()},
            "deviation": {name: _known(_deviation(column)) for name, column in columns.items()},
            "curves": {name: dict(zip(("step", "mean", "deviation"), map(np.ndarray.tolist, spread(logs, name)),
                                      strict=True)) for name in ("loss", *SCORES)}}


def _best(entries, best_by):
    """{"step", each of SCORES} of the validation with the best score; None without any."""
    key = f"val_{best_by}"
    found = [entry for entry in entries if not math.isnan(curves.number(entry.get(key)))]
    best: dict = max(found, key=lambda entry: selection.goodness(entry[key], best_by), default={})
    return {"step": best.get("step"), **{name: _known(curves.number(best.get(name))) for name in SCORES}}


def spread(logs, key):
    """(steps, means, deviations), arrays (n,), of a value at the steps that all logs have. logs: lists of entries."""
    found = [dict(zip(*curves.series(entries, key)[:2], strict=True)) for entries in logs]
    steps = sorted(set.intersection(*map(set, found)))
    values = np.array([[run[step] for step in steps] for run in found]).reshape(len(found), len(steps))
    return np.array(steps, np.int64), values.mean(axis=0), np.nan_to_num(_deviation(values))


def _deviation(values):
    """Standard deviation over the first axis; NaN for a single value."""
    return values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)


def _known(value):
    return None if math.isnan(value) else float(value)


def table(found, best_by=selection.DEFAULT):
    """The result of summarise() as text."""
    def cells(values):
        return ["-" if values[name] is None else f"{values[name]:.4f}" for name in SCORES]

    rows = [[row["run"], "-" if row["step"] is None else f"{row['step']:,}", *cells(row)] for row in found["runs"]]
    rows += [["mean", "", *cells(found["mean"])], ["deviation", "", *cells(found["deviation"])]]
    return "\n".join([f"validation with the best {selection.SCORES[best_by]} of each run, at network size:",
                      *tables.lines(["<run", ">step", *(f">{title}" for title in TITLES)], rows)])


def write(folder, runs, found):
    """Write multi_run.json and curves.png. found: of summarise(runs). Raises OSError."""
    logs = [run_log.read_entries(pathlib.Path(run) / "log.jsonl") for run in runs]
    atomic_io.write_json(pathlib.Path(folder) / SUMMARY, found)
    curves.draw_spread({key: spread(logs, key) for key in ("loss", *SCORES)}, len(runs),
                       pathlib.Path(folder) / CURVES)
