"""A NumPy array of class ids, uint8 (height, width), in a .npy file."""

import numpy as np

from fcn.core import errors

SUFFIXES = (".npy",)
SUFFIX = ".npy"


def size(path, max_pixels):
    return read(path, None, max_pixels).shape


def read(path, spec, max_pixels):
    try:
        return np.load(path)
    except ValueError:
        raise errors.DataError("is not a NumPy array", where=path) from None


def write(path, ids, spec):
    np.save(path, ids)
