"""One image or label file -> one array; every odd format is converted, or refused with a reason.

Files are opened with Pillow and an explicit list of formats: any other decoder (and there are many, some of them
start other programs) is never reached. Written files go through imageio.
"""

import pathlib
import stat
import warnings

import imageio.v3 as imageio
import numpy as np
from PIL import Image, UnidentifiedImageError

from fcn import errors

PHOTO_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
LABEL_FORMATS = ("PNG", "BMP")  # formats without loss: a JPEG smears class ids at every edge
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
LABEL_SUFFIXES = (".png", ".bmp")
MAX_PIXELS = 64_000_000  # far above ADE20K's largest; a larger header is more likely an attack or an accident
SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I")


def read_photo(path):
    """uint8 (height, width, 3), RGB. Raises DataError.

    Grey is repeated, palettes are looked up, CMYK is converted, transparency is laid on white, 16 bits are scaled
    (not clipped) to 8. The raster is taken as stored: EXIF orientation is not applied, as labels are drawn on it.
    """
    with _opened(path, PHOTO_FORMATS, "photo") as image:
        if image.mode in SIXTEEN_BIT:
            grey = np.asarray(image).astype(np.int64)
            return np.repeat((grey >> 8 if grey.max(initial=0) > 255 else grey).astype(np.uint8)[..., None], 3, axis=2)
        if image.mode == "F":
            raise errors.DataError("floating-point photos are not supported", where=path, cure="save it with 8 bits.")
        if "A" in image.mode or "transparency" in image.info:
            photo = image.convert("RGBA")
            paper = Image.new("RGBA", photo.size, "white")
            return np.array(Image.alpha_composite(paper, photo).convert("RGB"))
        return np.array(image.convert("RGB"))


def read_label(path):
    """uint8 (height, width): the ids as stored; a palette's indices, not its colours. Raises DataError."""
    with _opened(path, LABEL_FORMATS, "label") as image:
        if image.mode not in ("L", "P", "1", *SIXTEEN_BIT):
            raise errors.DataError(
                f"a label holds one id a pixel, this file has mode {image.mode}", where=path,
                cure="if this is the full ADE20K, take the benchmark's ADEChallengeData2016; "
                     "if ids are colours, convert them to ids first.")
        label = np.asarray(image)
    if label.max(initial=0) > 255:
        raise errors.DataError(f"label id {label.max()}; ids go up to 255", where=path)
    return np.ascontiguousarray(label, np.uint8)


def read_size(path, formats=PHOTO_FORMATS + LABEL_FORMATS):
    """(height, width) from the header alone. Raises DataError."""
    with _opened(path, formats, "image", load=False) as image:
        return image.height, image.width


class _opened:
    """Context: the Pillow image of a regular file in one of `formats`, its pixels read; problems are DataError."""

    def __init__(self, path, formats, kind, load=True):
        self.path, self.formats, self.kind, self.load = pathlib.Path(path), formats, kind, load

    def __enter__(self):
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):  # a FIFO would hang for ever
                raise errors.DataError("is not a regular file", where=self.path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's size warning; our own limit is lower
                self.image = Image.open(self.path, formats=self.formats)
                if self.image.width * self.image.height > MAX_PIXELS:
                    raise errors.DataError(f"{self.image.width} x {self.image.height} pixels are more than the limit "
                                           f"of {MAX_PIXELS:,}", where=self.path)
                if self.load:
                    self.image.load()
            return self.image
        except errors.DataError:
            raise
        except FileNotFoundError:
            raise errors.DataError(f"this {self.kind} is missing", where=self.path) from None
        except UnidentifiedImageError:
            raise errors.DataError(f"is not a {self.kind} in {' or '.join(self.formats)}: {self._first_bytes()}",
                                   where=self.path, cure="download or convert the file again.") from None
        except Image.DecompressionBombError as error:
            raise errors.DataError("claims too many pixels", where=self.path, why=str(error)) from None
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise errors.DataError(f"cannot be decoded ({error}); the file has {self._bytes():,} bytes",
                                   where=self.path, cure="download or copy the file again.") from None

    def __exit__(self, *_):
        self.image.close()

    def _bytes(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def _first_bytes(self):
        start = self.path.read_bytes()[:16] if self._bytes() < 1 << 30 else b""
        return f"it starts with {start!r}" if start else "it is empty"


def resize_photo(photo, size_px):
    """uint8 (h, w, 3) -> (height, width, 3). Bilinear; when shrinking, over the whole area a pixel stands for."""
    return _resized(photo, size_px, Image.Resampling.BILINEAR)


def resize_label(label, size_px):
    """uint8 (h, w) -> (height, width) by nearest neighbour, pixel centres over pixel centres. No other way exists."""
    return _resized(label, size_px, Image.Resampling.NEAREST)


def _resized(array, size_px, how):
    if array.shape[:2] == tuple(size_px):
        return array
    return np.asarray(Image.fromarray(array).resize((size_px[1], size_px[0]), how))


def write_png(path, array):
    """Write uint8 (h, w) or (h, w, 3), aside and renamed, so that a reader never sees half a file."""
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.tmp")
    imageio.imwrite(aside, array, extension=".png")
    aside.replace(path)
