"""What an evaluation goes through: the pairs of a split, or photos without labels."""

import dataclasses
import pathlib

import numpy as np

from fcn import errors, images, pairs
from fcn.spec import Pair


@dataclasses.dataclass(frozen=True)
class Sample:
    """photo: uint8 (h, w, 3), label: uint8 (h, w) or None, as they are; seen, seen_label: the same as the cache reads
    them at network size, the very pixels of training, or those above if the net sees images at their own size.
    """

    name: str
    photo: np.ndarray
    label: np.ndarray | None
    seen: np.ndarray
    seen_label: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Source:
    """name: that of what is written for it. pair: None for a photo without label."""

    name: str
    photo: pathlib.Path
    pair: Pair | None = None


def of_pairs(found):
    return [Source(pair.name, pair.image, pair) for pair in found]


def of_photos(where):
    """The photo, or the photos in the folder, sorted; if two have the same stem, the endings stay in all names.

    Raises DataError if there is none.
    """
    where = pathlib.Path(where)
    if where.is_dir():
        found = sorted(p for p in where.iterdir() if p.suffix.lower() in images.PHOTO_SUFFIXES)
    else:
        found = [where] if where.exists() else []
    if not found:
        raise errors.DataError(f"no photo is here ({' '.join(images.PHOTO_SUFFIXES)})", where=where)
    unique = len({path.stem.casefold() for path in found}) == len(found)  # results are files, on Windows too
    return [Source(path.stem if unique else path.name, path) for path in found]


def read(source, spec, size_px, max_pixels):
    """The Sample of a Source. Raises DataError. size_px: (height, width) that the net sees; None: the photo's own."""
    if source.pair is None:
        photo = images.read_photo(source.photo, True, max_pixels)
        seen = images.read_photo(source.photo, True, max_pixels, size_px) if size_px else photo
        return Sample(source.name, photo, None, seen, None)
    photo, label = pairs.read(source.pair, spec, None, max_pixels)
    seen, seen_label = pairs.read(source.pair, spec, size_px, max_pixels) if size_px else (photo, label)
    return Sample(source.name, photo, label, seen, seen_label)
