"""Clothing Co-Parsing: a MATLAB file whose variable `groundtruth` is the map of ids."""

import io

import numpy as np
import scipy.io

from fcn.core import atomic_io, errors
from fcn.data import images
from fcn.data.label_formats import _mat5

NAME = "groundtruth"
SUFFIXES = (".mat",)
SUFFIX = ".mat"


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) by the variable's head. Raises DataError."""
    height, width = _mat5.shape(path, NAME)
    if height * width > max_pixels:
        raise errors.DataError(f"{width} x {height} pixels are more than the limit of {max_pixels:,}", where=path)
    return height, width


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width). The type does not matter (MATLAB saved doubles), the values do. Raises DataError."""
    values = _mat5.read(path, NAME, max_pixels)
    with np.errstate(invalid="ignore"):  # NaN is unequal to itself, so refused
        ids = values.astype(np.uint8)
    wrong = values[ids != values]
    if wrong.size:
        raise errors.DataError(f"`{NAME}` holds {wrong.flat[0]}, which is no id from 0 to 255", where=path)
    return np.ascontiguousarray(ids)


def write(path, ids, spec):
    """A compressed MATLAB 5 file with the uint8 array `groundtruth`."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {NAME: np.asarray(ids, np.uint8)}, do_compression=True)
    atomic_io.write_whole(path, buffer.getvalue())
