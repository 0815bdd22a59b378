"""The tree of the full ADE20K of 2016: photos and *_seg.png side by side, in folders of scenes."""

import os
import pathlib

from fcn import errors
from fcn.layouts import _folders

LABEL_END = "_seg"


def is_full(root):
    """Whether `root` is such a tree. Looks into no more folders than lead to the first photo of a split."""
    return any(_starts_full(pathlib.Path(root) / "images" / split) for split in ("training", "validation"))


def _starts_full(folder):
    for depth, (where, _, names) in enumerate(os.walk(folder)):
        if any(name.lower().endswith(".jpg") for name in names):
            return pathlib.Path(where) != folder and any(name.endswith(f"{LABEL_END}.png") for name in names)
        if depth > 100:
            return False
    return False


def listing(folder):
    """The Listing of a split's folder; *_parts_*.png and *_atr.txt are left alone. Raises DataError."""
    photos, labels, problems = [], [], []
    for where, _, _ in os.walk(folder):  # it follows no links, so none can lead it in a circle
        found, odd = _folders.files(where, (".jpg", ".png"))
        photos += [path for path in found if path.suffix.lower() == ".jpg"]
        labels += [path for path in found if path.suffix.lower() == ".png" and path.stem.endswith(LABEL_END)]
        problems += [problem for problem in odd if "_parts_" not in problem.path.name]
    if not photos:
        raise errors.DataError("no photos (.jpg) are in here", where=pathlib.Path(folder),
                               why="the full ADE20K has images/{training,validation}/<letter>/<scene>/ADE_*.jpg",
                               cure="check --data and --layout.")
    paired = _folders.pair_up(photos, labels, "its folder, ending in _seg.png",
                              label_stem=lambda stem: stem.removesuffix(LABEL_END))
    paired.problems[:0] = problems
    return paired
