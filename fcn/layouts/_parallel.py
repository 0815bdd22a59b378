"""A folder of photos beside a folder of labels, once for each split or once for the whole data set.

    <split>/<photos>/*.jpg   <split>/<labels>/*.png        the data set's own split
    <photos>/*.jpg           <labels>/*.png                no split: split.csv, or a drawn one

Keras generators want one sub-folder in each (<split>/images/any/*.jpg); it is looked through.
"""

import dataclasses
import os
import pathlib

from fcn import images, shelf
from fcn.layouts import _folders, _split


@dataclasses.dataclass(frozen=True)
class Folders:
    """Names that the two folders may have, those preferred first."""

    photos: tuple[str, ...]
    labels: tuple[str, ...]
    flat: bool = True  # whether there is a form without splits

    def expected(self, layout):
        """What a user is told that the layout looks like."""
        labels = "{" + ",".join(self.labels) + "}" if len(self.labels) > 1 else self.labels[0]
        text = f"the {layout} layout has <split>/{self.photos[0]} and <split>/{labels}, split being training (or " \
               "train), validation (or val, valid) and test"
        return text + (f"; or {self.photos[0]} and {labels} alone" if self.flat else "")


def found(root, names, split=None):
    """(folder of photos, folder of labels, whether they are of a split) in `root`, or None.

    Without `split`: of any that is there.
    """
    root = pathlib.Path(root)
    of_split = _of_split(root, names, (split,) if split else _split.NAMES)
    if of_split:
        return *of_split, True
    if not names.flat or _of_split(root, names, _split.NAMES):
        return None
    flat = _both(root, names)  # but images/ and annotations/ with splits inside them are ADE20K's
    return (*flat, False) if flat and _holds_photos(flat[0]) else None


def _of_split(root, names, splits):
    bases = (root / name for split in splits for name in _split.NAMES.get(split, (split,)))
    return next((both for base in bases if (both := _both(base, names))), None)


def _both(base, names):
    """The two folders in `base`, or None."""
    for photos in (base / name for name in names.photos):
        for labels in (base / name for name in names.labels):
            if _folders.is_folder(photos, labels):
                return photos, labels
    return None


def _holds_photos(folder):
    try:
        with os.scandir(folder) as entries:
            return any(pathlib.Path(entry.name).suffix.lower() in images.PHOTO_SUFFIXES for entry in entries)
    except OSError:
        return False


def recognise(root, names):
    """Why `root` has such folders, or ""."""
    both = found(root, names)
    if not both:
        return ""
    photos, labels = (folder.relative_to(root) for folder in both[:2])
    return f"it has {photos}/ and {labels}/" + ("" if both[2] else " with photos in them")


def listing(root, split, names, encoding, expected, **options):
    """The Listing of a split; `options` are those of _folders.listing. Raises DataError."""
    root = _folders.existing(root)
    both = found(root, names, split)
    suffixes = shelf.pick("encodings", encoding).SUFFIXES
    if both is None:  # say which folder is missing
        bases = [root / name for name in _split.NAMES.get(split, (split,))]
        base = next((path for path in bases if path.is_dir()), bases[0])
        photos, labels = (next((base / n for n in some if (base / n).is_dir()), base / some[0])
                          for some in (names.photos, names.labels))
        return _folders.listing(photos, labels, suffixes, expected, **options)
    photos, labels, is_split = both
    whole = _folders.listing(_inner(photos), _inner(labels), suffixes, expected, **options)
    return whole if is_split else _split.part(root, whole, split)


def _inner(folder):
    """The folder itself, or its only sub-folder if it holds nothing else."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
