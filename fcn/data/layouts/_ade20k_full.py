"""Folders of the full ADE20K of 2016: images and their *_seg.png, in a folder per scene."""

import os
import pathlib

from fcn.core import errors
from fcn.data import folders
from fcn.data.layouts import _folders

LABEL_END = "_seg"
EXPECTED = "the full ADE20K has images/{training,validation}/<letter>/<scene>/ADE_*.jpg"


def is_full(root):
    """Whether `root` has this structure. Stops at the first image of a split."""
    return any(_starts_full(pathlib.Path(root) / "images" / split) for split in ("training", "validation"))


def _starts_full(folder):
    for depth, (where, _, names) in enumerate(os.walk(folder)):
        if any(name.lower().endswith(".jpg") and not folders.is_litter(name) for name in names):
            return pathlib.Path(where) != folder and any(name.endswith(f"{LABEL_END}.png") for name in names)
        if depth > 100:
            return False
    return False


def listing(folder):
    """The Listing of a split's folder. Ignores *_parts_*.png and *_atr.txt. Raises DataError."""
    if not folders.is_folder(folder):
        raise errors.DataError("there is no such folder", where=folder, why=EXPECTED, fix="check --data and --layout.")
    found = folders.walk(folder, (".jpg", ".png"))
    image_files = [path for path in found.files if path.suffix.lower() == ".jpg"]
    labels = [path for path in found.files if path.suffix.lower() == ".png" and path.stem.endswith(LABEL_END)]
    problems = [problem for problem in found.odd if "_parts_" not in problem.path.name]
    if not image_files:
        raise errors.DataError("no images (.jpg) found", where=pathlib.Path(folder),
                               why=[*folders.not_read(found.others, (".jpg",)), EXPECTED],
                               fix="check --data and --layout.")
    paired = _folders.pair_up(image_files, labels, "its folder, ending in _seg.png",
                              label_stem=lambda stem: stem.removesuffix(LABEL_END))
    paired.problems[:0] = problems
    return paired
