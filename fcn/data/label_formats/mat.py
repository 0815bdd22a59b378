"""Class ids in a MATLAB 5 file: the array of one of NAMES, of any numeric dtype.

Negative values, which mean "unlabelled" in SIFT Flow's GeoLabels, are read as 0.
"""

import io

import numpy as np

from fcn.core import atomic_io, errors
from fcn.data import images
from fcn.data.label_formats import _mat5, _stored

NAMES = (
    "groundtruth",          # Clothing Co-Parsing
    "LabelMap",             # PASCAL-Context
    "segmentation",         # NYUDv2, by the authors of FCN
    "S",                    # SIFT Flow
    "GTcls.Segmentation",   # Semantic Boundaries: a field of a struct
)
SUFFIXES = (".mat",)
SUFFIX = ".mat"


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) from the header of the array. Raises DataError."""
    return size_of(path, NAMES, max_pixels)


def size_of(path, names, max_pixels):
    """size() of the array of one of these names."""
    height, width = _mat5.shape(path, names)
    if height * width > max_pixels:
        raise errors.DataError(f"{height}x{width} pixels are more than the limit of {max_pixels:,}", where=path,
                               fix="if this size is right, raise --max-pixels.")
    return height, width


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """Class ids as uint8 or uint16 (height, width). Raises DataError."""
    values = _mat5.read(path, NAMES, max_pixels)
    return _stored.as_ids(values if values.dtype.kind == "u" else np.maximum(values, 0), path)


def write(path, ids, spec):
    """Write a compressed MATLAB 5 file with the array `groundtruth`, uint8 or uint16."""
    import scipy.io  # takes 0.1 s; --help does without
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {NAMES[0]: np.asarray(ids, spec.id_dtype)}, do_compression=True)
    atomic_io.write_whole(path, buffer.getvalue())
