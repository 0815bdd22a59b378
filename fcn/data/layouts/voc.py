"""PASCAL VOC's tree, which labelme and others write too.

    JPEGImages/*.jpg   SegmentationClass/*.png   ImageSets/Segmentation/{train,val,test}.txt   class_names.txt

Where SegmentationClass holds no labels, those of SegmentationClassAug (the augmented VOC 2012) are taken, or of
SegmentationClassPNG (older versions of labelme).
Labels are palette PNGs whose indices are the ids; 255 is the rim of objects and ignored. Most photos of VOC were never
segmented: what is not in the split's list does not count, and without lists a split is drawn from what has a label.
Names come from --classes, class_names.txt or classes.json, .txt or .csv in the folder, or are VOC's own.
"""

import dataclasses
import pathlib

from fcn.core import errors, file_kinds
from fcn.core.errors import Problem
from fcn.data import folders
from fcn.data.layouts import _classes, _folders, _split
from fcn.data.spec import NUM_IDS, Listing, bit_colour

NAMES = ("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
         "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor")
LISTS = {"training": "train.txt", "validation": "val.txt", "test": "test.txt"}
BOTH = "trainval.txt"
LABELS = ("SegmentationClass", "SegmentationClassAug", "SegmentationClassPNG")
EXPECTED = "the voc layout has JPEGImages, SegmentationClass and, where it has a split of its own, " \
           "ImageSets/Segmentation/{train,val}.txt"


def recognise(root):
    """Why `root` looks like this layout, or ""."""
    root = pathlib.Path(root)
    labels = _labels(root)
    return f"it has JPEGImages/ and {labels.name}/" if folders.is_folder(root / "JPEGImages", labels) else ""


def _labels(root):
    """The folder of labels, or where it should be."""
    places = [root / name for name in LABELS]
    return next((place for place in places if folders.holds(place, _folders.label_suffixes())), places[0])


def spec(root, classes="", ignore_label=None):
    """VOC's classes, or those that are named, in VOC's colours, 0 being black. Raises DataError."""
    colours = tuple(bit_colour(i - 1) for i in range(NUM_IDS))  # bit_colour starts one further on
    return _classes.spec(root, classes, ignore_label, ("class_names.txt", *_classes.BESIDE), class_names=NAMES,
                         colours=colours)


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder or the split's list is missing."""
    root = _folders.existing(root)
    whole = _folders.listing(root / "JPEGImages", _labels(root), EXPECTED, partial=True)
    lists = root / "ImageSets" / "Segmentation"
    if (lists / LISTS.get(split, "")).is_file():
        chosen = _chosen(whole, lists / LISTS[split])
        chosen.notes.extend(_split.idle(root))
        return chosen
    if any((lists / name).is_file() for name in LISTS.values()):
        raise errors.DataError(f"there is no list of the split '{split}'", where=lists / LISTS.get(split, split),
                               why=EXPECTED, fix="check --data and --layout.")
    if (lists / BOTH).is_file():
        whole = _chosen(whole, lists / BOTH)
    whole.notes.append("ImageSets/Segmentation/train.txt and val.txt are not there.")
    of_list = [problem for problem in whole.problems if problem.path == lists / BOTH]  # lines are in no split
    files = [problem for problem in whole.problems if problem not in of_list]
    part = _split.part(root, dataclasses.replace(whole, problems=files), split)
    return dataclasses.replace(part, problems=of_list + part.problems)


def _chosen(whole, path):
    """The part of a Listing that the list `path` names, one a line."""
    try:
        names = path.read_text(encoding="utf-8-sig", errors="surrogateescape").split()
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path) from None
    if instead := file_kinds.why_unreadable(path, "", file_kinds.EMPTY):
        raise errors.DataError("is no list of names", where=path, why=instead)
    listed, paired = set(names), {pair.name for pair in whole.pairs}
    problems = [problem for problem in whole.problems if problem.path.stem in listed]
    known = paired | {problem.path.stem for problem in problems}
    problems += [Problem(path, f"names {name}, which has no photo or no label", "add it, or remove the line.")
                 for name in sorted(listed - known)]
    return Listing([pair for pair in whole.pairs if pair.name in listed], problems)
