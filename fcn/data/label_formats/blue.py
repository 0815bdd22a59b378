"""The class id is the value of the blue channel of an RGB label; red and green mean nothing."""

import numpy as np

from fcn.data import images
from fcn.data.label_formats import _rgb

SUFFIXES = _rgb.SUFFIXES
SUFFIX = ".png"
size = _rgb.size


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width). Raises DataError."""
    return np.ascontiguousarray(_rgb.read(path, max_pixels)[..., 2])


def write(path, ids, spec):
    """An RGB PNG whose red and green are 0."""
    ids = np.asarray(ids, np.uint8)
    images.write_png(path, np.stack([np.zeros_like(ids), np.zeros_like(ids), ids], axis=-1))
