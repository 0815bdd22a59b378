"""PASCAL-Context (Mottaghi et al. 2014): VOC 2010 with labels for every pixel, 59 classes and background.

    trainval/*.mat                                   trainval.tar.gz
    VOCdevkit/VOC2010/JPEGImages/*.jpg               VOC 2010; its folder may also be VOC2010, or the data folder itself
    VOCdevkit/VOC2010/ImageSets/Main/{train,val}.txt 4,998 and 5,105 names

A label is the array `LabelMap` of 459 labels. 59 of them are classes 1 to 59 in the order of 59_labels.txt, all others
are 0, background, which is a class of the published nets (60 channels). --ignore-label 0 scores the 59 alone.
Sources: shelhamer/fcn.berkeleyvision.org, pascalcontext_layers.py and data/pascal-context (numbers: classes-400.txt);
the same 59 numbers are in mmsegmentation, tools/convert_datasets/pascal_context.py.
"""

import pathlib

from fcn.data import folders
from fcn.data.label_formats import mat
from fcn.data.layouts import _classes, _folders, _lists

CLASSES = (  # name in 59_labels.txt, number in labels.txt (there: table, cloth, bedclothes)
    ("aeroplane", 2), ("bicycle", 23), ("bird", 25), ("boat", 31), ("bottle", 34), ("bus", 45), ("car", 59),
    ("cat", 65), ("chair", 72), ("cow", 98), ("diningtable", 397), ("dog", 113), ("horse", 207), ("motorbike", 258),
    ("person", 284), ("pottedplant", 308), ("sheep", 347), ("sofa", 368), ("train", 416), ("tvmonitor", 427),
    ("bag", 9), ("bed", 18), ("bench", 22), ("book", 33), ("building", 44), ("cabinet", 46), ("ceiling", 68),
    ("clothes", 80), ("computer", 85), ("cup", 104), ("door", 115), ("fence", 144), ("floor", 158), ("flower", 159),
    ("food", 162), ("grass", 187), ("ground", 189), ("keyboard", 220), ("light", 232), ("mountain", 259),
    ("mouse", 260), ("curtain", 105), ("platform", 296), ("sign", 355), ("plate", 295), ("road", 324), ("rock", 326),
    ("shelves", 349), ("sidewalk", 354), ("sky", 360), ("snow", 366), ("bedcloth", 19), ("track", 415), ("tree", 420),
    ("truck", 424), ("wall", 440), ("water", 445), ("window", 454), ("wood", 458),
)
NAMES = ("background", *(name for name, _ in CLASSES))
HIGHEST = 459
CLASS_OF = {number: i for i, (_, number) in enumerate(CLASSES, 1)}
REMAP = tuple((number, CLASS_OF.get(number, 0)) for number in range(HIGHEST + 1))
LABELS, LISTS = "trainval", {"training": "train.txt", "validation": "val.txt"}
VOC = ("VOCdevkit/VOC2010", "VOC2010", "")
EXPECTED = "the pascal_context layout has trainval with .mat files, and VOCdevkit/VOC2010 (or VOC2010) with " \
           "JPEGImages and ImageSets/Main/{train,val}.txt"


def recognise(root):
    """Why `root` has this layout, or ""."""
    root = pathlib.Path(root)
    found = folders.holds(root / LABELS, mat.SUFFIXES) and folders.is_folder(_voc(root) / "JPEGImages")
    return f"it has trainval/ with .mat files and {(_voc(root) / 'JPEGImages').relative_to(root)}/" if found else ""


def _voc(root):
    """The folder of VOC 2010."""
    places = [root / name for name in VOC]
    return next((place for place in places if folders.is_folder(place / "JPEGImages")), places[0])


def spec(root, classes="", ignore_label=None):
    """Background and the 59 classes, or those of the file `classes`. Raises DataError.

    Without a remap in that file, its ids are the 459 labels.
    """
    return _classes.spec(root, classes, ignore_label, (), class_names=NAMES, encoding="mat",
                         remap=REMAP)


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder or the split's list is missing."""
    root = _folders.existing(root)
    voc = _voc(root)
    whole = _folders.listing(voc / "JPEGImages", root / LABELS, EXPECTED, partial=True, endings=mat.SUFFIXES)
    return _lists.chosen(whole, voc / "ImageSets" / "Main" / LISTS.get(split, f"{split}.txt"))
