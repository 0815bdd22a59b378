"""ADE20K as the MIT Scene Parsing benchmark ships it (ADEChallengeData2016).

    images/{training,validation}/ADE_*.jpg   annotations/{training,validation}/ADE_*.png   objectInfo150.txt

A label is an 8-bit PNG: 0 is "other" (unlabelled), 1..150 are the classes. The benchmark ignores 0 in its loss
(`ignore_label: 0`) and in its score, and its nets have 151 channels. The full ADE20K (RGB-coded labels) is another
download. A smaller tree of the same shape says in its own objectInfo*.txt which classes it has.
"""

import csv
import pathlib

from fcn import errors
from fcn.layouts import _folders
from fcn.layouts._ade20k_classes import CLASSES
from fcn.spec import DatasetSpec, bit_colour


def spec(root, classes="", ignore_label=None):
    """The classes of the tree at `root`: the benchmark's 150 after 0 = other, or those of its objectInfo*.txt."""
    colours = dict(CLASSES)
    names = list(colours)
    listed = sorted(pathlib.Path(root).glob("objectInfo*.txt"))
    if classes or listed:
        names = read_object_info(classes or listed[0])
    return DatasetSpec(class_names=("other", *names), ignored_ids=(0,) if ignore_label is None else ignore_label,
                       colours=((0, 0, 0), *(colours.get(name, bit_colour(i)) for i, name in enumerate(names, 1))))


def read_object_info(path):
    """Class names of the benchmark's table (Idx, Ratio, Train, Val, Name), by id from 1. Raises DataError."""
    try:
        with pathlib.Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        numbers, names = [int(row["Idx"]) for row in rows], [row["Name"].split(",")[0].strip() for row in rows]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise errors.DataError("is not a table of classes (tab-separated: Idx, Ratio, Train, Val, Name)", where=path,
                               why=str(error)) from None
    if not numbers or numbers != list(range(1, len(numbers) + 1)) or len(numbers) > 255:
        raise errors.DataError("the classes' Idx must be 1, 2, 3, ... (255 at most)", where=path)
    return names


def pairs(root, split):
    """Pairs of a split ("training" or "validation"), sorted by name. Raises DataError naming what has no partner."""
    root = _folders.existing(root)
    inner = root / "ADEChallengeData2016"
    if not (root / "images").is_dir() and (inner / "images").is_dir():
        raise errors.DataError("the data set is one folder further in", where=root, cure=f"give --data {inner}")
    return _folders.pairs(root / "images" / split, root / "annotations" / split, "the ade20k layout has "
                          "images/{training,validation} and annotations/{training,validation}")
