"""A folder of images and a folder of labels with the same names, as in most small data sets.

    <split>/images/*.jpg   <split>/targets/*.png   classes.json     targets/ may also be labels/, masks/, annotations/
    images/*.jpg           labels/*.png                             without splits: split.csv, or a drawn split

Labels hold ids, or have the label format of --label-encoding or classes.json. Class names are read from --classes, or
from classes.json, classes.txt or classes.csv in the data folder (_classes.py). Without names, the classes are the ids
in the labels. 255 is ignored, unless --ignore-label or classes.json names other ids.
"""

from fcn.data.layouts import _classes, _parallel

FOLDERS = _parallel.Folders(("images",), ("targets", "labels", "masks", "annotations"))
EXPECTED = FOLDERS.expected("paired")


def recognise(root):
    """Why `root` has this layout, or ""."""
    return _parallel.recognise(root, FOLDERS)


def spec(root, classes="", ignore_label=None):
    """Class names and ignored ids of a file of classes, or their defaults. Raises DataError."""
    return _classes.spec(root, classes, ignore_label)


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder is missing or empty."""
    return _parallel.listing(root, split, FOLDERS, EXPECTED)
