"""Confusion matrix -> what people read: a table, report.json, per_class.csv, confusion.npz."""

import csv
import io
import json
import pathlib

import numpy as np

from fcn import runlog, shelf
from fcn.metrics import iou

HEADLINES = (("pixel_accuracy", "pixel accuracy"), ("mean_accuracy", "mean accuracy"), ("mean_iou", "mean IoU"),
             ("frequency_weighted_iou", "frequency weighted IoU"))


def write(folder, confusion, spec, facts):
    """Write the three files into `folder` and return the content of report.json.

    confusion: int64 (C, C). facts: what else the report says (protocol, split, images, checkpoint_step, ...).
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    scores: dict[str, float] = {}
    for name in shelf.names("metrics"):
        scores |= shelf.pick("metrics", name).compute(confusion, spec.ignored_ids)
    classes = iou.per_class(confusion, spec.ignored_ids)
    rows = [{"id": i, "name": spec.class_names[i], "iou": _number(u), "accuracy": _number(a), "pixels": int(p)}
            for i, u, a, p in zip(*(classes[k] for k in ("ids", "iou", "accuracy", "pixels")), strict=True)]
    content = {**facts, **scores, "per_class": rows, "ignored_ids": list(spec.ignored_ids),
               "conventions": iou.CONVENTIONS}
    runlog.write_whole(folder / "report.json", json.dumps(content, indent=1))
    table_ = io.StringIO()
    writer = csv.DictWriter(table_, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    runlog.write_whole(folder / "per_class.csv", table_.getvalue())
    with (aside := folder / ".confusion.npz.tmp").open("wb") as file:
        np.savez_compressed(file, confusion=confusion, class_names=np.array(spec.class_names),
                            ignored_ids=np.array(spec.ignored_ids, np.int64))
    aside.replace(folder / "confusion.npz")
    return content


def _number(value):
    return None if np.isnan(value) else float(value)


def table(content):
    """The report as text: every class that occurs, most frequent first, then the four numbers."""
    total = max(sum(row["pixels"] for row in content["per_class"]), 1)
    width = max(len(row["name"]) for row in content["per_class"])
    lines = [f"{'id':>4}  {'class':<{width}}  {'share':>6}  {'IoU':>6}  {'acc':>6}"]
    for row in sorted(content["per_class"], key=lambda row: -row["pixels"]):
        if row["iou"] is not None:
            lines.append(f"{row['id']:>4}  {row['name']:<{width}}  {row['pixels'] / total:>6.1%}  {_cell(row['iou'])}  "
                         f"{_cell(row['accuracy'])}")
    absent = [row["name"] for row in content["per_class"] if row["iou"] is None]
    if absent:
        lines.append(f"      {len(absent)} of {len(content['per_class'])} classes occur neither in labels nor in "
                     f"predictions and count 0; mean IoU of the others is {content['mean_iou_present']:.4f}")
    lines += ["", f"{content['split']}, {content['images']} images, {content['protocol']}"]
    lines += [f"  {name:<24}{content[key]:.4f}" for key, name in HEADLINES]
    return "\n".join(lines)


def _cell(value):
    return "     -" if value is None else f"{value:>6.3f}"
