"""Semantic Boundaries Dataset (Hariharan et al. 2011): VOC 2011 images with labels of the 20 classes of VOC.

    img/*.jpg   cls/*.mat   train.txt   val.txt           benchmark_RELEASE/dataset of benchmark.tgz

A label is the field Segmentation of the struct GTcls (label_formats/mat.py): 0 background, 1 to 20 the classes of VOC.
It has no void pixels; 255 is ignored all the same, so that a net can be scored on VOC. inst/ is not used. The lists
have 8,498 and 2,857 names. Any other list in the folder, such as train_noval.txt, is a split of its name.
Sources: torchvision, datasets/sbd.py; shelhamer/fcn.berkeleyvision.org, data/pascal/README.md and convert_sbdd.py.

The FCN paper trains on train.txt and tests on the 736 images of VOC 2011 val that are not in it (seg11valid.txt).
"""

import pathlib

from fcn.data import folders
from fcn.data.label_formats import mat
from fcn.data.layouts import _classes, _folders, _lists, voc
from fcn.data.spec import NUM_IDS, bit_colour

LISTS = {"training": "train.txt", "validation": "val.txt"}
EXPECTED = "the sbd layout has img, cls with .mat files, train.txt and val.txt"


def recognise(root):
    """Why `root` has this layout, or ""."""
    root = pathlib.Path(root)
    found = folders.is_folder(root / "img", root / "cls") and not folders.irregular(root / LISTS["training"])
    return "it has img/, cls/ with .mat files and train.txt" if found and folders.holds(root / "cls",
                                                                                        mat.SUFFIXES) else ""


def spec(root, classes="", ignore_label=None):
    """The classes of VOC, or those of a file of classes. Raises DataError."""
    colours = tuple(bit_colour(i - 1) for i in range(NUM_IDS))
    return _classes.spec(root, classes, ignore_label, class_names=voc.NAMES, colours=colours, encoding="mat")


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder or the split's list is missing."""
    root = _folders.existing(root)
    whole = _folders.listing(root / "img", root / "cls", EXPECTED, partial=True, endings=mat.SUFFIXES)
    return _lists.chosen(whole, root / LISTS.get(split, f"{split}.txt"))
