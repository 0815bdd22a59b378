#!/usr/bin/env python3
"""Time and memory of a step by batch, pixels and classes, and of an evaluation by its number of images.

    python benchmarks/growth.py [--quick] [--share 1] [--rounds 3] [--json OUT]

Training with Adam and prediction with fcn8s_tutorial and random weights, in float32 and bfloat16. Starting from 1 image
of 224 x 224 and 151 classes, one of batch, pixels and classes changes at a time. Every case runs in its own process.
Evaluations run eval_fcn.py with an eighth of VGG-19's channels. Takes about 8 minutes; --quick skips the middle points,
uses an eighth of the channels everywhere and takes 4 minutes.
"""

import argparse
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring

from fcn.core import machine

BASE = {"batch": 1, "side": 224, "classes": 151}
POINTS = {"batch": (1, 4, 8), "side": (128, 224, 384), "classes": (2, 151, 255)}
JOBS, PRECISIONS = ("train", "predict"), ("float32", "bfloat16")
IMAGES = (25, 200)
EVALUATION_SHARE = 1 / 8


def cases(points):
    """Return [{"batch", "side", "classes"}, ...]: BASE with each axis varied over its points."""
    found = []
    for axis, values in points.items():
        for value in values:
            if (one := BASE | {axis: value}) not in found:
                found.append(one)
    return found


def along(rows, axis):
    """Return the rows in which all other axes have their value in BASE, sorted by this axis."""
    others = [name for name in BASE if name != axis]
    found = [row for row in rows if all(row[name] == BASE[name] for name in others)]
    return sorted(found, key=lambda row: row[axis])


def case(job, precision, batch, side, classes, share, rounds):
    """Return {"seconds": [...], "peak_bytes"} of a few steps in this process."""
    import contenders
    step = contenders.build("ours", job, batch, (side, side), classes, precision, measuring.widths(share))
    return {"seconds": measuring.timed(step, rounds), "peak_bytes": machine.peak_memory()}


def steps(points, share, rounds):
    """Return a row for every job, precision and case: the case, "seconds", "peak_bytes" and "failed"."""
    rows = []
    for job in JOBS:
        for precision in PRECISIONS:
            for one in cases(points):
                found = measuring.in_a_process(__file__, [job, precision, *one.values(), share, rounds])
                rows.append({"job": job, "precision": precision} | one | found)
                print(line(rows[-1]), flush=True)
    return rows


def line(row):
    what = f"{row['job']} {row['precision']} batch {row['batch']}, {row['side']} px, {row['classes']} classes"
    if row["failed"]:
        return f"{what}: failed: {row['failed']}"
    return f"{what}: {statistics.median(row['seconds']):.3f} s, peak {row['peak_bytes'] / 1e9:.2f} GB"


def evaluations(counts):
    """Return [{"images", "seconds", "peak_bytes", ...}] of evaluations with a narrow net. counts: numbers of scenes."""
    import evaluate_speed
    rows = []
    for count in counts:
        found = evaluate_speed.measured(None, "ade20k", None, EVALUATION_SHARE, count, steps=1)["evaluation"]
        rows.append({"images": count} | found)
        if not found["failed"]:
            print(f"evaluation of {count} images: {found['seconds']:.1f} s, peak {found['peak_bytes'] / 1e9:.2f} GB",
                  flush=True)
    return rows


def table(rows, axis):
    """Return a Markdown table along one axis: seconds and peak memory of every job and precision."""
    kinds = [(job, precision) for job in JOBS for precision in PRECISIONS]
    values = list(dict.fromkeys(row[axis] for row in along(rows, axis)))
    lines = [f"| {axis} | {' | '.join(f'{job} {precision}' for job, precision in kinds)} |",
             "|---" * (1 + len(kinds)) + "|"]
    for value in values:
        cells = []
        for job, precision in kinds:
            (row,) = (row for row in along(rows, axis)
                      if (row["job"], row["precision"], row[axis]) == (job, precision, value))
            cells.append("failed" if row["failed"] else
                         f"{statistics.median(row['seconds']):.3f} s, {row['peak_bytes'] / 1e9:.2f} GB")
        lines.append(f"| {value} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--share", type=float, default=1.0, help="share of VGG-19's channels")
    parser.add_argument("--rounds", type=int, default=3)
    given = measuring.parsed(parser, case)
    points = {axis: (values[0], values[-1]) for axis, values in POINTS.items()} if given.quick else POINTS
    share = min(given.share, 1 / 8) if given.quick else given.share
    rows = steps(points, share, given.rounds)
    for axis in BASE:
        print(f"\n{table(rows, axis)}")
    content = {"share": share, "steps": rows, "evaluations": evaluations(IMAGES[:1] if given.quick else IMAGES)}
    if given.json:
        measuring.write(given.json, content)


if __name__ == "__main__":
    main()
