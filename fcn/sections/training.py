"""The curves of the training, from the run's log."""

import numpy as np

from fcn import curves
from fcn.sections import _chart
from fcn.sections._html import known, section

MARKED = 60  # points of a line that are each shown


def build(report):
    found = {key: curves.series(report.entries, key)
             for key in ("loss", "val_loss", "val_pixel_accuracy", "val_mean_iou", "learning_rate")}
    steps = np.concatenate([steps for steps, _, _ in found.values()])
    if not len(steps):
        return ""
    x = _chart.linear(0, float(steps.max()), lambda value: f"{value:,.0f}")
    evaluated = known(report.content.get("checkpoint_step"))
    charts = [_losses(x, found, evaluated), _scores(x, found, evaluated), _rate(x, found, evaluated)]
    note = "<p>The dashed line is the checkpoint that is evaluated here.</p>\n" if evaluated is not None else ""
    return section("training", "Training", f'{note}<div class="charts">{"".join(charts)}</div>')


def _losses(x, found, evaluated):
    shown = [found[key] for key in ("loss", "val_loss") if len(found[key][0])]
    if not shown:
        return ""
    values = np.concatenate([values for _, values, _ in shown])
    # From the first losses down; a spike far above the rest is cut off, and said.
    top = 1.1 * max(min(values.max(), 3 * np.percentile(values, 98)), *(values[0] for _, values, _ in shown))
    hidden = int((values > top).sum())
    note = f"; {hidden:,} above the picture, up to {values.max():.3g}" if hidden else ""
    y = _chart.linear(0, top)
    return _figure(x, y, _drawn(x, y, found["loss"], "a") + _drawn(x, y, found["val_loss"], "b"), evaluated, "Loss",
                   f"{_key('a', 'training')}, {_key('b', 'validation')}, with standard error{note}")


def _scores(x, found, evaluated):
    accuracy, iou = found["val_pixel_accuracy"], found["val_mean_iou"]
    if not len(accuracy[0]) and not len(iou[0]):
        return ""
    y = _chart.linear(0, 1)
    note = ""
    if len(iou[0]):
        best = iou[1].argmax()
        note = f"; the best mean IoU is {iou[1][best]:.4f} at step {iou[0][best]:,.0f}"
    return _figure(x, y, _drawn(x, y, accuracy, "b") + _drawn(x, y, iou, "a"), evaluated, "Validation, at network size",
                   f"{_key('a', 'mean IoU')}, {_key('b', 'pixel accuracy')}{note}")


def _rate(x, found, evaluated):
    rate = found["learning_rate"]
    if not len(rate[0]):
        return ""
    y = _chart.linear(0, max(1.05 * float(rate[1].max()), 1e-12), lambda value: f"{value:.0e}" if value else "0")
    return _figure(x, y, _drawn(x, y, rate, "a"), evaluated, "Learning rate", "")


def _drawn(x, y, found, kind):
    """A line with the band of its standard error and, where points were joined, that of their extremes."""
    if not len(found[0]):
        return ""
    steps, values, errors, least, largest = curves.thinned(found)
    content = _chart.band(x, y, steps, least, largest, f"range {kind}") if (largest > least).any() else ""
    few = len(steps) <= MARKED
    if few:
        content += "".join(_chart.bar(x, y, step, value - error, value + error, f"line {kind}")
                           for step, value, error in zip(steps, values, errors, strict=True) if error)
    elif errors.any():
        content += _chart.band(x, y, steps, values - errors, values + errors, f"spread {kind}")
    content += _chart.line(x, y, steps, values, f"line {kind}")
    return content + "".join(_chart.dot(x, y, (step, value), f"point {kind}", f"step {step:,.0f}: {value:.4g}")
                             for step, value in zip(steps, values, strict=True) if few)


def _figure(x, y, content, evaluated, title, note):
    if evaluated is not None and evaluated <= x.high:
        content += _chart.bar(x, y, evaluated, y.low, y.high, "evaluated")
    note = f": {note}" if note else ""
    return (f"<figure><figcaption><b>{title}</b>{note}</figcaption>{_chart.plot(x, y, content, title, 'step')}"
            "</figure>\n")


def _key(kind, name):
    return f'<span class="key {kind}">{name}</span>'
