"""One image or label file -> one array; every odd format is converted, or refused with a reason.

Files are opened with Pillow and an explicit list of formats: any other decoder (and there are many, some of them
start other programs) is never reached. Written files go through imageio.
"""

import contextlib
import pathlib
import stat
import warnings

import imageio.v3 as imageio
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fcn import errors

PHOTO_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
LABEL_FORMATS = ("PNG", "BMP")  # formats without loss: a JPEG smears class ids at every edge
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
LABEL_SUFFIXES = (".png", ".bmp")
MAX_PIXELS = 64_000_000  # far above ADE20K's largest; a larger header is more likely an attack or an accident
SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I")

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # our own limit is lower


def read_photo(path, upright=False):
    """uint8 (height, width, 3), RGB. Raises DataError.

    Grey is repeated, palettes are looked up, CMYK is converted, transparency is laid on white, 16 bits are scaled
    (not clipped) to 8. The raster is taken as stored, as labels are drawn on it; `upright` turns it as its EXIF
    orientation says, for photos without labels.
    """
    with _opened(path, PHOTO_FORMATS, "photo") as image:
        if upright:
            image = ImageOps.exif_transpose(image)
        if image.mode in SIXTEEN_BIT:
            grey = (np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2)
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
        if image.mode == "L" and image.format == "PNG":
            label = label // _grey_step(path)
    if label.max(initial=0) > 255:
        raise errors.DataError(f"label id {label.max()}; ids go up to 255", where=path)
    return np.ascontiguousarray(label, np.uint8)


def _grey_step(path):
    """What Pillow multiplies a grey PNG of 2 or 4 bits by, so that white is 255; 1 for 8 bits. (Not so palettes.)"""
    with pathlib.Path(path).open("rb") as file:
        bits = file.read(25)[24]  # of the header chunk, which comes first
    return 255 // (2 ** bits - 1)


@contextlib.contextmanager
def _opened(path, formats, kind):
    """The Pillow image of a regular file in one of `formats`, pixels read; whatever is wrong is a DataError."""
    path = pathlib.Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a FIFO would hang for ever
            raise errors.DataError("is not a regular file", where=path)
        with Image.open(path, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise errors.DataError(f"{image.width} x {image.height} pixels are more than the limit of "
                                       f"{MAX_PIXELS:,}", where=path)
            image.load()
            yield image
    except FileNotFoundError:
        raise errors.DataError(f"this {kind} is missing", where=path) from None
    except UnidentifiedImageError:
        raise errors.DataError(f"is not a {kind} in {' or '.join(formats)}: {_first_bytes(path)}", where=path,
                               cure="download or convert the file again.") from None
    except Image.DecompressionBombError as error:
        raise errors.DataError("claims too many pixels", where=path, why=str(error)) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, OSError) and error.errno:  # the system's complaint, not the decoder's
            raise errors.DataError(f"cannot be read: {error.strerror}", where=path) from None
        raise errors.DataError(f"cannot be decoded ({error}); the file has {path.stat().st_size:,} bytes",
                               where=path, cure="download or copy the file again.") from None


def _first_bytes(path):
    with path.open("rb") as file:
        start = file.read(16)
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
