"""The class id is the pixel: PNG or BMP of one channel, of equal channels, a palette's indices, or single bits.

An alpha channel that is opaque everywhere says nothing and is left aside.
"""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _channels

FORMATS = ("PNG", "BMP")  # without loss: a JPEG smears ids at every edge
SUFFIXES = (".png", ".bmp")
SUFFIX = ".png"
WRITES_ID_PNG = True
MODES = ("L", "P", "1", "LA", "RGB", "RGBA", *images.SIXTEEN_BIT)


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) by the header; whether the channels of a file of several are equal, only read() sees.

    Raises DataError.
    """
    header = images.header(path, FORMATS, "label", max_pixels)
    _check_mode(header.mode, path)
    return header.height, header.width


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width): the ids as stored; a palette's indices, not its colours. Raises DataError."""
    with images.opened(path, FORMATS, "label", max_pixels) as image:
        _check_mode(image.mode, path)
        label = _channels.one(_channels.stored(image, path), path)
    if label.max(initial=0) > 255:
        raise errors.DataError(f"label id {label.max()}; ids go up to 255", where=path,
                               fix="number the classes again, from 0 to at most 255.")
    return np.ascontiguousarray(label, np.uint8)


def _check_mode(mode, path):
    if mode not in MODES:
        raise errors.DataError(f"a label holds one id a pixel, this file has mode {mode}", where=path,
                               fix="save one id a pixel.")


def write(path, ids, spec):
    """A PNG of 8 bits and one channel."""
    images.write_png(path, np.asarray(ids, np.uint8))
