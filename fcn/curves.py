"""log.jsonl's entries -> curves.png: the loss of training and validation with their spread, and the scores."""

import pathlib

import numpy as np


def draw(entries, path, floor=None):
    """Write the picture. entries: dicts of runlog.read; floor: (uniform, prior, constant) of expect.floor, as lines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second: only when something is drawn
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    step, loss, error = _columns(entries, "loss")
    left.plot(step, loss, label="training (mean of several batches)", color="tab:blue", linewidth=1.2)
    left.fill_between(step, loss - error, loss + error, color="tab:blue", alpha=0.25, linewidth=0)
    step, loss, error = _columns(entries, "val_loss")
    left.errorbar(step, loss, error, label="validation", color="tab:orange", marker="o", markersize=3, capsize=2)
    if floor:
        left.axhline(floor[1], color="grey", linestyle=":", label="class prior: nothing learnt of the images")
        right.axhline(floor[2], color="grey", linestyle=":", label="pixel accuracy of the best constant answer")
    left.set(xlabel="step", ylabel="cross entropy per labelled pixel, nats", title="loss", ylim=(0, None))
    for key, name in (("val_pixel_accuracy", "pixel accuracy"), ("val_mean_iou", "mean IoU")):
        step, value, _ = _columns(entries, key)
        right.plot(step, value, marker="o", markersize=3, label=name)
    right.set(xlabel="step", title="validation, at network size", ylim=(0, 1))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.tmp")
    figure.savefig(aside, format="png", dpi=100)
    aside.replace(path)


def _columns(entries, key):
    """Arrays step, value and standard error (0 where there is none) of the entries that hold `key`."""
    rows = [(e["step"], e[key], e.get(f"{key}_se", 0.0)) for e in entries if key in e]
    return np.array(rows, np.float64).reshape(-1, 3).T
