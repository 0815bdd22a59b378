"""Images and black and white masks with the same names: foreground and background. JPEG masks are allowed.

    <split>/images/*.jpg   <split>/masks/*.jpg      masks/ may also be labels/, targets/ or annotations/
    images/*.jpg           masks/*.png              without splits: split.csv, or a drawn split

Values above --mask-threshold (127) are foreground. A file of classes in the data folder may name the two classes.
"""

from fcn.core import errors
from fcn.data import folders
from fcn.data.layouts import _black_white, _classes, _folders, _parallel

FOLDERS = _parallel.Folders(("images",), ("masks", "labels", "targets", "annotations"))
EXPECTED = FOLDERS.expected("binary_masks") + "; masks are JPEG, or hold 0 and 255"
DEFAULTS = {"class_names": ("background", "foreground"), "ignored_ids": (), "colours": ((0, 0, 0), (255, 255, 255)),
            "encoding": "binary"}
NARROWER_THAN = ("paired",)


def recognise(root):
    """Why `root` has this layout, or ""."""
    both = _parallel.found(root, FOLDERS)
    try:
        suffixes = _folders.label_suffixes()
        labels = (folders.look(both[1], suffixes).files or folders.walk(both[1], suffixes).files) if both else []
        why = _black_white.why(labels)
    except errors.DataError:
        return ""
    return f"{_parallel.recognise(root, FOLDERS)}, whose {why}" if why else ""


def spec(root, classes="", ignore_label=None):
    """The two classes background and foreground. Raises DataError for a file with another number of classes."""
    found = _classes.spec(root, classes, ignore_label, **DEFAULTS)
    if len(found.class_names) != 2:
        raise errors.DataError(f"names {len(found.class_names)} classes, expected two for masks", where=classes or root,
                               fix="name background and foreground, or use --layout paired.")
    return found


def listing(root, split):
    """The Listing of a split. Raises DataError if a folder is missing or empty."""
    return _parallel.listing(root, split, FOLDERS, EXPECTED)
