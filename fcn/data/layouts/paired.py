"""Two parallel folders, photos and labels of the same names: what most small data sets use.

    <split>/images/*.jpg   <split>/targets/*.png   classes.json     targets may also be labels, masks or annotations
    images/*.jpg           labels/*.png                             without splits: split.csv, or a drawn one

Labels hold the ids themselves, or what --label-encoding or classes.json says. Names come from --classes, or from
classes.json, classes.txt or classes.csv in the data folder (_classes.py). Without names, the classes are counted in the
labels. 255 is ignored unless --ignore-label or the JSON file says otherwise.
"""

from fcn.data.layouts import _classes, _parallel

FOLDERS = _parallel.Folders(("images",), ("targets", "labels", "masks", "annotations"))
EXPECTED = FOLDERS.expected("paired")


def recognise(root):
    """Why `root` looks like this layout, or ""."""
    return _parallel.recognise(root, FOLDERS)


def spec(root, classes="", ignore_label=None):
    """Names and ignored ids of the data set at `root`. Raises DataError."""
    return _classes.spec(root, classes, ignore_label)


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder is missing or empty."""
    return _parallel.listing(root, split, FOLDERS, EXPECTED)
