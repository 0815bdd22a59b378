"""Read images and labels in NumPy's .npy files: (height, width) or (height, width, bands) of uint8 or uint16."""

import pathlib

import numpy as np

from fcn.core import errors, file_kinds
from fcn.data import tiff
from fcn.data.spec import MAX_PIXELS

SUFFIXES = (".npy",)
SHAPES = "(height, width) or (height, width, bands) of uint8 or uint16"


def header(path, max_pixels=MAX_PIXELS):
    """The tiff.Header of an .npy file. Raises DataError."""
    array = _mapped(path, max_pixels)
    return tiff.Header(array.shape[0], array.shape[1], _bands(array), array.dtype.itemsize * 8)


def read(path, max_pixels=MAX_PIXELS):
    """The array of an .npy file: uint8 or uint16 (height, width), or (height, width, bands) of several bands.

    Nothing is unpickled. Raises DataError.
    """
    array = _mapped(path, max_pixels)
    array = array.astype(array.dtype.newbyteorder("="))  # into memory
    return array[..., 0] if array.shape[2:] == (1,) else array


def _mapped(path, max_pixels):
    path = pathlib.Path(path)
    file_kinds.check_regular(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror or error}", where=path,
                               fix=errors.reading_fix(error)) from None
    except (ValueError, EOFError, SyntaxError, TypeError) as error:
        raise errors.DataError("is not an array that can be read",
                               why=file_kinds.why_unreadable(path, error, "a NumPy array (.npy)"), where=path,
                               fix="save it again with numpy.save, as numbers.") from None
    if not isinstance(array, np.ndarray) or array.ndim not in (2, 3) or 0 in array.shape or (
            array.dtype.newbyteorder("=") not in (np.uint8, np.uint16)):
        raise errors.DataError(f"holds {getattr(array, 'dtype', 'several arrays')} {getattr(array, 'shape', '')}, "
                               f"expected {SHAPES}", where=path, fix="save such an array with numpy.save.")
    tiff.check_size(path, array.shape[:2], _bands(array), max_pixels)
    return array


def _bands(array):
    return array.shape[2] if array.ndim == 3 else 1
