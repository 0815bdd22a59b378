"""Threshold: precision, recall, IoU and F-score of the foreground of two classes over the threshold."""

import numpy as np

from fcn.reporting.sections import _chart
from fcn.reporting.sections._html import known, render

ORDER, TITLE, LINK = 15, "Threshold", "threshold"
LINES = {"a": ("f_score", "F-score"), "b": ("iou", "IoU"), "c": ("precision", "precision"), "d": ("recall", "recall")}


def build(report):
    """HTML of the section, as the contract of fcn/reporting/sections says."""
    found = report.content.get("threshold")
    if not found:
        return ""
    rows = [{"name": name, "scores": found[key]} for key, name in (("at_0.5", "half"), ("best", "best F-score"))]
    return render("threshold.html", found=found, chart=_chart_of(found), lines=LINES, rows=rows)


def _chart_of(found):
    thresholds = np.array(found["curve"]["threshold"])
    chart = _chart.Chart(_chart.linear(0, 1), _chart.linear(0, 1), "threshold of the foreground's probability",
                         f"scores of {found['name']} over the threshold")
    for kind, (key, _) in LINES.items():
        values = [known(value) for value in found["curve"][key]]
        kept = np.array([value is not None for value in values])
        if kept.any():
            chart.line(thresholds[kept], [value for value in values if value is not None], f"line {kind}")
    chart.bar(found["best"]["threshold"], 0, 1, "evaluated")
    for kind, (key, name) in LINES.items():
        if (value := known(found["best"][key])) is not None:
            chart.dot(found["best"]["threshold"], value, f"point {kind}",
                      f"{name} {value:.3f} at {found['best']['threshold']:g}")
    return chart.svg()
