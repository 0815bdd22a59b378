"""Class ids as pixel values: PNG or BMP with one channel, with equal channels, with a palette (its indices), or 1 bit.

An opaque alpha channel is ignored.
"""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _channels

FORMATS = ("PNG", "BMP")  # lossless formats: JPEG changes ids at every edge
SUFFIXES = (".png", ".bmp")
SUFFIX = ".png"
WRITES_ID_PNG = True
MODES = ("L", "P", "1", "LA", "RGB", "RGBA", *images.SIXTEEN_BIT)


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) from the header. Raises DataError. Only read() finds channels that differ."""
    header = images.header(path, FORMATS, "label", max_pixels)
    _check_mode(header.mode, path)
    return header.height, header.width


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """Class ids as uint8 (height, width), as stored; indices of a palette, not its colours. Raises DataError."""
    with images.opened(path, FORMATS, "label", max_pixels) as image:
        _check_mode(image.mode, path)
        label = _channels.one(_channels.stored(image, path), path)
    if label.max(initial=0) > 255:
        raise errors.DataError(f"contains the id {label.max()}, expected 0 to 255", where=path,
                               fix="renumber the classes, from 0 to at most 255.")
    return np.ascontiguousarray(label, np.uint8)


def _check_mode(mode, path):
    if mode not in MODES:
        raise errors.DataError(f"has mode {mode}, expected one id per pixel", where=path, fix="save one id per pixel.")


def write(path, ids, spec):
    """Write a PNG with one channel of 8 bits."""
    images.write_png(path, np.asarray(ids, np.uint8))
