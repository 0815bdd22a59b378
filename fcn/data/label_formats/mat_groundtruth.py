"""Clothing Co-Parsing: a MATLAB file with the class ids in the variable `groundtruth`.

mat.py reads other arrays too, and takes negative values as 0, which is a class here.
"""

from fcn.data import images
from fcn.data.label_formats import _mat5, _stored, mat

NAME = mat.NAMES[0]
SUFFIXES, SUFFIX, write = mat.SUFFIXES, mat.SUFFIX, mat.write


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) from the header of the variable. Raises DataError."""
    return mat.size_of(path, NAME, max_pixels)


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """Class ids as uint8 or uint16 (height, width), from an array of any numeric dtype. Raises DataError for others."""
    return _stored.as_ids(_mat5.read(path, NAME, max_pixels), path)
