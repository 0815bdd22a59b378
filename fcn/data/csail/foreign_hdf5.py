"""Byte arrays out of an HDF5 file that somebody else wrote.

Such a file can name other files as its storage, as virtual sources or behind links, and a chunk of a kilobyte can
unpack to gigabytes. So an array must be the file's own, contiguous or in chunks, plain or packed with gzip, with every
chunk there and no larger than it says; nothing else of the file is looked at.
"""

import math
import stat
import zlib

import h5py
import numpy as np

from fcn.core import errors, file_kinds

MAX_CHUNK_BYTES = 64_000_000
MAX_CHUNKS = 4_000_000
CACHED_BYTES = 256_000_000  # of unpacked chunks; h5py's own choice of chunks spreads one image over thousands


class _Stored(ValueError):
    """Of an array that may well be sound, but is stored in a way that is not read."""


def byte_arrays(path, names):
    """The open h5py.Dataset, uint8, for each of these names at the root of the file. Raises DataError."""
    check_regular(path)
    try:
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=CACHED_BYTES, rdcc_nslots=1_000_003)
        return [_array(file, name, path.stat().st_size) for name in names]
    except _Stored as error:
        raise errors.DataError("is no HDF5 file that may be read", where=path, why=str(error),
                               cure=file_kinds.plain_hdf5(path, names)) from None
    except Exception as error:  # HDF5 on a damaged file raises nearly anything
        raise errors.DataError("is no HDF5 file that may be read", where=path,
                               why=file_kinds.instead(path, str(error).split("\n")[0], file_kinds.HDF5),
                               cure=f"it should hold {' and '.join('/' + name for name in names)}, arrays of bytes."
                               ) from None


def check_regular(path):
    """Raise DataError unless `path` is a regular file: a FIFO would hang for ever."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise errors.DataError("is not a regular file", where=path)
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path) from None


def read_bytes(array, index, path):
    """array[index]. Raises DataError."""
    try:
        return array[index]
    except Exception as error:
        raise errors.DataError(f"{array.name} cannot be read at {index}", where=path, why=str(error).split("\n")[0],
                               cure="copy or download the file again.") from None


def _array(file, name, file_size):
    link = file.get(name, getlink=True)
    if link is None:
        raise ValueError(f"it has no /{name}")
    if not isinstance(link, h5py.HardLink) or file.get(name, getclass=True) != h5py.Dataset:
        raise ValueError(f"/{name} is not an array of the file itself")
    array = file[name]
    if array.external or array.is_virtual:
        raise ValueError(f"/{name} lies in other files")
    if array.dtype != np.uint8:
        raise ValueError(f"/{name} is {array.dtype}, not uint8")
    if array.chunks:
        _check_chunks(array)
    else:
        offset = array.id.get_offset()
        if offset is None or offset + array.size > file_size:
            raise ValueError(f"/{name} reaches beyond the end of the file")
    return array


def _check_chunks(array):
    plan, chunk = array.id.get_create_plist(), math.prod(array.chunks)
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    wanted = math.prod(-(-size // step) for size, step in zip(array.shape, array.chunks, strict=True))
    if filters not in ([], [h5py.h5z.FILTER_DEFLATE]):
        raise _Stored(f"{array.name} is packed with another filter than gzip")
    if chunk > MAX_CHUNK_BYTES or wanted > MAX_CHUNKS:
        raise _Stored(f"{array.name} has {wanted:,} chunks of {chunk:,} bytes")
    found: list = []
    array.id.chunk_iter(found.append)
    if len(found) != wanted:
        raise ValueError(f"{array.name} has {len(found):,} of its {wanted:,} chunks")
    for info in found:
        if info.size > chunk + chunk // 100 + 1000 or (filters and not _unpacks_to(array, info.chunk_offset, chunk)):
            raise ValueError(f"{array.name}: the chunk at {info.chunk_offset} does not unpack to {chunk:,} bytes")


def _unpacks_to(array, offset, size):
    """Whether a chunk unpacks to this size; HDF5 itself goes on unpacking for as long as there is something."""
    mask, packed = array.id.read_direct_chunk(offset)
    return mask == 0 and len(zlib.decompressobj().decompress(packed, size + 1)) == size
