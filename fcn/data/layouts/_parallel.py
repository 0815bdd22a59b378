"""Shared by layouts: a folder of images beside a folder of labels, for each split or for the whole data set.

    <split>/<images>/*.jpg   <split>/<labels>/*.png        the data set has splits
    <images>/*.jpg           <labels>/*.png                no splits: split.csv, or a drawn split

Each folder may have a single sub-folder (images/any/*.jpg), as Keras generators need it.
"""

import dataclasses
import pathlib
import shlex

from fcn.core import errors
from fcn.data import folders, images
from fcn.data.layouts import _folders, _split


@dataclasses.dataclass(frozen=True)
class Folders:
    """Possible names of the two folders, preferred ones first. flat: whether there is a form without splits."""

    images: tuple[str, ...]
    labels: tuple[str, ...]
    flat: bool = True

    def expected(self, layout):
        """EXPECTED of a layout with these folders."""
        labels = "{" + ",".join(self.labels) + "}" if len(self.labels) > 1 else self.labels[0]
        text = f"the {layout} layout has <split>/{self.images[0]} and <split>/{labels}, split being training (or " \
               "train), validation (or val, valid) and test"
        return text + (f"; or {self.images[0]} and {labels} alone" if self.flat else "")


def found(root, names, split=None):
    """(folder of images, folder of labels, whether they are of a split) in `root`, or None.

    split: None for any split.
    """
    root = pathlib.Path(root)
    of_split = _of_split(root, names, (split,) if split else _split.NAMES)
    if of_split:
        return *map(_inner, of_split), True
    if not names.flat or _of_split(root, names, _split.NAMES):
        return None
    flat = _flat(root, names)
    try:
        some = flat and (flat[0], *folders.look(flat[0], ()).folders)
    except errors.DataError:
        return None
    return flat if flat and any(folders.holds(folder, images.IMAGE_SUFFIXES) for folder in some) else None


def _flat(root, names):
    """(images, labels, False) of a data set without splits; None if images/ has folders of splits, as in ADE20K."""
    both = _both(root, names)
    inside = both and [both[0] / name for name in _split.SPLIT_OF]
    return None if not both or any(map(folders.is_folder, inside)) else (*map(_inner, both), False)


def _of_split(root, names, splits):
    bases = (root / name for split in splits for name in _split.NAMES.get(split, (split,)))
    return next((both for base in bases if (both := _both(base, names))), None)


def _both(base, names):
    """The two folders in `base`, or None."""
    for image_folder in (base / name for name in names.images):
        for label_folder in (base / name for name in names.labels):
            if folders.is_folder(image_folder, label_folder):
                return image_folder, label_folder
    return None


def recognise(root, names):
    """Why `root` has these folders, or ""."""
    both = found(root, names)
    if not both:
        return ""
    image_folder, label_folder = (folder.relative_to(root) for folder in both[:2])
    return f"it has {image_folder}/ and {label_folder}/" + ("" if both[2] else " with images in them")


def listing(root, split, names, expected, **options):
    """The Listing of a split. names: Folders. expected, options: of _folders.listing(). Raises DataError."""
    root = _folders.existing(root)
    both = found(root, names, split)
    if both is None and names.flat and not _of_split(root, names, _split.NAMES):
        both = _flat(root, names)
    if both is None:
        image_folder, label_folder = _missing(root, split, names, expected)
        return _folders.listing(image_folder, label_folder, expected, **options)
    image_folder, label_folder, is_split = both
    whole = _folders.listing(image_folder, label_folder, expected, **options)
    if is_split:
        whole.notes.extend(_split.idle(root))
        return whole
    return _split.part(root, whole, split)


def _missing(root, split, names, expected):
    """The expected folders of a split, at least one of which is missing. Raises DataError if only training exists."""
    bases = [root / name for name in _split.NAMES.get(split, (split,))]
    there = [base for base in bases if base.is_dir()]
    training = found(root, names, "training")
    if split == "validation" and training and names.flat and not there:
        base = next(base for base in training[0].parents if base.parent == root)
        raise errors.DataError("has no folder of the split 'validation'", where=root, why=expected,
                               fix=f"make {root / 'val'} beside {base.name}; or give --data "
                                    f"{shlex.quote(str(base))}, which is then divided by a drawn split.")
    base = (there or bases)[0]
    return [next((base / name for name in some if (base / name).is_dir()), base / some[0])
            for some in (names.images, names.labels)]


def _inner(folder):
    """The folder, or its only sub-folder if it has no images or labels."""
    known = {*images.IMAGE_SUFFIXES, *_folders.label_suffixes()}
    try:
        inside = [entry for entry in folders.entries(folder)
                  if entry.is_dir() or pathlib.Path(entry.name).suffix.lower() in known]
        return folder / inside[0].name if len(inside) == 1 and inside[0].is_dir() else folder
    except (OSError, errors.DataError):
        return folder
