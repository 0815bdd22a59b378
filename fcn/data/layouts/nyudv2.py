"""NYUDv2 (Silberman et al. 2012): indoor scenes with the 40 classes of Gupta et al. 2013.

    data/images/img_*.png   segmentation/img_*.mat   {train,val,test}.txt      nyud.tar.gz of the authors of FCN
    images/img_*.jpg        labels/img_*.png         {train,val,test}.txt      ids 0 to 39, 255 void

The lists hold numbers: 5003 is img_5003. A .mat label has the array `segmentation`, with 0 for void and 1 to 40 for the
classes. They become 0 to 39, the channels of the published nets, and void becomes 255, which is ignored. Depth and HHA
images are not read. The paper trains on train.txt and val.txt together (trainval.txt, 795 images) and tests on the 654
of test.txt.
Sources: shelhamer/fcn.berkeleyvision.org, nyud_layers.py and data/nyud.
"""

import pathlib

from fcn.data import folders, images
from fcn.data.label_formats import mat
from fcn.data.layouts import _classes, _folders, _lists
from fcn.data.spec import VOID_ID

NAMES = ("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture",
         "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes",
         "ceiling", "books", "refridgerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard",
         "person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure", "otherfurniture",
         "otherprop")
REMAP = ((0, VOID_ID), *((i + 1, i) for i in range(len(NAMES))))
LISTS = {"training": "train.txt", "validation": "val.txt"}
PLACES = (("data/images", "segmentation"), ("images", "labels"))
EXPECTED = "the nyudv2 layout has train.txt and val.txt with numbers, and data/images/img_NUMBER.png with " \
           "segmentation/img_NUMBER.mat, or images/img_NUMBER.jpg with labels/img_NUMBER.png"
NARROWER_THAN = ("paired",)


def recognise(root):
    """Why `root` has this layout, or ""."""
    root = pathlib.Path(root)
    image_folder, label_folder = _places(root)
    number = _lists.first(root / LISTS["training"])
    named = number.isdigit() and any(not folders.irregular(root / image_folder / f"{_name(number)}{suffix}")
                                     for suffix in images.IMAGE_SUFFIXES)
    return f"it has train.txt with numbers, {image_folder}/{_name(number)} and {label_folder}/" \
        if named and folders.is_folder(root / label_folder) else ""


def _places(root):
    """(folder of images, folder of labels), relative to `root`."""
    return next((place for place in PLACES if folders.is_folder(*(root / name for name in place))), PLACES[0])


def _name(number):
    return f"img_{number}"


def spec(root, classes="", ignore_label=None):
    """The 40 classes, or those of the file `classes`, whose ids are the values in the files unless it has a remap.

    Raises DataError.
    """
    is_matlab = _places(pathlib.Path(root)) == PLACES[0]
    return _classes.spec(root, classes, ignore_label, (), class_names=NAMES, encoding="mat" if is_matlab else "ids",
                         remap=REMAP if is_matlab else ())


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder or the split's list is missing."""
    root = _folders.existing(root)
    image_folder, label_folder = _places(root)
    endings = {"endings": mat.SUFFIXES} if label_folder == PLACES[0][1] else {}
    whole = _folders.listing(root / image_folder, root / label_folder, EXPECTED, partial=True, **endings)
    return _lists.chosen(whole, root / LISTS.get(split, f"{split}.txt"), _name)
