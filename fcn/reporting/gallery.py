"""The worst and the best images of an evaluation, small: kept while it runs, written for its page, and read again.

gallery/index.json  {"worst": [{"name", "score"}, ...], "best": [...]}, the worst and the best first
gallery/00-photo.jpg 00-label.png 00-prediction.png ...  numbered through both lists

The PNGs hold a class id a pixel and the data set's colours as their palette, so that any viewer shows them.
"""

import bisect
import dataclasses
import io
import json
import math
import pathlib

import numpy as np
from PIL import Image

from fcn.core import atomic_io, errors
from fcn.data import images, render
from fcn.metrics import confusion

LONGEST_PX = 480  # of a side of what is kept
QUALITY = 80  # of the photos' JPEG
LISTS = ("worst", "best")
MOST_BYTES = 4_000_000  # of a file that is read back; what is written has a tenth


@dataclasses.dataclass(frozen=True)
class Picture:
    """One image. photo: the bytes of a JPEG; label, prediction: those of a PNG of ids. All of one size."""

    name: str
    score: float
    photo: bytes
    label: bytes
    prediction: bytes


class Gallery:
    """Keeps the `count` images of the lowest scores and the `count` of the highest; of equal scores the first ones."""

    def __init__(self, spec, count=6):
        self.palette, self.count = spec.palette(), count
        self._kept: list[tuple[tuple[float, int], Picture]] = []  # sorted by score; the middle goes when it is full
        self._offered = 0

    def offer(self, name, score, photo, label, prediction):
        """Keep this image if it is among the worst or best so far, shrunk and encoded.

        photo: uint8 (h, w, 3); label, prediction: uint8 (h, w). score: a number; an image with none (NaN: it has no
        labelled pixel) is passed over.
        """
        if math.isnan(score):
            return
        key, self._offered = (float(score), self._offered), self._offered + 1
        full = len(self._kept) == 2 * self.count
        if full and self._kept[self.count - 1][0] < key < self._kept[self.count][0]:
            return
        photo, label, prediction = (render.shrunk(array, LONGEST_PX) for array in (photo, label, prediction))
        maps = [id_png(ids, self.palette) for ids in (label, prediction)]
        picture = Picture(name, float(score), _jpeg(photo), *maps)
        bisect.insort(self._kept, (key, picture), key=lambda entry: entry[0])
        if full:
            del self._kept[self.count]

    def lists(self):
        """{"worst": [Picture], "best": [Picture]}; of few images, the worse half and the better half."""
        kept, half = [picture for _, picture in self._kept], (len(self._kept) + 1) // 2
        return dict(zip(LISTS, (kept[:half], kept[half:][::-1]), strict=True))

    def write(self, folder):
        """Write folder/gallery/, which must not be there yet. Raises OSError."""
        target = pathlib.Path(folder) / "gallery"
        target.mkdir(parents=True)
        found = self.lists()
        for number, picture in enumerate(found["worst"] + found["best"]):
            for path, data in zip(_paths(target, number), (picture.photo, picture.label, picture.prediction),
                                  strict=True):
                atomic_io.write_whole(path, data)
        index = {key: [{"name": picture.name, "score": picture.score} for picture in found[key]] for key in LISTS}
        atomic_io.write_json(target / "index.json", index)


def read_pictures(folder):
    """{"worst": [Picture], "best": [Picture]} of folder/gallery/; None if there is none. Raises DataError.

    What is read is checked: a photo and two maps of ids of one size.
    """
    source = pathlib.Path(folder) / "gallery"
    if not source.exists():
        return None
    try:
        if (source / "index.json").stat().st_size > MOST_BYTES:
            raise ValueError(f"index.json has more than {MOST_BYTES:,} bytes")
        index = json.loads((source / "index.json").read_bytes())
        rows = [(key, str(entry["name"]), float(entry["score"])) for key in LISTS for entry in index[key]]
        found: dict[str, list[Picture]] = {key: [] for key in LISTS}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise errors.DataError("cannot be read", where=source, why=repr(error), fix=confusion.AGAIN) from None
    for number, (key, name, score) in enumerate(rows):
        try:
            found[key].append(Picture(name, score, *_read(_paths(source, number))))
        except OSError as error:
            raise errors.DataError(f"cannot be read: {error.strerror}", where=error.filename or source,
                                   fix=confusion.AGAIN) from None
        except errors.DataError as error:  # that of any photo: --max-pixels would not help
            raise errors.DataError(error.what, where=error.where, why=error.why, fix=confusion.AGAIN) from None
    return found


def _paths(folder, number):
    return [folder / f"{number:02}-{ending}" for ending in ("photo.jpg", "label.png", "prediction.png")]


def _read(paths):
    """The bytes of a photo and two maps of ids, none larger than `Gallery` makes them. Raises DataError, OSError."""
    for path in paths:
        if path.stat().st_size > MOST_BYTES:
            raise errors.DataError(f"has more than {MOST_BYTES:,} bytes", where=path)
    photo = images.read_photo(paths[0], max_pixels=LONGEST_PX ** 2)
    sizes = [photo.shape[:2], *(ids(path).shape for path in paths[1:])]
    if len(set(sizes)) != 1:
        raise errors.DataError(f"photo, label and prediction have the sizes {sizes}", where=paths[0])
    return [path.read_bytes() for path in paths]


def ids(source):
    """uint8 (h, w): the ids of a PNG, a path or bytes. Raises DataError, OSError."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=("PNG",)) as image:
            if max(image.size) > LONGEST_PX:
                raise errors.DataError(f"has {image.width} x {image.height} pixels, more than {LONGEST_PX} a side",
                                       where=None if isinstance(source, bytes) else source)
            if image.mode not in ("P", "L"):
                raise errors.DataError(f"is no map of ids but an image of mode {image.mode}", where=source)
            return np.asarray(image)
    except images.DAMAGE as error:
        raise errors.DataError(f"is no PNG ({error})", where=None if isinstance(source, bytes) else source) from None


def id_png(label, palette, opacity=None):
    """The bytes of an 8-bit PNG with a palette: uint8 (h, w) ids and 256 (r, g, b); opacity: 256 values, or all opaque.

    No row is filtered, so that its ids are there for whoever unpacks the data (the page does).
    """
    image = Image.fromarray(label)
    image.putpalette(np.asarray(palette, np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", bits=8, compress_level=9, **({} if opacity is None else {"transparency": bytes(opacity)}))
    return file.getvalue()


def _jpeg(photo):
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()
