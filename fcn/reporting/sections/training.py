"""Training curves from the run's log."""

import numpy as np

from fcn.reporting.sections import _chart
from fcn.reporting.sections._html import known, render
from fcn.runs import curves

ORDER, TITLE, LINK = 50, "Training", "training"
KEYS = ("loss", "val_loss", "accuracy", "val_pixel_accuracy", "val_mean_iou", "val_f_score", "learning_rate")
MARKED = 60  # number of points up to which each has a dot


def build(report):
    """HTML of the section, as the contract of fcn/reporting/sections says."""
    found = {key: curves.series(report.entries, key) for key in KEYS}
    steps = np.concatenate([steps for steps, _, _ in found.values()])
    if not len(steps):
        return ""
    evaluated = known(report.content.get("checkpoint_step"))
    x = _chart.linear(0, float(steps.max()), lambda value: f"{value:,.0f}")
    figures = [make(x, found, evaluated) for make in (_losses, _scores, _rate)]
    return render("training.html", evaluated=evaluated, figures=[figure for figure in figures if figure])


def _losses(x, found, evaluated):
    shown = [found[key] for key in ("loss", "val_loss") if len(found[key][0])]
    if not shown:
        return None
    top, hidden = curves.top_of(shown)
    note = ", with standard error"
    if hidden:
        note += f"; {hidden:,} above the chart, up to {max(values.max() for _, values, _ in shown):.3g}"
    return _figure(x, _chart.linear(0, top), "Loss", {"a": ("training", found["loss"]),
                                                      "b": ("validation", found["val_loss"])}, evaluated, note)


def _scores(x, found, evaluated):
    iou = found["val_mean_iou"]
    lines = {kind: (name, found[key]) for kind, key, name in (
        ("d", "accuracy", "training pixel accuracy"), ("b", "val_pixel_accuracy", "validation pixel accuracy"),
        ("a", "val_mean_iou", "mean IoU"), ("c", "val_f_score", "mean F-score")) if len(found[key][0])}
    if not lines:
        return None
    note = ""
    if len(iou[0]):
        best = iou[1].argmax()
        note = f"; best mean IoU {iou[1][best]:.4f} at step {iou[0][best]:,.0f}"
    return _figure(x, _chart.linear(0, 1), "Scores, at network size", lines, evaluated, note)


def _rate(x, found, evaluated):
    rate = found["learning_rate"]
    if not len(rate[0]):
        return None
    y = _chart.linear(0, max(1.05 * float(rate[1].max()), 1e-12), lambda value: f"{value:.0e}" if value else "0")
    return _figure(x, y, "Learning rate", {"a": ("", rate)}, evaluated)


def _figure(x, y, title, lines, evaluated, note=""):
    """Return the values of one chart for training.html.

    lines: {"a" to "d", the CSS class: (name or "", a series as curves.series returns it)}.
    """
    chart = _chart.Chart(x, y, "step", title)
    for kind, (_, found) in lines.items():
        if len(found[0]):
            _draw(chart, found, kind)
    if evaluated is not None and evaluated <= x.high:
        chart.bar(evaluated, y.low, y.high, "evaluated")
    keys = [(kind, name) for kind, (name, _) in sorted(lines.items()) if name]
    return {"title": title, "lines": keys, "note": note, "chart": chart.svg()}


def _draw(chart, found, kind):
    """Draw a line with its standard error, and the range of the values where points were merged."""
    steps, values, errors, least, largest = curves.thinned(found)
    if (largest > least).any():
        chart.band(steps, least, largest, f"range {kind}")
    few = len(steps) <= MARKED
    if few:
        for step, value, error in zip(steps, values, errors, strict=True):
            if error:
                chart.bar(step, value - error, value + error, f"line {kind}")
    elif errors.any():
        chart.band(steps, values - errors, values + errors, f"spread {kind}")
    chart.line(steps, values, f"line {kind}")
    if few:
        for step, value in zip(steps, values, strict=True):
            chart.dot(step, value, f"point {kind}", f"step {step:,.0f}: {value:.4g}")
