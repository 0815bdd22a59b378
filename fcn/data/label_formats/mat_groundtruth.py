"""Clothing Co-Parsing: a MATLAB file with the class ids in the variable `groundtruth`."""

import io

import numpy as np
import scipy.io

from fcn.core import atomic_io, errors
from fcn.data import images
from fcn.data.label_formats import _mat5, _stored

NAME = "groundtruth"
SUFFIXES = (".mat",)
SUFFIX = ".mat"


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) from the header of the variable. Raises DataError."""
    height, width = _mat5.shape(path, NAME)
    if height * width > max_pixels:
        raise errors.DataError(f"{height}x{width} pixels are more than the limit of {max_pixels:,}", where=path,
                               fix="if this size is right, raise --max-pixels.")
    return height, width


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """Class ids as uint8 or uint16 (height, width), from an array of any numeric dtype. Raises DataError for others."""
    return _stored.as_ids(_mat5.read(path, NAME, max_pixels), path)


def write(path, ids, spec):
    """Write a compressed MATLAB 5 file with the array `groundtruth`, uint8 or uint16."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {NAME: np.asarray(ids, spec.id_dtype)}, do_compression=True)
    atomic_io.write_whole(path, buffer.getvalue())
