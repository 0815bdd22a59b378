"""The classes: how well each is found against how often it occurs, and a table that sorts by its columns."""

import numpy as np

from fcn.sections import _chart
from fcn.sections._html import DASH, colour_of, counted, fixed, known, percent, section, swatch, table, text

NARROW_PX, WIDE_PX = (290, 340), (900, 340)  # charts on a phone and on a desk, for which names find room
COLUMNS = ("id", "class", "share", "IoU", "accuracy", "images", "most often taken for")


def build(report):
    rows, labelled = report.classes, max(sum(row["pixels"] for row in report.classes), 1)
    shares = [row["pixels"] / labelled for row in rows]
    palette = report.spec.palette()
    return section("classes", "Classes", _chart_of(rows, shares, palette) + _table(report, rows, shares, palette))


def _chart_of(rows, shares, palette):
    """Dots of the classes that have both a share and an IoU."""
    shown = [(share, known(row["iou"]), row) for row, share in zip(rows, shares, strict=True)
             if share > 0 and known(row["iou"]) is not None]
    if not shown:
        return ""
    x, y = _chart.logarithmic(shown[-1][0], shown[0][0]), _chart.linear(0, 1)
    dots = "".join(_chart.dot(x, y, (share, iou), "class", f"{row['name']}: IoU {iou:.3f}, {percent(share)} of the "
                              "pixels", colour_of(palette[row["id"]])) for share, iou, row in shown)
    points = [(share, iou, str(row["name"])) for share, iou, row in shown]
    texts = "".join(_chart.names(x, y, points, kind, size) for kind, size in (("narrow", NARROW_PX), ("wide", WIDE_PX)))
    hidden = len(rows) - len(shown)
    note = f" Not shown: {counted(hidden, 'class', 'classes')} without labelled pixels." if hidden else ""
    return (f"<figure><figcaption>IoU of each class against its share of the labelled pixels (logarithmic); point at "
            f"a dot for its name.{note}</figcaption>"
            + _chart.plot(x, y, dots + texts, "IoU against frequency, a dot a class", "share of the labelled pixels")
            + "</figure>\n")


def _table(report, rows, shares, palette):
    body = [[str(row["id"]), swatch(palette[row["id"]]) + text(row["name"]), _sorted_by(share, percent(share)),
             fixed(row["iou"]), fixed(row["accuracy"]), text(row.get("images", DASH)), _taken_for(report, row["id"])]
            for row, share in zip(rows, shares, strict=True)]
    head = [f"<button>{title}</button>" for title in COLUMNS]
    return table(head, body, "sortable", (0, 2, 3, 4, 5), ordered=2)


def _sorted_by(value, shown):
    return f'<span data-v="{value}">{shown}</span>'


def _taken_for(report, class_id):
    """'sea in 23 %': what this class is called most often where it is not called itself, and how often."""
    if report.total is None or not (labelled := report.total[class_id].sum()):
        return DASH
    wrong = report.total[class_id].astype(np.float64)
    wrong[class_id] = 0
    most = int(wrong.argmax())
    if not wrong[most]:
        return DASH
    share = wrong[most] / labelled
    return _sorted_by(share, f"{text(report.spec.class_names[most])} in {percent(share)}")
