"""Plots for results.png of a machine: images/s of every contender, and growth of a step."""

import statistics

import duel_table
import goals
import growth
import measuring  # noqa: F401  (adds the repository to sys.path)

from fcn.runs import curves

COLOURS = {"ours": "#0072B2", "tutorial": "#999999", "pytorch": "#D55E00", "keras3": "#009E73"}
DUELS = (("train", 1), ("train", 2), ("train", 4), ("predict", 1), ("predict", 2), ("predict", 4))
STYLES = {"float32": "-", "bfloat16": "--"}


def draw(results, path):
    """Write the plots. Missing measurements are left out."""
    from matplotlib.figure import Figure
    duels = [duel for duel in DUELS if goals.contenders(results, *duel)]
    steps = results.get("growth", {}).get("steps", [])
    rows_of_duels = [row for job in growth.JOBS if (row := [duel for duel in duels if duel[0] == job])]
    rows = len(rows_of_duels) + bool(steps)
    if not rows:
        return
    figure = Figure(figsize=(17, 5.5 * rows), layout="constrained")
    parts = list(figure.subfigures(rows, 1, squeeze=False)[:, 0])
    for row in rows_of_duels:
        for axes, (job, batch) in zip(row_of(parts.pop(0), len(row)), row, strict=True):
            bars(axes, results[f"{job}-{batch}"], goals.contenders(results, job, batch))
            axes.set_title(f"{job}, batch {batch}")
    if steps:
        for axes, (axis, what) in zip(row_of(parts.pop(0), 4), (*((axis, "seconds") for axis in growth.BASE),
                                                               ("batch", "memory")), strict=True):
            growth_lines(axes, [row for row in steps if not row["failed"]], axis, what)
    curves.write_figure(figure, path, dpi=90)


def row_of(part, count):
    return part.subplots(1, count, squeeze=False)[0]


def bars(axes, duel, found):
    """Plot images/s of each contender as a bar, with a line from the slowest to the fastest round."""
    found = sorted(found, key=lambda one: one["seconds"])
    for row, one in enumerate(found):
        speeds = [duel["batch"] / seconds for seconds in duel_table.seconds(duel, one["name"]) if seconds]
        axes.barh(row, one["images_per_second"], color=COLOURS.get(one["name"].split(":")[0], "#CC79A7"))
        axes.plot([min(speeds), max(speeds)], [row, row], color="black", linewidth=1)
        axes.text(0, row - 0.3, f" {one['images_per_second']:.3g}", fontsize=7, color="white", va="center")
    axes.set_yticks(range(len(found)), [one["name"] for one in found], fontsize=7)
    axes.set_xlim(left=0)
    axes.set_xlabel("images/s")


def growth_lines(axes, rows, axis, what):
    """Plot seconds or peak memory of a step along one axis of growth.py."""
    for job, colour in zip(growth.JOBS, ("#0072B2", "#D55E00"), strict=True):
        for precision, style in STYLES.items():
            line = [row for row in growth.along(rows, axis) if (row["job"], row["precision"]) == (job, precision)]
            values = [statistics.median(row["seconds"]) if what == "seconds" else row["peak_bytes"] / goals.GB
                      for row in line]
            axes.plot([row[axis] for row in line], values, style, marker=".", color=colour, label=f"{job} {precision}")
    axes.set(title=f"{what} of a step by {axis}", xlabel="px of a side" if axis == "side" else axis,
             ylabel="s" if what == "seconds" else "GB", xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
