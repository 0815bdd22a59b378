"""Read NumPy's .npy files: images of uint8 or uint16, and labels of any numbers. Nothing is unpickled."""

import contextlib
import dataclasses
import math
import pathlib

import numpy as np

from fcn.core import errors, file_kinds, npz_file
from fcn.data import tiff
from fcn.data.spec import MAX_PIXELS

SUFFIXES = (".npy",)
DAMAGE = (ValueError, EOFError, SyntaxError, TypeError, RecursionError)  # raised by NumPy


@dataclasses.dataclass(frozen=True)
class _Content:
    """What a file may hold. expected, fix: for messages."""

    dtypes: tuple
    most_bands: float
    expected: str
    fix: str


IMAGE = _Content(("u1", "u2"), math.inf, "(height, width) or (height, width, bands) of uint8 or uint16",
                 "save such an array with numpy.save.")
LABEL = _Content(("?", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8"), 4,
                 "numbers (height, width)", "save one id per pixel, as an array of integers (height, width).")


def header(path, max_pixels=MAX_PIXELS):
    """The tiff.Header of an image. Raises DataError, also for a file that read() cannot use."""
    return _header(path, max_pixels, IMAGE)


def read(path, max_pixels=MAX_PIXELS):
    """An image: uint8 or uint16 (height, width), or (height, width, bands) of several bands. Raises DataError."""
    return _read(path, max_pixels, IMAGE)


def label_header(path, max_pixels=MAX_PIXELS):
    """The tiff.Header of a label. Raises DataError, also for a file that read_label() cannot use."""
    return _header(path, max_pixels, LABEL)


def read_label(path, max_pixels=MAX_PIXELS):
    """A label: (h, w), or (h, w, channels) of 2 to 4 channels, of bool, integers or floats. Raises DataError."""
    return _read(path, max_pixels, LABEL)


def _header(path, max_pixels, content):
    path = pathlib.Path(path)
    with _data_errors(path):
        file_kinds.check_regular(path)
        with path.open("rb") as file:
            shape, _, dtype = npz_file.header(file, path.name)
            start = file.tell()
        bands = math.prod(shape[2:])
        if len(shape) not in (2, 3) or not all(shape) or bands > content.most_bands or \
                dtype.newbyteorder("=") not in [np.dtype(kind) for kind in content.dtypes]:
            pickled = ", which is a pickle" if dtype.hasobject else ""
            raise errors.DataError(f"is an array {shape} of {dtype}{pickled}, expected {content.expected}", where=path,
                                   fix=content.fix)
        tiff.check_size(path, shape[:2], bands, max_pixels)
        if path.stat().st_size - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"it claims {shape} of {dtype}")
    return tiff.Header(shape[0], shape[1], bands, dtype.itemsize * 8)


def _read(path, max_pixels, content):
    found = _header(path, max_pixels, content)
    with _data_errors(pathlib.Path(path)):
        array = np.load(path, allow_pickle=False)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array.reshape(found.height, found.width) if found.bands == 1 else array


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
