"""Class ids as pixel values of a lossless file: PNG, BMP, GIF, TIFF or .npy.

The file has one channel, equal channels, a palette (its indices; of a GIF, its grey values) or 1 bit. An opaque alpha
channel is ignored.
"""

import numpy as np

from fcn.data import images
from fcn.data.label_formats import _stored

SUFFIXES = _stored.SUFFIXES
SUFFIX = ".png"
WRITES_ID_PNG = True
size = _stored.size  # only read() finds channels that differ


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """Class ids as uint8 or uint16 (height, width), as stored; indices of a palette, not its colours. Raises DataError.

    uint16 if an id is above 255.
    """
    return _stored.ids(path, max_pixels)


def write(path, ids, spec):
    """Write a PNG with one channel, of 8 bits, or 16 if an id of the spec is above 255."""
    images.write_png(path, np.asarray(ids, spec.id_dtype))
