"""Layouts that are only patterns of paths, classes and a label format: their files hold a table of Rows.

    ROWS = (Row("photos/{split}/{name}.jpg", "ids/{split}/{name}.png"),)
    recognise, spec, listing = _rows.functions(ROWS, class_names=("sky", "road"), ignored_ids=(255,))
"""

import dataclasses
import pathlib
import re
from typing import Any

from fcn.data.layouts import _classes, _folders, _patterns


@dataclasses.dataclass(frozen=True)
class Row:
    """One folder structure of a layout.

    images, labels: patterns of paths (_patterns.py), whose {name} spans no folders. fields: fields of DatasetSpec that
    differ from those of the layout, such as the label format. partial: images without a label are left out with a note.
    """

    images: str
    labels: str
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    partial: bool = False


def functions(rows, beside=_classes.BESIDE, **fields):
    """(recognise, spec, listing) of a layout with these Rows, the preferred one first.

    beside: names of files with classes in the data folder. fields: of DatasetSpec, without a file of classes.
    """
    def recognise(root):
        row = _fitting(root, rows)
        return f"it has {row.images} and {row.labels}" if row else ""

    def spec(root, classes="", ignore_label=None):
        row = _fitting(root, rows) or rows[0]
        return _classes.spec(root, classes, ignore_label, beside, **fields | row.fields)

    def listing(root, split):
        root = _folders.existing(root)
        row = _fitting(root, rows) or rows[0]
        expected = " or ".join(f"{row.images} with {row.labels}" for row in rows)
        return _patterns.listing(root, split, row.images, row.labels, row.partial,
                                 f"check --data and --layout; this layout has {expected}.")

    for function, text in ((recognise, 'Why `root` has this layout, or "".'),
                           (spec, "The classes of this layout, or those of a file of classes. Raises DataError."),
                           (listing, "The Listing of a split. Raises DataError.")):
        function.__doc__ = text
    return recognise, spec, listing


def _fitting(root, rows):
    """The first Row of which `root` has an image and a label, or None."""
    return next((row for row in rows if _has(root, row.images) and _has(root, row.labels)), None)


def _has(root, pattern):
    """Whether a file matches the pattern. Stops at the first one."""
    glob = re.sub(r"\{name\}|\{split\}", "*", pattern)
    try:
        return any(path.is_file() for path in pathlib.Path(root).glob(glob))
    except OSError:
        return False
