"""RGB labels with the class id in the blue channel. Red and green are ignored."""

import numpy as np

from fcn.data import images
from fcn.data.label_formats import _rgb

SUFFIXES = _rgb.SUFFIXES
SUFFIX = ".png"
size = _rgb.size


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """Class ids as uint8 (height, width). Raises DataError."""
    return np.ascontiguousarray(_rgb.read(path, max_pixels)[..., 2])


def write(path, ids, spec):
    """Write an RGB PNG with red and green 0."""
    ids = np.asarray(ids, np.uint8)
    images.write_png(path, np.stack([np.zeros_like(ids), np.zeros_like(ids), ids], axis=-1))
