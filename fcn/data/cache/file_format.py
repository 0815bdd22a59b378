"""The cache's HDF5 file: what is in it, and where; and opening one without trusting it.

    images       uint8 (n, height, width, 3), or (all pixels x 3,) when images keep their own sizes;  RGB
    labels       uint8 (n, height, width), or (all pixels,);  ids as in the label files
    shapes       int32 (n, 2)    height, width of each row
    names        bytes (n,)      stems, UTF-8, sorted
    crc          uint32 (n, 2)   zlib.crc32 of the row's image and label
    state        uint8 (n,)      1: the row is there, 2: left out as bad; 0 never occurs in a finished file
    class_pixels int64 (256,)    pixels of each id
    made_from    bytes ()        JSON: options, classes, version of the writer
    summary      uint32 (1,)     crc32 of all of the above but images and labels

and the attributes schema_version and fingerprint. Every array is contiguous and uncompressed, so that any HDF5 reader
opens the file and reading is a memory map. HDF5 itself writes none of it to the disk: it lays the file out in memory
(`skeleton`), which takes the same bytes for the same content, and the rows are written past it. So no error of a disk
meets an open HDF5 file, which would take the process down, and a half-built file is told by comparing bytes.
"""

import dataclasses
import itertools
import math
import shlex
import zlib

import h5py
import numpy as np

from fcn.core import errors, file_kinds, ownership
from fcn.data.spec import NUM_IDS

SCHEMA_VERSION = 2
SIGNATURE = b"\x89HDF\r\n\x1a\n"
SMALL = ("shapes", "names", "crc", "state", "class_pixels", "made_from")  # what the summary is taken over
TO_COME, THERE, LEFT_OUT = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """A laid-out file: its size, the bytes that HDF5 wants in it as (offset, bytes), and {array: (offset, shape)}."""

    size: int
    parts: list[tuple[int, bytes]]
    places: dict[str, tuple[int, tuple[int, ...]]]


class _Memory:
    """A file that remembers what is written into it, and nothing of what is not: terabytes cost nothing."""

    def __init__(self):
        self.writes, self.position, self.size = [], 0, 0

    def seek(self, offset, whence=0):
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def tell(self):
        return self.position

    def write(self, data):
        self.writes.append((self.position, bytes(data)))
        self.position += len(data)
        self.size = max(self.size, self.position)
        return len(data)

    def parts(self):
        """[(offset, bytes)] of what is there in the end: writes that touch or overlap are joined, the last one wins."""
        joined: list[list[int]] = []
        for start, end in sorted((offset, offset + len(data)) for offset, data in self.writes):
            if joined and start <= joined[-1][1]:
                joined[-1][1] = max(end, joined[-1][1])
            else:
                joined.append([start, end])
        content = [(start, bytearray(end - start)) for start, end in joined]
        for offset, data in self.writes:
            start, part = next((s, p) for s, p in reversed(content) if s <= offset)
            part[offset - start:offset - start + len(data)] = data
        return [(start, bytes(part)) for start, part in content]

    def truncate(self, size):
        self.size = size

    def read(self, *_):
        raise OSError("a skeleton is only written")

    readinto = read

    def flush(self):
        pass


def tables(names, shapes, made_from):
    """{array: content} of what is known of a cache before its rows are. names: texts; made_from: bytes."""
    coded = [name.encode("utf-8", "surrogateescape") for name in names]
    return {"shapes": np.asarray(shapes, "<i4").reshape(len(names), 2), "made_from": np.array(made_from),
            "names": np.array(coded, f"S{max(map(len, coded), default=1) or 1}")}


def skeleton(small, uniform, fingerprint):
    """The Skeleton of a cache with these tables."""
    memory, places, shapes = _Memory(), {}, small["shapes"]
    with h5py.File(memory, "w", libver=("earliest", "v110")) as file:
        for name, (dtype, shape) in layout(shapes, uniform).items():
            dtype = small[name].dtype if name in small else np.dtype(dtype)
            dataset = _contiguous(file, name, shape, dtype)
            places[name] = (dataset.id.get_offset(), shape)
            if name in small:
                dataset[...] = small[name]
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["fingerprint"] = np.bytes_(fingerprint)
    return Skeleton(memory.size, memory.parts(), places)


def layout(shapes, uniform):
    """{array: (dtype, shape)} of a cache whose rows have these shapes; dtype "" where only the content tells it."""
    rows = len(shapes)
    pixels = (rows, *map(int, shapes[0])) if uniform else (sum(math.prod(map(int, shape)) for shape in shapes),)
    colours = (*pixels, 3) if uniform else (pixels[0] * 3,)
    return {"images": ("u1", colours), "labels": ("u1", pixels), "shapes": ("<i4", (rows, 2)), "names": ("", (rows,)),
            "crc": ("<u4", (rows, 2)), "state": ("u1", (rows,)), "class_pixels": ("<i8", (NUM_IDS,)),
            "made_from": ("", ()), "summary": ("<u4", (1,))}


def _contiguous(file, name, shape, dtype):
    """A dataset whose place in the file is fixed at once and whose bytes are left to us."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plan.set_obj_track_times(False)  # or no two files are the same
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    return h5py.Dataset(h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(dtype), space, plan))


def row_offsets(places, shapes):
    """int64 (n,), (n,): where the image and the label of each row begin in the file."""
    pixels = np.prod(np.asarray(shapes, np.int64).reshape(-1, 2), axis=1)
    before = np.concatenate([[0], np.cumsum(pixels)[:-1]]) if len(pixels) else pixels
    return places["images"][0] + before * 3, places["labels"][0] + before


def summary(arrays):
    """crc32 over the small arrays, {name: array}."""
    total = 0
    for name in SMALL:
        total = zlib.crc32(np.ascontiguousarray(arrays[name]).tobytes(), total)
    return total


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
    dtypes and shapes of layout(), inside the file. External storage and virtual data sets, which would read
    other files, links, filters and compressed bombs have no way in; nothing but names, shapes and two short attributes
    is taken through HDF5. Raises DataError; MachineError if the file cannot be read at all.
    """
    try:
        start = _first_bytes(path)
    except OSError as error:
        raise errors.MachineError(f"the cache cannot be read: {error.strerror}", where=path,
                                  fix="check its permissions and the disk.") from None
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
                               why=file_kinds.why_unreadable(path, str(error).split("\n")[0], file_kinds.HDF5),
                               fix=f"{shlex.join(['mv', str(path), str(ownership.free(path))])} and the same command "
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
    if version > SCHEMA_VERSION:
        raise errors.DataError(f"was made by a newer version of this program (schema {version}, known is "
                               f"{SCHEMA_VERSION})", where=path,
                               fix="update this program, or give another --cache-dir.")
    if version < SCHEMA_VERSION:
        raise ValueError(f"it is no cache of version {SCHEMA_VERSION}, but of {version}")
    return bytes(_attribute(file, "fingerprint")).decode()


def _attribute(file, name):
    if name not in file.attrs or file.attrs.get_id(name).get_storage_size() > 1000:
        raise ValueError(f"it has no attribute {name}")
    return file.attrs[name]


def _places(file, file_size):
    """{array: (dtype, offset, shape)}, each proven to be a plain array inside the file."""
    wanted, found = dict.fromkeys(layout([(1, 1)], True)), {}
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
    for name, (dtype, shape) in layout(shapes, uniform).items():
        array = arrays[name]
        if array.shape != shape or (array.dtype != np.dtype(dtype) if dtype else array.dtype.kind != "S"):
            raise ValueError(f"{name} is {array.dtype} {array.shape}, {dtype or 'bytes'} {shape} is needed")
    if uniform and (shapes != shapes[0]).any():
        raise ValueError("shapes differ, images do not")
    known = np.isin(arrays["state"], (THERE, LEFT_OUT)).all()
    if not known or summary(arrays) != arrays["summary"][0]:
        raise ValueError("it is damaged: the checksum of its tables is another")
