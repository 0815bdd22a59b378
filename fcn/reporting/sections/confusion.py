"""The confusion matrix as an image with a tooltip for every cell, and a table of the largest confusions."""

import numpy as np

from fcn.reporting import gallery
from fcn.reporting.sections._html import data_uri, render

ORDER, TITLE, LINK = 30, "Confusion matrix", "confusion"
BLUE, RED = (0, 114, 178), (213, 94, 0)  # correct and wrong; distinguishable with colour blindness
LEVELS = 128  # of opacity, of each colour
MOST_NAMED, MOST_NUMBERED = 40, 14  # number of classes up to which rows have names and cells have numbers
LONGEST_NAME = 16  # characters
LISTED = 15  # rows of the table
MOST_SHOWN = 512  # classes; the counts of 4,096 classes would take 40 MB


def build(report):
    """HTML of the section, as the contract of fcn/reporting/sections says."""
    if report.total is None:
        return ""
    rows, columns = order(report)
    counts = report.total[np.ix_(rows, columns)]
    if not counts.any():
        return ""
    opacity = np.tile(np.linspace(0, 255, LEVELS), 2).astype(np.uint8)
    png = gallery.id_png(shades(counts), [BLUE] * LEVELS + [RED] * LEVELS, opacity)
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    few = len(columns) <= MOST_NUMBERED
    return render("confusion.html", blue=BLUE, red=RED, picture=data_uri(png, "image/png"), rows=_short(report, rows),
                  columns=_short(report, columns), named=len(columns) <= MOST_NAMED,
                  cells=[(*at, share) for at, share in np.ndenumerate(shares) if few and share >= 0.005],
                  largest=_largest(report, [row["id"] for row in report.classes]), palette=report.spec.palette(),
                  names=report.spec.class_names, classes=len(report.classes))


def order(report):
    """Return (class ids of rows, of columns), the most frequent MOST_SHOWN of each.

    An ignored id has a column if it was predicted on labelled pixels.
    """
    rows = [row["id"] for row in report.classes][:MOST_SHOWN]
    predicted_pixels = report.total[rows].sum(0)
    others = [i for i in range(len(predicted_pixels)) if predicted_pixels[i] and i not in rows]
    return rows, (rows + others)[:MOST_SHOWN]


def data(report):
    """Return the matrix for script.js: {"rows": class ids, "columns": class ids, "counts": [[pixels]]}."""
    if report.total is None:
        return None
    rows, columns = order(report)
    return {"rows": rows, "columns": columns, "counts": report.total[np.ix_(rows, columns)].tolist()}


def shades(counts):
    """Return palette indices, uint8 (rows, columns): 0 transparent, below LEVELS blue (diagonal), else red."""
    share = counts / counts.sum(1, keepdims=True).clip(1)
    level = np.ceil(np.sqrt(share) * (LEVELS - 1)).astype(np.uint8)
    diagonal = np.arange(counts.shape[0])[:, None] == np.arange(counts.shape[1])
    return np.where(diagonal | (level == 0), level, level + LEVELS)


def _short(report, ids):
    """Return the names of these classes, cut to LONGEST_NAME characters."""
    names = [report.spec.class_names[i] for i in ids]
    return [name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME - 1] + "…" for name in names]


def _largest(report, rows):
    """Return [(label id, predicted id, share of the class, share of all errors, pixels)], most pixels first."""
    wrong = report.total.copy()
    np.fill_diagonal(wrong, 0)
    wrong[[i for i in range(len(wrong)) if i not in rows]] = 0
    labelled, found = report.total.sum(1), []
    for cell in np.argsort(-wrong, axis=None, kind="stable")[:LISTED]:
        label, predicted = divmod(int(cell), len(wrong))
        pixels = int(wrong[label, predicted])
        if pixels:
            found.append((label, predicted, pixels / labelled[label], pixels / wrong.sum(), pixels))
    return found
