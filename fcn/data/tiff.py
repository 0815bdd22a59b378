"""Decode TIFF files with one image of any number of bands. Compressed files need imagecodecs, which tifffile calls.

Reduced copies of the image (overviews) and transparency masks in a file are not read.
"""

import contextlib
import dataclasses
import logging
import math
import pathlib

import numpy as np
import tifffile

from fcn.core import errors, file_kinds
from fcn.data.spec import MAX_PIXELS

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # it reports every damaged tag, also unimportant ones

SUFFIXES = (".tif", ".tiff")
# Foreign files are not trusted: of imagecodecs' many decoders, only these are called.
COMPRESSIONS = ("NONE", "LZW", "JPEG", "DEFLATE", "ADOBE_DEFLATE", "PACKBITS", "LZMA", "ZSTD")
COLOURS = ("MINISWHITE", "MINISBLACK", "RGB", "PALETTE", "SEPARATED", "YCBCR")
BANDS_AT_THE_LIMIT = 4  # an image with more bands must have fewer pixels than max_pixels
ONE_PAGE = "tifffile.imwrite(path, array, photometric=\"minisblack\", planarconfig=\"contig\")"


@dataclasses.dataclass(frozen=True)
class Header:
    """Header of a TIFF file. height, width: in pixels, as stored. bits: of a value, 8 or 16.

    orientation: the value of the tag, 1 to 8. palette: uint8 (256, 3), or None; the values are then its indices.
    """

    height: int
    width: int
    bands: int
    bits: int
    orientation: int = 1
    palette: np.ndarray | None = None


def header(path, max_pixels=MAX_PIXELS):
    """The Header of a TIFF file. Raises DataError, also for a file that read() cannot decode."""
    with _page(path, max_pixels) as page:
        return _header(page)


def read(path, max_pixels=MAX_PIXELS):
    """Stored values of a TIFF file: uint8 or uint16 (height, width), or (height, width, bands) of several bands.

    Bands may be stored as planes. Palette indices are not replaced by colours. Where the file says that 0 is white,
    values are inverted, so that 0 is black. Raises DataError.
    """
    with _page(path, max_pixels) as page:
        values = page.asarray(maxworkers=1)
    if page.axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return ~values if page.photometric.name == "MINISWHITE" else values


@contextlib.contextmanager
def _page(path, max_pixels):
    """Context manager of the one page of a TIFF file, checked. Converts all errors inside it to DataError."""
    path = pathlib.Path(path)
    try:
        file_kinds.check_regular(path)
        with tifffile.TiffFile(path) as file:
            pages = [page for page in file.pages if not getattr(page, "subfiletype", 0) & 5]  # 1: reduced copy, 4: mask
            _check(path, pages, path.stat().st_size, max_pixels)
            yield pages[0]
    except errors.DataError:
        raise
    except MemoryError:
        raise errors.DataError("does not fit into memory", where=path, fix="make it smaller.") from None
    except Exception as error:  # for a damaged file, the decoders raise many types
        if isinstance(error, OSError) and error.errno:
            raise errors.DataError(f"cannot be read: {error.strerror}", where=path,
                                   fix=errors.reading_fix(error)) from None
        if isinstance(error, tifffile.TiffFileError):
            what, fix = file_kinds.described(path, "image", ("TIFF",))
            raise errors.DataError(what, where=path, fix=fix) from None
        raise _damaged(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from None


def _damaged(path, why):
    return errors.DataError(f"cannot be decoded ({why}); the file has {path.stat().st_size:,} bytes", where=path,
                            fix="download or copy the file again.")


def _header(page):
    colours = page.photometric.name == "PALETTE" and (page.colormap >> 8).astype(np.uint8).T
    tag = page.tags.get("Orientation")
    return Header(page.imagelength, page.imagewidth, page.samplesperpixel, page.dtype.itemsize * 8,
                  int(tag.value) if tag and tag.value in range(1, 9) else 1, None if colours is False else colours)


def _check(path, pages, file_size, max_pixels):
    """Raise DataError unless these are one page that can be decoded."""
    if not pages:
        raise _damaged(path, "it has no image")
    if len(pages) > 1:
        raise errors.DataError(f"has {len(pages)} pages, expected one image", where=path,
                               fix="save each page as its own file; if the pages are bands of one image, save it as an "
                                   f"array of (height, width, bands): {ONE_PAGE}.")
    page = pages[0]
    size = page.imagelength, page.imagewidth
    if page.imagedepth != 1 or 0 in size:
        raise errors.DataError(f"has the shape {page.shape}, expected (height, width) or (height, width, bands)",
                               where=path, fix=f"save such an array: {ONE_PAGE}.")
    check_size(path, size, page.samplesperpixel, max_pixels)
    if math.prod(page.chunks) > BANDS_AT_THE_LIMIT * max_pixels:
        raise _damaged(path, f"it has tiles of {page.chunks}")
    _check_format(path, page)
    places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(places) != math.prod(page.chunked) or any(offset + size > file_size for offset, size in places):
        raise _damaged(path, "pixels are missing")


def check_size(path, size_px, bands, max_pixels):
    """Raise DataError if an image of size_px = (height, width) needs more memory than max_pixels pixels of 4 bands."""
    if size_px[0] * size_px[1] * max(1, bands / BANDS_AT_THE_LIMIT) > max_pixels:
        of = f" of {bands} bands" if bands > BANDS_AT_THE_LIMIT else ""
        raise errors.DataError(f"{size_px[0]}x{size_px[1]} pixels{of} are more than the limit of {max_pixels:,}",
                               where=path, fix="if this size is right, raise --max-pixels.")


def _check_format(path, page):
    if page.dtype not in (np.uint8, np.uint16):
        name = f"{page.bitspersample} bits" if page.dtype is None or page.dtype == bool else str(page.dtype)
        raise errors.DataError(f"has values of {name}, expected 8 or 16 bits without sign", where=path,
                               fix="scale the values to 0-255 or 0-65535 and save them as uint8 or uint16.")
    for name, found, known in (("compression", page.compression, COMPRESSIONS), ("colours", page.photometric, COLOURS)):
        if getattr(found, "name", None) not in known:
            raise errors.DataError(f"has the {name} {getattr(found, 'name', found)}, expected {' or '.join(known)}",
                                   where=path, fix=f"save it as {known[0] if name == 'compression' else 'RGB'}.")
    if page.photometric.name == "YCBCR" and page.compression.name != "JPEG":
        raise errors.DataError("has the colours YCBCR without JPEG compression", where=path, fix="save it as RGB.")
