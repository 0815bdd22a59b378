"""Classes: a chart of IoU against frequency and a sortable table."""

import numpy as np

from fcn.reporting.sections import _chart
from fcn.reporting.sections._html import counted, css_colour, known, percent, render

ORDER, TITLE, LINK = 20, "Classes", "classes"
MORE = {"precision": "precision", "f_score": "F-score", "boundary_iou": "boundary IoU"}  # older reports have none
NARROW_PX, WIDE_PX = (290, 340), (900, 340)  # chart sizes on a phone and on a desktop, for placing class names


def build(report):
    """HTML of the section, as the contract of fcn/reporting/sections says."""
    rows, labelled = report.classes, max(sum(row["pixels"] for row in report.classes), 1)
    shares = [row["pixels"] / labelled for row in rows]
    palette = report.spec.palette()
    shown = [(share, known(row["iou"]), row) for share, row in zip(shares, rows, strict=True)
             if share > 0 and known(row["iou"]) is not None]
    hidden = len(rows) - len(shown)
    more = {key: title for key, title in MORE.items() if all(key in row for row in rows)}
    return render("classes.html", more=more, chart=_chart_of(shown, palette) if shown else None,
                  hidden=counted(hidden, "class", "classes") if hidden else "",
                  rows=[{"row": row, "share": share, "colour": palette[row["id"]],
                         "confused_with": _confused_with(report, row["id"])}
                        for row, share in zip(rows, shares, strict=True)])


def _chart_of(shown, palette):
    """Draw one dot per class. shown: [(share, IoU, row of per_class)], the largest share first."""
    chart = _chart.Chart(_chart.logarithmic(shown[-1][0], shown[0][0]), _chart.linear(0, 1),
                         "share of the labelled pixels", "IoU against frequency, one dot per class")
    for share, iou, row in shown:
        chart.dot(share, iou, "class", f"{row['name']}: IoU {iou:.3f}, {percent(share)} of the pixels",
                  css_colour(palette[row["id"]]))
    for kind, size in (("narrow", NARROW_PX), ("wide", WIDE_PX)):
        chart.names([(share, iou, str(row["name"])) for share, iou, row in shown], kind, size)
    return chart.svg()


def _confused_with(report, class_id):
    """Return (name, share of this class) of the most frequent wrong prediction of its pixels, or None."""
    if report.total is None or not (labelled := report.total[class_id].sum()):
        return None
    wrong = report.total[class_id].astype(np.float64)
    wrong[class_id] = 0
    most = int(wrong.argmax())
    return (report.spec.class_names[most], wrong[most] / labelled) if wrong[most] else None
