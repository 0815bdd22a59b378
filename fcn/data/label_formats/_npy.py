"""Read .npy files with one number per pixel, or a few channels. Nothing is unpickled."""

import contextlib
import dataclasses
import math
import pathlib

import numpy as np

from fcn.core import errors, file_kinds, npz_file
from fcn.data import images

SUFFIX = ".npy"
DAMAGE = (ValueError, EOFError, SyntaxError, TypeError, RecursionError)  # raised by NumPy
KINDS = "biuf"  # dtype.kind: bool, integers, floats
MOST_CHANNELS = 4


@dataclasses.dataclass(frozen=True)
class Header:
    """Header of a .npy file: height and width in pixels, and number of channels."""

    height: int
    width: int
    channels: int


def header(path, max_pixels=images.MAX_PIXELS):
    """The Header of a file. Raises DataError, also for a file that read() cannot use."""
    path = pathlib.Path(path)
    with _data_errors(path):
        file_kinds.check_regular(path)
        with path.open("rb") as file:
            shape, _, dtype = npz_file.header(file, path.name)
            start = file.tell()
        if dtype.kind not in KINDS or len(shape) not in (2, 3) or not all(shape) or not (
                1 <= math.prod(shape[2:]) <= MOST_CHANNELS):
            raise errors.DataError(f"is an array {shape} of {dtype}, expected numbers (height, width)", where=path,
                                   fix="save one id per pixel, as an array of integers (height, width).")
        if shape[0] * shape[1] > max_pixels:
            raise errors.DataError(f"{shape[0]}x{shape[1]} pixels are more than the limit of {max_pixels:,}",
                                   where=path, fix="if this size is right, raise --max-pixels.")
        if path.stat().st_size - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"it claims {shape} of {dtype}")
    return Header(shape[0], shape[1], math.prod(shape[2:]))


def read(path, max_pixels=images.MAX_PIXELS):
    """The array: (h, w), or (h, w, channels) of 2 to 4 channels, of bool, integers or floats. Raises DataError."""
    found = header(path, max_pixels)
    with _data_errors(pathlib.Path(path)):
        array = np.load(path, allow_pickle=False)
    return array.reshape(found.height, found.width) if found.channels == 1 else array


@contextlib.contextmanager
def _data_errors(path):
    """Convert NumPy's errors for a damaged file to DataError."""
    try:
        yield
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path,
                               fix=errors.reading_fix(error)) from None
    except DAMAGE as error:
        why = file_kinds.why_unreadable(path, str(error).split("\n")[0], "a NumPy array (.npy)")
        raise errors.DataError(f"is not a usable .npy file ({path.stat().st_size:,} bytes)", where=path, why=why,
                               fix="download or copy the file again.") from None
    except MemoryError:
        raise errors.DataError("does not fit into memory", where=path, fix="make it smaller.") from None
