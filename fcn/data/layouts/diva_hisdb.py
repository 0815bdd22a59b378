"""DIVA-HisDB: pages of medieval manuscripts of up to 3328x4992 px. The label of a pixel is a set of flags.

    img*/{training,validation,public-test}/*.jpg   pixel-level-gt*/{training,validation,public-test}/*.png
    {train,val,test}/data/*.jpg                    {train,val,test}/gt/*.png

The first form is a manuscript of the published data set, such as img-CB55, possibly in another folder (img-CB55/img).
Splits may also be train, val, valid and test. The name of a label may end in _gt.
The id is the blue channel of a label (label_formats/blue_bits.py). A pixel may be comment and main text at once; each
combination is a class. Ids that cannot occur are ignored. --rim says what the boundary of components is in the loss.
"""

import pathlib

from fcn.core import errors
from fcn.data import folders
from fcn.data.label_formats import blue_bits
from fcn.data.layouts import _blue_values, _folders, _parallel, _split
from fcn.data.spec import DatasetSpec

FLAGS = ((2, "comment"), (4, "decoration"), (8, "main text"))
FOLDERS = _parallel.Folders(("data",), ("gt",), flat=False)
RIM = "background"  # as in DeepDIVA
PUBLISHED = ("img", "pixel-level-gt")
EXPECTED = FOLDERS.expected("diva_hisdb") + "; or img*/<split> and pixel-level-gt*/<split> of one manuscript"


def recognise(root):
    """Why `root` has this layout, or ""."""
    both = next(filter(None, (_published(root, split) for split in _split.NAMES)), None)
    if both:
        return "it has " + " and ".join(f"{folder.relative_to(root)}/" for folder in both)
    where = _parallel.recognise(root, FOLDERS)
    remark = _blue_values.numbers(_parallel.found(root, FOLDERS)[1])[1] if where else ""
    return f"{where}, and {remark}" if remark else where


def _published(root, split):
    """[images, labels] folders of a split in the published data set, or None."""
    bases = [_only(root, name) for name in PUBLISHED]
    for name in _split.NAMES.get(split, (split,)):
        both = [base / name for base in bases]
        if folders.is_folder(*both):
            return both
    return None


def _only(root, name):
    """The only folder whose name starts with `name` (img-CB55), or `name`; in it, the folder `name` if it exists."""
    try:
        found = [path for path in pathlib.Path(root).iterdir() if path.name.startswith(name) and
                 folders.is_folder(path)]
    except OSError:
        found = []
    base = found[0] if len(found) == 1 else pathlib.Path(root) / name
    return base / name if folders.is_folder(base / name) else base


def _name(i):
    if i not in blue_bits.IDS:
        return f"unused {i}"
    return " + ".join(name for flag, name in FLAGS if i & flag) or "background"


NAMES = tuple(map(_name, range(max(blue_bits.IDS) + 1)))  # by id


def spec(root, classes="", ignore_label=None):
    """Ids 0 to 14. The 8 that occur are classes; the others are ignored. ignore_label replaces the boundary's id 255.

    Raises UsageError for a file of classes, because the flags define the classes.
    """
    if classes:
        raise errors.UsageError("--classes cannot be used with the diva_hisdb layout, whose flags define the classes",
                                where=classes, fix="leave it out.")
    unused = tuple(i for i in range(len(NAMES)) if i not in blue_bits.IDS)
    return DatasetSpec(class_names=NAMES, encoding="blue_bits",
                       ignored_ids=(*unused, *((blue_bits.BOUNDARY,) if ignore_label is None else ignore_label)))


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder is missing or empty."""
    both = _published(_folders.existing(root), split)
    if both:
        return _folders.listing(both[0], both[1], EXPECTED, label_stem=image_stem)
    return _parallel.listing(root, split, FOLDERS, EXPECTED, label_stem=image_stem)


def image_stem(stem):
    """The name of the image of a label."""
    return stem.removesuffix("_gt")
