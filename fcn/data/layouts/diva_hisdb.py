"""DIVA-HisDB: pages of medieval manuscripts of up to 3328x4992 px, whose pixels are flags.

    img*/{training,validation,public-test}/*.jpg   pixel-level-gt*/{training,validation,public-test}/*.png
    {train,val,test}/data/*.jpg                    {train,val,test}/gt/*.png

The first is one manuscript of the data set as it is published, such as img-CB55; its archives may have made one folder
more (img-CB55/img). Splits are also called train, val, valid and test; a label may end in _gt.
A label's blue channel is the id (label_formats/blue_bits.py): a pixel may be comment and main text at once, and every
combination is a class. Ids that cannot occur are ignored, and the rim of each component, which is 255.
"""

import pathlib

from fcn.core import errors
from fcn.data import folders
from fcn.data.label_formats import blue_bits
from fcn.data.layouts import _folders, _parallel, _split
from fcn.data.spec import DatasetSpec

FLAGS = ((2, "comment"), (4, "decoration"), (8, "main text"))
FOLDERS = _parallel.Folders(("data",), ("gt",), flat=False)
PUBLISHED = ("img", "pixel-level-gt")
EXPECTED = FOLDERS.expected("diva_hisdb") + "; or img*/<split> and pixel-level-gt*/<split> of one manuscript"


def recognise(root):
    """Why `root` looks like this layout, or ""."""
    both = next(filter(None, (_published(root, split) for split in _split.NAMES)), None)
    if both:
        return "it has " + " and ".join(f"{folder.relative_to(root)}/" for folder in both)
    return _parallel.recognise(root, FOLDERS)


def _published(root, split):
    """(photos, labels) of a split in the folders of the published data set, or None."""
    bases = [_only(root, name) for name in PUBLISHED]
    for name in _split.NAMES.get(split, (split,)):
        both = [base / name for base in bases]
        if folders.is_folder(*both):
            return both
    return None


def _only(root, name):
    """The folder `name`, or `name` and more (img-CB55) if there is just one such; in it, the folder `name`, if any."""
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


def spec(root, classes="", ignore_label=None):
    """Ids 0 to 14, of which 8 occur; the others are always ignored, and the rim unless ignore_label says otherwise.

    Raises UsageError for a file of classes: the flags mean what they mean.
    """
    if classes:
        raise errors.UsageError("--classes with the diva_hisdb layout, whose classes are what the flags say",
                                where=classes, fix="leave it out.")
    highest = max(blue_bits.IDS)
    unused = tuple(i for i in range(highest + 1) if i not in blue_bits.IDS)
    return DatasetSpec(class_names=tuple(_name(i) for i in range(highest + 1)), encoding="blue_bits",
                       ignored_ids=(*unused, *((blue_bits.BOUNDARY,) if ignore_label is None else ignore_label)))


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder is missing or empty."""
    both = _published(_folders.existing(root), split)
    if both:
        return _folders.listing(both[0], both[1], EXPECTED, label_stem=_photo_stem)
    return _parallel.listing(root, split, FOLDERS, EXPECTED, label_stem=_photo_stem)


def _photo_stem(stem):
    return stem.removesuffix("_gt")
