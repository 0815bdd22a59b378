"""Draw the curves of a run (curves.png) and of several runs, from entries of log.jsonl.

Entries are dicts of run_log.read_entries(). Values that are not finite numbers are left out. Matplotlib takes half a
second to import, so it is imported only for drawing.
"""

import io
import math
import warnings

import numpy as np

from fcn.core import atomic_io
from fcn.data import render

MOST = 2000  # largest number of points of a line; more are averaged in bins
BINS = 500  # number of bins of equal width; their extremes are drawn too
FEW = 40  # largest number of points that have markers
# Okabe & Ito, "Color universal design": distinct for all kinds of colour vision. Their yellow is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
DASHES = ("-", "--", ":")  # line styles; the next one is used after all colours
RUN, COMPARISON = "fcn.train", "fcn.compare"  # makers that the PNG files name (render.py)


def draw(entries, path, baselines=None, starts=()):
    """Write the curves of one run as a PNG. Raises OSError.

    baselines: (uniform, prior, constant) of metrics.baselines.numbers(), drawn as lines. starts: steps at which the run
    was resumed.
    """
    rate, norm = series(entries, "learning_rate"), series(entries, "gradient_norm")
    below = ("rate", "norm") if (norm[1] > 0).any() else ("rate", "rate")
    figure = _figure(12, 7.4)
    panels = figure.subplot_mosaic([("loss", "scores"), below], sharex=True, height_ratios=(2.6, 1))
    _losses(panels["loss"], entries, baselines)
    _scores(panels["scores"], entries, baselines)
    line(panels["rate"], rate, COLOURS[0])
    panels["rate"].set(title="learning rate", ylim=(0, None))
    if "norm" in panels:
        line(panels["norm"], [column[norm[1] > 0] for column in norm], COLOURS[0])
        panels["norm"].set(title="norm of the gradient", yscale="log")
    for name, axes in panels.items():
        axes.vlines(starts, 0, 1, transform=axes.get_xaxis_transform(), colors="0.35", linestyles=":", linewidth=0.8,
                    label="resumed" if len(starts) and name == "loss" else None)
        axes.grid(alpha=0.3)
    for name in ("loss", "scores"):
        panels[name].legend(fontsize=8, framealpha=0.6, loc="upper right" if name == "loss" else "best")
    for name in below:
        panels[name].set_xlabel("step")
    write_figure(figure, path, RUN)


def _losses(axes, entries, baselines):
    training, validation = series(entries, "loss"), series(entries, "val_loss")
    binned = f"; pale: range of {len(training[0]) // BINS} entries each" if len(training[0]) > MOST else ""
    line(axes, training, COLOURS[0], label=f"training, ± standard error{binned}")
    bars(axes, validation, COLOURS[1], label="validation, ± standard error")
    uniform, prior = baselines[:2] if baselines else (0, None)
    if prior is not None:
        axes.axhline(prior, color="grey", linestyle="--", linewidth=1,
                     label=f"class frequencies, {prior:.3f}")
    axes.set(title="loss" if uniform is None else "loss: cross entropy per labelled pixel, nats")
    _limit(axes, [training, validation], uniform or 0)


def _scores(axes, entries, baselines):
    trained, accuracy, iou, f_score = (series(entries, key) for key in ("accuracy", "val_pixel_accuracy",
                                                                        "val_mean_iou", "val_f_score"))
    if len(trained[0]):
        line(axes, trained, COLOURS[3], label="training pixel accuracy")
    bars(axes, accuracy, COLOURS[1], label="validation pixel accuracy")
    bars(axes, iou, COLOURS[0], label="mean IoU")
    if len(f_score[0]):
        bars(axes, f_score, COLOURS[2], label="mean F-score")
    if len(iou[0]):
        best = iou[1].argmax()
        axes.plot(iou[0][best], iou[1][best], "*", markersize=13, color=COLOURS[0], markeredgecolor="white", zorder=5,
                  label=f"best mean IoU: {iou[1][best]:.4f} at step {iou[0][best]:,.0f}")
    if baselines:
        axes.axhline(baselines[2], color="grey", linestyle="--", linewidth=1,
                     label=f"best constant prediction: pixel accuracy {baselines[2]:.3f}")
    axes.set(title="scores, at network size", ylim=(0, 1))


def overlay(runs, path):
    """Write the curves of several runs as a PNG. runs: [(name, entries)], at least one. Raises OSError."""
    figure = _figure(15, 5.6)
    loss, validation, scores = figure.subplots(1, 3)
    styles = [{"colour": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % len(DASHES)]}
              for i in range(len(runs))]
    for axes, key, plot, title in ((loss, "loss", line, "training loss, ± standard error"),
                                   (validation, "val_loss", bars, "validation loss, ± standard error"),
                                   (scores, "val_mean_iou", bars, "validation mean IoU, at network size")):
        shown = [series(entries, key) for _, entries in runs]
        for found, style in zip(shown, styles, strict=True):
            plot(axes, found, **style)
        axes.set(title=title, xlabel="step", ylim=(0, None))
        axes.grid(alpha=0.3)
        if axes is not scores:
            _limit(axes, shown)
    handles = [loss.plot([], [], color=style["colour"], linestyle=style["linestyle"])[0] for style in styles]
    figure.legend(handles, [_legible(name) for name, _ in runs], loc="outside lower center", ncols=4, fontsize=9)
    with warnings.catch_warnings():  # a letter without a glyph is drawn as a box
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        write_figure(figure, path, COMPARISON)


def draw_spread(found, runs, path):
    """Write curves of the mean of several runs, ± their standard deviation, as a PNG. Raises OSError.

    found: {"loss", "val_loss", "val_mean_iou", "val_pixel_accuracy": (steps, means, deviations)}. runs: their number.
    """
    figure = _figure(12, 4.6)
    losses, scores = figure.subplots(1, 2)
    for axes, key, plot, colour, label in (
            (losses, "loss", line, COLOURS[0], "training"), (losses, "val_loss", bars, COLOURS[1], "validation"),
            (scores, "val_pixel_accuracy", bars, COLOURS[1], "pixel accuracy"),
            (scores, "val_mean_iou", bars, COLOURS[0], "mean IoU")):
        plot(axes, found[key], colour, label=label)
    losses.set(title=f"loss, mean of {runs} runs ± standard deviation")
    _limit(losses, [found["loss"], found["val_loss"]])
    scores.set(title=f"validation, at network size, mean of {runs} runs ± standard deviation", ylim=(0, 1))
    for axes in (losses, scores):
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, framealpha=0.6)
    write_figure(figure, path, RUN)


def number(value):
    """The value as a float, if it is a number in the range of float32; otherwise NaN."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e38
    return float(value) if known else math.nan


def series(entries, key):
    """(steps, values, standard errors), float64 (n,), of the entries with `key`, sorted by step.

    A missing standard error is 0.
    """
    rows = [(number(e.get("step")), number(e[key]), number(e.get(f"{key}_se"))) for e in entries
            if isinstance(e, dict) and key in e]
    table = np.array(rows, np.float64).reshape(-1, 3)
    table = table[np.isfinite(table[:, :2]).all(1)]
    table = table[table[:, 0].argsort(kind="stable")]
    return table[:, 0], table[:, 1], np.nan_to_num(table[:, 2]).clip(0)


def thinned(found):
    """(steps, values, errors, least, largest) of a series(). More than MOST points are averaged in BINS bins.

    The bins have equal width. steps, values and errors are means of a bin, least and largest its extreme values. Empty
    bins are left out.
    """
    steps, values, errors = found
    if len(steps) <= MOST:
        return steps, values, errors, values, values
    width = max(steps[-1] - steps[0], 1e-9) / BINS
    bins = np.minimum((steps - steps[0]) / width, BINS - 1).astype(int)
    first = np.flatnonzero(np.diff(bins, prepend=-1))
    count = np.diff(first, append=len(steps))
    means = [np.add.reduceat(column, first) / count for column in (steps, values, errors)]
    return *means, np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)


def line(axes, found, colour, label=None, linestyle="-"):
    """Draw a line with a band of its standard error and, for averaged points, a paler band of their extremes."""
    steps, values, errors, least, largest = thinned(found)
    if (largest > least).any():
        axes.fill_between(steps, least, largest, color=colour, alpha=0.25, linewidth=0.8)
    if errors.any():
        axes.fill_between(steps, values - errors, values + errors, color=colour, alpha=0.3, linewidth=0)
    axes.plot(steps, values, color=colour, label=label, linestyle=linestyle, linewidth=1.2,
              marker="." if len(steps) <= FEW else None)


def bars(axes, found, colour, label=None, linestyle="-"):
    """Draw points with error bars and a line; many points are drawn by line()."""
    steps, values, errors, least, largest = thinned(found)
    if (largest > least).any() or len(steps) > 4 * FEW:
        line(axes, found, colour, label, linestyle)
        return
    axes.errorbar(steps, values, errors if errors.any() else None, color=colour, label=label, linestyle=linestyle,
                  marker="o", markersize=3, capsize=2, linewidth=1.2)


def top_of(shown, start=0.0):
    """(top, hidden): upper limit of a loss axis that starts at 0, and number of values above it.

    The axis contains `start`, the first values and most others, but not spikes far above them. shown: a series() per
    line, with at least one value in all.
    """
    values = np.concatenate([found[1] for found in shown])
    usual = min(values.max(), 3 * np.percentile(values, 98))
    top = 1.1 * max(start, usual, *(found[1][:1].max(initial=0) for found in shown))
    return float(top), int((values > top).sum())


def _limit(axes, shown, start=0.0):
    """Set the y axis from 0 to top_of(). The title names the number of hidden values."""
    axes.set_ylim(0, None)
    steps, values = (np.concatenate([found[i] for found in shown]) for i in (0, 1))
    if not len(values):
        return
    top, hidden = top_of(shown, start)
    if hidden:
        axes.set_ylim(0, top)
        axes.set_title(f"{axes.get_title()}\n{hidden} values above the axis, up to {values.max():.3g} "
                       f"at step {steps[values.argmax()]:,.0f}", fontsize=10)


def _legible(name):
    """A run's name for a legend of matplotlib: without formulas, and not hidden for a leading underscore."""
    name = name.encode("utf-8", "backslashreplace").decode().replace("$", r"\$")
    return f" {name}" if name.startswith("_") else name


def _figure(width, height):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure, path, maker=None, dpi=100):
    """Write a figure as a PNG, by atomic_io.write_whole(). maker: the command that it names (render.py).

    Raises OSError.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi, metadata={render.KEYWORD: maker} if maker else None)
    atomic_io.write_whole(path, picture.getvalue())
