"""The confusion matrix as a picture of which every cell can be asked, and the largest confusions."""

import numpy as np

from fcn.reporting import gallery
from fcn.reporting.sections._html import data_uri, render

ORDER, TITLE, LINK = 30, "Confusion matrix", "confusion"
BLUE, RED = (0, 114, 178), (213, 94, 0)  # right and wrong, told apart with every kind of colour vision
LEVELS = 128  # of each
NAMED, WITH_NUMBERS, LONGEST = 40, 14, 16  # classes that have names, and numbers, beside the picture; characters
LISTED = 15


def build(report):
    if report.total is None:
        return ""
    rows, columns = order(report)
    counts = report.total[np.ix_(rows, columns)]
    if not counts.any():
        return ""
    opacity = np.tile(np.linspace(0, 255, LEVELS), 2).astype(np.uint8)
    png = gallery.id_png(shades(counts), [BLUE] * LEVELS + [RED] * LEVELS, opacity)
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    few = len(columns) <= WITH_NUMBERS
    return render("confusion.html", blue=BLUE, red=RED, picture=data_uri(png, "image/png"), rows=_short(report, rows),
                  columns=_short(report, columns), named=len(columns) <= NAMED,
                  cells=[(*at, share) for at, share in np.ndenumerate(shares) if few and share >= 0.005],
                  largest=_largest(report, rows), palette=report.spec.palette(), names=report.spec.class_names)


def order(report):
    """(ids of the rows, of the columns). An ignored id that was predicted where a class is labelled has a column."""
    rows = [row["id"] for row in report.classes]
    called = report.total[rows].sum(0)
    return rows, rows + [i for i in range(len(called)) if called[i] and i not in rows]


def data(report):
    """What the page's script must know of the matrix: {"rows": ids, "columns": ids, "counts": [[pixels]]}."""
    if report.total is None:
        return None
    rows, columns = order(report)
    return {"rows": rows, "columns": columns, "counts": report.total[np.ix_(rows, columns)].tolist()}


def shades(counts):
    """uint8 (rows, columns): LEVELS of blue on the diagonal, of red beside it (from LEVELS on); 0 is nothing at all."""
    share = counts / counts.sum(1, keepdims=True).clip(1)
    level = np.ceil(np.sqrt(share) * (LEVELS - 1)).astype(np.uint8)
    right = np.arange(counts.shape[0])[:, None] == np.arange(counts.shape[1])
    return np.where(right | (level == 0), level, level + LEVELS)


def _short(report, ids):
    """Names of these classes, cut to LONGEST characters."""
    names = [report.spec.class_names[i] for i in ids]
    return [name if len(name) <= LONGEST else name[:LONGEST - 1] + "…" for name in names]


def _largest(report, rows):
    """[(true id, called id, share of the class, share of all errors, pixels)] of the most frequent confusions."""
    wrong = report.total.copy()
    np.fill_diagonal(wrong, 0)
    wrong[[i for i in range(len(wrong)) if i not in rows]] = 0
    labelled, found = report.total.sum(1), []
    for cell in np.argsort(-wrong, axis=None, kind="stable")[:LISTED]:
        true, called = divmod(int(cell), len(wrong))
        pixels = int(wrong[true, called])
        if pixels:
            found.append((true, called, pixels / labelled[true], pixels / wrong.sum(), pixels))
    return found
