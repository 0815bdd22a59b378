"""PASCAL VOC, also as written by labelme and others.

    JPEGImages/*.jpg   SegmentationClass/*.png   ImageSets/Segmentation/{train,val,test}.txt   class_names.txt

If SegmentationClass has no labels, SegmentationClassAug (the augmented VOC 2012) or SegmentationClassPNG (older
versions of labelme) is used.
Labels are palette PNGs with the ids as indices. 255 is the boundary of objects and ignored. Most images of VOC have no
segmentation: images that are not in the list of the split are ignored. Without lists, a split is drawn from the images
with a label. Class names are read from --classes, or from class_names.txt or classes.json, .txt or .csv in the folder;
by default they are VOC's.
"""

import dataclasses
import pathlib

from fcn.core import errors
from fcn.data import folders
from fcn.data.layouts import _classes, _folders, _lists, _split
from fcn.data.spec import NUM_IDS, bit_colour

NAMES = ("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
         "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor")
LISTS = {"training": "train.txt", "validation": "val.txt", "test": "test.txt"}
BOTH = "trainval.txt"
LABELS = ("SegmentationClass", "SegmentationClassAug", "SegmentationClassPNG")
EXPECTED = "the voc layout has JPEGImages, SegmentationClass and, where it has a split of its own, " \
           "ImageSets/Segmentation/{train,val}.txt"


def recognise(root):
    """Why `root` has this layout, or ""."""
    root = pathlib.Path(root)
    labels = _labels(root)
    return f"it has JPEGImages/ and {labels.name}/" if folders.is_folder(root / "JPEGImages", labels) else ""


def _labels(root):
    """The folder of labels that has some, or SegmentationClass. labelme writes .npy files beside a folder of PNGs."""
    places = [root / name for name in LABELS]
    found = (place for suffixes in (_folders.USUAL_LABELS, _folders.label_suffixes()) for place in places
             if folders.holds(place, suffixes))
    return next(found, places[0])


def spec(root, classes="", ignore_label=None):
    """VOC's classes, or those of a file of classes, in VOC's colours. Raises DataError."""
    colours = tuple(bit_colour(i - 1) for i in range(NUM_IDS))  # bit_colour(i) is the colour of i + 1
    return _classes.spec(root, classes, ignore_label, ("class_names.txt", *_classes.BESIDE), class_names=NAMES,
                         colours=colours)


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder or the split's list is missing."""
    root = _folders.existing(root)
    whole = _folders.listing(root / "JPEGImages", _labels(root), EXPECTED, partial=True)
    lists = root / "ImageSets" / "Segmentation"
    if (lists / LISTS.get(split, "")).is_file():
        chosen = _lists.chosen(whole, lists / LISTS[split])
        chosen.notes.extend(_split.idle(root))
        return chosen
    if any((lists / name).is_file() for name in LISTS.values()):
        raise errors.DataError(f"there is no list of the split '{split}'", where=lists / LISTS.get(split, split),
                               why=EXPECTED, fix="check --data and --layout.")
    if (lists / BOTH).is_file():
        whole = _lists.chosen(whole, lists / BOTH)
    whole.notes.append("ImageSets/Segmentation/train.txt and val.txt are missing.")
    of_list = [problem for problem in whole.problems if problem.path == lists / BOTH]  # lines have no split
    files = [problem for problem in whole.problems if problem not in of_list]
    part = _split.part(root, dataclasses.replace(whole, problems=files), split)
    return dataclasses.replace(part, problems=of_list + part.problems)
