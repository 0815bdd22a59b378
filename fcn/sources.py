"""What an evaluation goes through: the pairs of a split, or photos without labels."""

import collections
import dataclasses
import pathlib

from fcn import errors, images, pairs
from fcn.spec import Pair


@dataclasses.dataclass(frozen=True)
class Source:
    """name: that of what is written for it. pair: None for a photo without label."""

    name: str
    photo: pathlib.Path
    pair: Pair | None = None


def of_pairs(found):
    return [Source(pair.name, pair.image, pair) for pair in found]


def of_photos(where):
    """The photo, or the photos in the folder, sorted; of two with the same stem the ending stays in the name.

    Raises DataError if there is none.
    """
    where = pathlib.Path(where)
    if where.is_dir():
        found = sorted(p for p in where.iterdir() if p.suffix.lower() in images.PHOTO_SUFFIXES)
    else:
        found = [where] if where.exists() else []
    if not found:
        raise errors.DataError(f"no photo is here ({' '.join(images.PHOTO_SUFFIXES)})", where=where)
    stems = collections.Counter(path.stem for path in found)
    return [Source(path.stem if stems[path.stem] == 1 else path.name, path) for path in found]


def read(source, spec, size_px, max_pixels):
    """(photo uint8 (h, w, 3), label uint8 (h, w) or None, what the net sees). Raises DataError.

    With size_px the net sees the photo as the cache reads it, the same pixels as in training; else the photo itself.
    """
    if source.pair:
        photo, label = pairs.read(source.pair, spec, None, max_pixels)
        return photo, label, pairs.read(source.pair, spec, size_px, max_pixels)[0] if size_px else photo
    photo = images.read_photo(source.photo, True, max_pixels)
    return photo, None, images.read_photo(source.photo, True, max_pixels, size_px) if size_px else photo
