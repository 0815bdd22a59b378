"""Stored values of lossless label files: PNG, BMP, GIF, TIFF, NumPy arrays (.npy). The suffix decides between them.

Writers of GIF renumber the colours of a file, so the index of a GIF's pixel has no meaning: its colour is read.
"""

import pathlib

import numpy as np

from fcn.core import errors
from fcn.data import images, npy, tiff
from fcn.data.label_formats import _channels

FORMATS = ("PNG", "BMP", "GIF")  # of Pillow; JPEG changes ids at every edge
SUFFIXES = (".png", ".bmp", ".gif", *tiff.SUFFIXES, *npy.SUFFIXES)
MODES = ("L", "P", "1", "LA", "RGB", "RGBA", *images.SIXTEEN_BIT)
MOST_ID = 65535


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) from the header. Raises DataError."""
    if is_array(path):
        header = tiff.header(path, max_pixels) if _is_tiff(path) else npy.label_header(path, max_pixels)
    else:
        header = images.header(path, FORMATS, "label", max_pixels)
        _check(header.mode, header.format, header.frames, path)
    return header.height, header.width


def values(path, max_pixels=images.MAX_PIXELS, shown=False):
    """Stored values: (h, w) or (h, w, channels) of integers, or of floats of a .npy file; without opaque alpha.

    Of a palette file other than GIF, its indices. shown: values as displayed, with palettes applied and greys of fewer
    than 8 bits scaled to 0-255. Raises DataError, also for transparent pixels.
    """
    if is_array(path):
        array = _tiff_values(path, max_pixels, shown) if _is_tiff(path) else npy.read_label(path, max_pixels)
        return _channels.without_alpha(array, path)
    with images.opened(path, FORMATS, "label", max_pixels) as image:
        _check(image.mode, image.format, getattr(image, "n_frames", 1), path)
        if image.format == "GIF" or (shown and image.mode == "P"):
            return _channels.without_alpha(np.asarray(image.convert("RGBA")), path)
        if shown and image.mode in ("1", "L"):
            return np.asarray(image.convert("L"))
        return _channels.stored(image, path)


def ids(path, max_pixels=images.MAX_PIXELS):
    """Ids of a label file with one value per pixel, or with equal channels: see as_ids(). Raises DataError."""
    return as_ids(_channels.one(values(path, max_pixels), path), path)


def as_ids(numbers, path):
    """uint8 (h, w) of whole numbers, or uint16 if one is above 255. Raises DataError for others, and above 65535."""
    if numbers.dtype in (np.uint8, bool):
        return np.ascontiguousarray(numbers, np.uint8)
    with np.errstate(invalid="ignore"):  # NaN differs from itself, so it is refused below
        found = numbers.astype(np.uint16)
    wrong = numbers[found != numbers]
    if wrong.size:
        raise errors.DataError(f"contains {wrong.flat[0]}, expected ids from 0 to {MOST_ID}", where=path,
                               fix=f"renumber the classes with whole numbers, from 0 to at most {MOST_ID}.")
    return np.ascontiguousarray(found, np.uint8 if found.max(initial=0) <= 255 else np.uint16)


def is_array(path):
    """Whether this is a TIFF or .npy file, which Pillow does not read here."""
    return _is_tiff(path) or pathlib.Path(path).suffix.lower() in npy.SUFFIXES


def check_frames(frames, path):
    """Raise DataError for an animation."""
    if frames > 1:
        raise errors.DataError(f"has {frames} frames, expected one", where=path, fix="save one frame as its own file.")


def _is_tiff(path):
    return pathlib.Path(path).suffix.lower() in tiff.SUFFIXES


def _tiff_values(path, max_pixels, shown):
    array, palette = tiff.read(path, max_pixels), tiff.header(path, max_pixels).palette if shown else None
    return array if palette is None else palette[array]


def _check(mode, file_format, frames, path):
    if mode not in MODES:
        raise errors.DataError(f"has mode {mode}, expected one id per pixel", where=path, fix="save one id per pixel.")
    check_frames(frames if file_format == "GIF" else 1, path)
