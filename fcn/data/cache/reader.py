"""Opening a cache's file without trusting it. What is in it: file_format.py."""

import itertools
import math
import shlex

import h5py
import numpy as np

from fcn.core import errors, file_kinds, ownership
from fcn.data.cache import file_format

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def fingerprint(path):
    """The fingerprint that a file has as a cache of this version, without a look at its arrays; None if it has none."""
    try:
        if _first_bytes(path) == SIGNATURE:
            with h5py.File(path, "r", locking=False) as file:
                return _fingerprint(file, path)
    except Exception:  # HDF5 on a damaged file raises nearly anything
        return None
    return None


def open_file(path):
    """(fingerprint, {array: read-only memory map}) of a finished cache.

    Nothing but exactly our own kind of file is accepted: arrays by hard links at the root, contiguous, of the
    dtypes and shapes in file_format.py, inside the file. External storage and virtual data sets, which would read
    other files, links, filters and compressed bombs have no way in; nothing but names, shapes and two short attributes
    is taken through HDF5. Raises DataError; MachineError if the file cannot be read at all.
    """
    try:
        start = _first_bytes(path)
    except OSError as error:
        raise errors.MachineError(f"the cache cannot be read: {error.strerror}", where=path,
                                  cure="check its permissions and the disk.") from None
    try:
        if start != SIGNATURE:
            raise ValueError("it is no HDF5 file" if start is not None else "there is no regular file")
        with h5py.File(path, "r", locking=False) as file:
            fingerprint = _fingerprint(file, path)
            places = _places(file, path.stat().st_size)
        arrays = {name: np.memmap(path, dtype, "r", offset, shape) for name, (dtype, offset, shape) in places.items()}
        _check(arrays)
        return fingerprint, arrays
    except errors.DataError:
        raise
    except Exception as error:  # HDF5 on a damaged file raises nearly anything
        raise errors.DataError("is not a whole cache of ours", where=path,
                               why=file_kinds.instead(path, str(error).split("\n")[0], file_kinds.HDF5),
                               cure=f"{shlex.join(['mv', str(path), str(ownership.free(path))])} and the same command "
                                    "again: the cache is built from the data. If the old file was one, it can be "
                                    "deleted.") from None


def _first_bytes(path):
    """Eight of them; None if there is no regular file."""
    if not path.is_file():
        return None
    with path.open("rb") as raw:
        return raw.read(8)


def _fingerprint(file, path):
    version = int(_attribute(file, "schema_version"))
    if version > file_format.SCHEMA_VERSION:
        raise errors.DataError(f"was made by a newer version of this program (schema {version}, known is "
                               f"{file_format.SCHEMA_VERSION})", where=path,
                               cure="update this program, or give another --cache-dir.")
    if version < file_format.SCHEMA_VERSION:
        raise ValueError(f"it is no cache of version {file_format.SCHEMA_VERSION}, but of {version}")
    return bytes(_attribute(file, "fingerprint")).decode()


def _attribute(file, name):
    if name not in file.attrs or file.attrs.get_id(name).get_storage_size() > 1000:
        raise ValueError(f"it has no attribute {name}")
    return file.attrs[name]


def _places(file, file_size):
    """{array: (dtype, offset, shape)}, each proven to be a plain array inside the file."""
    wanted, found = dict.fromkeys(file_format.layout([(1, 1)], True)), {}
    if set(file) != set(wanted):
        held = [f"{name[:40]!r}" for name in itertools.islice(file, 10)]
        raise ValueError(f"it holds {', '.join(held) or 'nothing'}; a cache holds {', '.join(wanted)}")
    for name in wanted:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink) or file.get(name, getclass=True) != h5py.Dataset:
            raise ValueError(f"{name} is not an array of the file itself")
        array = file[name]
        offset = array.id.get_offset()
        if array.chunks or array.external or array.is_virtual or array.dtype.kind not in "iuS":
            raise ValueError(f"{name} is not a plain contiguous array")
        size = math.prod(array.shape) * array.dtype.itemsize
        if size == 0 or offset is None or offset + size > file_size:
            raise ValueError(f"{name} reaches beyond the end of the file")
        found[name] = (array.dtype, offset, array.shape)
    return found


def _check(arrays):
    """Shapes and dtypes agree with each other, and the summary with them all."""
    shapes = arrays["shapes"]
    if shapes.ndim != 2 or shapes.shape[1] != 2 or shapes.min() < 1:
        raise ValueError("shapes is no table of heights and widths")
    uniform = arrays["images"].ndim == 4
    for name, (dtype, shape) in file_format.layout(shapes, uniform).items():
        array = arrays[name]
        if array.shape != shape or (array.dtype != np.dtype(dtype) if dtype else array.dtype.kind != "S"):
            raise ValueError(f"{name} is {array.dtype} {array.shape}, {dtype or 'bytes'} {shape} is needed")
    if uniform and (shapes != shapes[0]).any():
        raise ValueError("shapes differ, images do not")
    known = np.isin(arrays["state"], (file_format.THERE, file_format.LEFT_OUT)).all()
    if not known or file_format.summary(arrays) != arrays["summary"][0]:
        raise ValueError("it is damaged: the checksum of its tables is another")
