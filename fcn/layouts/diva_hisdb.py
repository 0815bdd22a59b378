"""DIVA-HisDB: pages of medieval manuscripts of up to 3328x4992 px, whose pixels are flags.

    {train,val,test}/data/*.jpg   {train,val,test}/gt/*.png     also training, validation; a label may end in _gt

A label's blue channel is the id (encodings/blue_bits.py): a pixel may be comment and main text at once, and every
combination is a class. Ids that cannot occur are ignored, and the rim of each component, which is 255.
"""

from fcn.encodings import blue_bits
from fcn.layouts import _parallel
from fcn.spec import DatasetSpec

FLAGS = ((2, "comment"), (4, "decoration"), (8, "main text"))
FOLDERS = _parallel.Folders(("data",), ("gt",), flat=False)
EXPECTED = FOLDERS.expected("diva_hisdb")


def recognise(root):
    """Why `root` looks like this layout, or ""."""
    return _parallel.recognise(root, FOLDERS)


def _name(i):
    if i not in blue_bits.IDS:
        return f"unused {i}"
    return " + ".join(name for flag, name in FLAGS if i & flag) or "background"


def spec(root, classes="", ignore_label=None):
    """Ids 0 to 14, of which 8 occur; a name list of one's own is not needed, as the flags mean what they mean."""
    highest = max(blue_bits.IDS)
    unused = tuple(i for i in range(highest + 1) if i not in blue_bits.IDS)
    return DatasetSpec(class_names=tuple(_name(i) for i in range(highest + 1)), encoding="blue_bits",
                       ignored_ids=(*unused, blue_bits.BOUNDARY) if ignore_label is None else ignore_label)


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder is missing or empty."""
    return _parallel.listing(root, split, FOLDERS, "blue_bits", EXPECTED,
                             label_stem=lambda stem: stem.removesuffix("_gt"))
