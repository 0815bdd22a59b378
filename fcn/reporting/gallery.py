"""Thumbnails of the images with the lowest and the highest scores of an evaluation.

`Gallery` collects them during the evaluation and writes them; `read_pictures` reads them for report.html. Files:

gallery/index.json  {"worst": [{"name", "score"}, ...], "best": [...]}, the worst and the best image first
gallery/00-photo.jpg 00-label.png 00-prediction.png ...  numbered through both lists

A PNG stores one class id per pixel, with the data set's colours as its palette.
"""

import base64
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

LONGEST_PX = 480  # longer side of a thumbnail
QUALITY = 80  # JPEG quality of photos
LISTS = ("worst", "best")
MOST_BYTES = 4_000_000  # limit for a file that is read back, ten times the size of a written one


@dataclasses.dataclass(frozen=True)
class Picture:
    """One image: photo (bytes of a JPEG), label and prediction (bytes of PNGs of class ids), all of the same size."""

    name: str
    score: float
    photo: bytes
    label: bytes
    prediction: bytes


class Gallery:
    """Keep the `count` images with the lowest scores and the `count` with the highest; of equal scores, the earlier."""

    def __init__(self, spec, count=6):
        self.palette, self.id_dtype, self.count = spec.palette(), spec.id_dtype, count
        self._kept: list[tuple[tuple[float, int], Picture]] = []  # sorted by score; the middle is dropped
        self._offered = 0

    def offer(self, name, score, photo, label, prediction, number=None):
        """Keep a thumbnail of this image if its score is among the lowest or highest so far.

        photo: uint8 (h, w, 3) RGB; label, prediction: (h, w) class ids. score: float; an image without labelled
        pixels has NaN and is skipped. number: of the image in the evaluation; default: that of this call.
        """
        if math.isnan(score):
            return
        key = (float(score), self._offered if number is None else number)
        self._offered += 1
        if not self._is_wanted(key):
            return
        photo, label, prediction = (render.shrunk(array, LONGEST_PX) for array in (photo, label, prediction))
        maps = [id_png(ids.astype(self.id_dtype), self.palette) for ids in (label, prediction)]
        self._keep(key, Picture(name, float(score), jpeg(photo), *maps))

    def _is_wanted(self, key):
        return len(self._kept) < 2 * self.count or not (
            self._kept[self.count - 1][0] < key < self._kept[self.count][0])

    def _keep(self, key, picture):
        bisect.insort(self._kept, (key, picture), key=lambda entry: entry[0])
        if len(self._kept) > 2 * self.count:
            del self._kept[self.count]

    def parts(self):
        """What is kept, as a list that JSON can hold, for add() of the gallery of another worker."""
        return [[*key, picture.name, *(base64.b64encode(data).decode() for data in (
            picture.photo, picture.label, picture.prediction))] for key, picture in self._kept]

    def add(self, parts):
        """Keep of the parts() of another gallery what is among the lowest or highest."""
        for score, number, name, *data in parts:
            if self._is_wanted((score, number)):
                self._keep((score, number), Picture(name, score, *map(base64.b64decode, data)))

    def lists(self):
        """Return {"worst": [Picture], "best": [Picture]}. Fewer than 2 * count images are split into two halves."""
        kept, half = [picture for _, picture in self._kept], (len(self._kept) + 1) // 2
        return dict(zip(LISTS, (kept[:half], kept[half:][::-1]), strict=True))

    def write(self, folder):
        """Write folder/gallery/. Raises OSError, also if the folder exists."""
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
    """Read folder/gallery/: {"worst": [Picture], "best": [Picture]}, or None if there is no gallery.

    Raises DataError if a file is missing or damaged, or if photo, label and prediction differ in size.
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
        except errors.DataError as error:  # its fix is for data set images: --max-pixels does not help here
            raise errors.DataError(error.what, where=error.where, why=error.why, fix=confusion.AGAIN) from None
    return found


def _paths(folder, number):
    return [folder / f"{number:02}-{ending}" for ending in ("photo.jpg", "label.png", "prediction.png")]


def _read(paths):
    """Return the checked bytes of a photo, its label and its prediction. Raises DataError, OSError."""
    for path in paths:
        if path.stat().st_size > MOST_BYTES:
            raise errors.DataError(f"has more than {MOST_BYTES:,} bytes", where=path, fix=confusion.AGAIN)
    photo = images.read_image(paths[0], max_pixels=LONGEST_PX ** 2)
    sizes = [photo.shape[:2], *(ids(path).shape for path in paths[1:])]
    if len(set(sizes)) != 1:
        raise errors.DataError(f"photo, label and prediction differ in size: {sizes}", where=paths[0],
                               fix=confusion.AGAIN)
    return [path.read_bytes() for path in paths]


def ids(source):
    """Decode a PNG of class ids (a path or bytes) to uint8 or uint16 (h, w). Raises DataError, OSError."""
    where = None if isinstance(source, bytes) else source
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=("PNG",)) as image:
            if max(image.size) > LONGEST_PX:
                raise errors.DataError(f"has {image.height}x{image.width} pixels, expected at most {LONGEST_PX} per "
                                       "side", where=where, fix=confusion.AGAIN)
            if image.mode not in ("P", "L", "I;16"):
                raise errors.DataError(f"has image mode {image.mode}, expected P, L or I;16 (class ids)", where=where,
                                       fix=confusion.AGAIN)
            return np.asarray(image)
    except images.DAMAGE as error:
        raise errors.DataError(f"is not a PNG ({error})", where=where, fix=confusion.AGAIN) from None


def id_png(label, palette, opacity=None):
    """Encode class ids as an 8-bit PNG with a palette and return its bytes; ids of 16 bits without a palette.

    label: uint8 or uint16 (h, w). palette: 256 (r, g, b), 0-255. opacity: 256 alpha values, 0-255; None makes all
    opaque. Pillow does not filter the rows of palette images. The script of report.html relies on that to read the ids.
    """
    image, file = Image.fromarray(label), io.BytesIO()
    if label.dtype == np.uint16:
        image.save(file, "PNG")
        return file.getvalue()
    image.putpalette(np.asarray(palette, np.uint8).tobytes())
    image.save(file, "PNG", bits=8, compress_level=9, **({} if opacity is None else {"transparency": bytes(opacity)}))
    return file.getvalue()


def jpeg(photo):
    """Encode uint8 (h, w, 3) as a JPEG and return its bytes."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()
