"""The confusion matrix as a picture of which every cell can be asked, and the largest confusions."""

import numpy as np

from fcn import gallery
from fcn.sections._html import data_uri, percent, section, swatch, table, text

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
    body = (f"<p>A row is a class of the labels, a column what the net called it; the most frequent class is first. "
            f"The stronger a cell, the larger its share of the row (by its square root): "
            f"{swatch(BLUE)}right, {swatch(RED)}wrong. Point at a cell or tap it.</p>\n"
            f'<div class="beside">{_picture(report, rows, columns, counts)}<div><h3>Largest confusions</h3>\n'
            f"{_largest(report, rows)}</div></div>\n")
    return section("confusion", "Confusion matrix", body)


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


def _picture(report, rows, columns, counts):
    opacity = np.tile(np.linspace(0, 255, LEVELS), 2).astype(np.uint8)
    png = gallery.id_png(shades(counts), [BLUE] * LEVELS + [RED] * LEVELS, opacity)
    names, texts = report.spec.class_names, []
    across, down = 100 / len(columns), 100 / len(rows)
    if len(columns) <= NAMED:
        texts += [f'<text x="0" y="{down * (k + .5):.2f}%" dx="-6" dy="4" text-anchor="end">{_short(names[i])}</text>'
                  for k, i in enumerate(rows)]
        texts += [f'<svg class="over" x="{across * (k + .5):.2f}%" y="0"><text transform="rotate(-50)" dx="6" dy="2">'
                  f"{_short(names[i])}</text></svg>" for k, i in enumerate(columns)]
    if len(columns) <= WITH_NUMBERS:
        texts += [f'<text class="cell{" strong" if share > .3 else ""}" x="{across * (k + .5):.2f}%" '
                  f'y="{down * (j + .5):.2f}%" dy="4" text-anchor="middle">{100 * share:.0f}</text>'
                  for (j, k), share in np.ndenumerate(counts / counts.sum(1, keepdims=True).clip(1)) if share >= 0.005]
    kind = "named" if len(columns) <= NAMED else "many"
    return (f'<div class="scroll"><svg id="matrix" class="{kind}" style="aspect-ratio:{len(columns)}/{len(rows)}" '
            f'role="img" aria-label="confusion matrix"><image href="{data_uri(png, "image/png")}" width="100%" '
            f'height="100%" preserveAspectRatio="none"/>{"".join(texts)}<rect class="mark" width="{across:.4f}%" '
            f'height="{down:.4f}%" visibility="hidden"/></svg></div>\n')


def _short(name):
    return text(name if len(name) <= LONGEST else name[:LONGEST - 1] + "…")


def _largest(report, rows):
    """The pairs of classes with the most wrong pixels."""
    wrong = report.total.copy()
    np.fill_diagonal(wrong, 0)
    wrong[[i for i in range(len(wrong)) if i not in rows]] = 0
    names, palette, labelled = report.spec.class_names, report.spec.palette(), report.total.sum(1)
    body = []
    for cell in np.argsort(-wrong, axis=None, kind="stable")[:LISTED]:
        true, called = divmod(int(cell), len(wrong))
        if wrong[true, called]:
            body.append([*(swatch(palette[i]) + text(names[i]) for i in (true, called)),
                         percent(wrong[true, called] / labelled[true]), percent(wrong[true, called] / wrong.sum()),
                         f"{wrong[true, called]:,}"])
    return table(["true", "called", "of the class", "of all errors", "pixels"], body, numbers=(2, 3, 4)) if body else (
        "<p>There is none.</p>")
