"""File format of the HDF5 cache, and opening of an untrusted file.

    images       uint8 (n, height, width, channels), RGB if 3; flat (pixels x channels,) if images have different sizes
    labels       uint8 (n, height, width) of class ids; flat (pixels,) if images have different sizes; uint16 if an id
                 of the data set is above 255
    shapes       int32 (n, 2)    height, width of each row
    names        bytes (n,)      stems, UTF-8, sorted
    crc          uint32 (n, 2)   zlib.crc32 of the row's image and label
    state        uint8 (n,)      1: row is written, 2: left out as bad; 0 never occurs in a finished file
    class_pixels int64 (256,)    pixels of each id; (65536,) for uint16
    made_from    bytes ()        JSON: options, classes
    summary      uint32 (1,)     crc32 of all arrays above except images and labels

and the attributes schema_version and fingerprint. All arrays are contiguous and uncompressed: any HDF5 reader can open
the file, and it is read as a memory map.

HDF5 does not write to the disk. It lays the file out in memory (`skeleton`), with the same bytes for the same content;
the rows are written separately. A disk error during a write of HDF5 would end the process. A partly built file is
recognised by the bytes of its skeleton.
"""

import dataclasses
import itertools
import json
import math
import shlex
import zlib

import numpy as np

from fcn.core import errors, file_kinds, ownership

SCHEMA_VERSION = 2
SIGNATURE = b"\x89HDF\r\n\x1a\n"
SMALL = ("shapes", "names", "crc", "state", "class_pixels", "made_from")  # the arrays that the summary covers
TO_COME, THERE, LEFT_OUT = 0, 1, 2  # states of a row


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """Layout of a cache file.

    size: bytes. parts: (offset, bytes) that HDF5 writes. places: {array: (offset, shape)}.
    """

    size: int
    parts: list[tuple[int, bytes]]
    places: dict[str, tuple[int, tuple[int, ...]]]


class _Memory:
    """A file object that keeps only the bytes that are written, so that a file of terabytes takes little memory."""

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
        """[(offset, bytes)] of the content. Writes that touch or overlap are joined; the last write wins."""
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
        raise OSError("a skeleton is write-only")

    readinto = read

    def flush(self):
        pass


def tables(names, shapes, made_from):
    """{array: content} of the arrays that are known before the rows. names: str. made_from: bytes."""
    coded = [name.encode("utf-8", "surrogateescape") for name in names]
    return {"shapes": np.asarray(shapes, "<i4").reshape(len(names), 2), "made_from": np.array(made_from),
            "names": np.array(coded, f"S{max(map(len, coded), default=1) or 1}")}


def skeleton(small, uniform, fingerprint, id_dtype=np.uint8, channels=3):
    """The Skeleton of a cache. small: of tables(). uniform: whether all images have one size. id_dtype: of labels.

    channels: of an image.
    """
    import h5py  # takes 20 ms; --help does without
    memory, places, shapes = _Memory(), {}, small["shapes"]
    with h5py.File(memory, "w", libver=("earliest", "v110")) as file:
        for name, (dtype, shape) in layout(shapes, uniform, id_dtype, channels).items():
            dtype = small[name].dtype if name in small else np.dtype(dtype)
            dataset = _contiguous(file, name, shape, dtype)
            places[name] = (dataset.id.get_offset(), shape)
            if name in small:
                dataset[...] = small[name]
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["fingerprint"] = np.bytes_(fingerprint)
    return Skeleton(memory.size, memory.parts(), places)


def layout(shapes, uniform, id_dtype=np.uint8, channels=3):
    """{array: (dtype, shape)} of a cache with these row shapes. dtype is "" if it depends on the content."""
    rows, ids = len(shapes), np.dtype(id_dtype).newbyteorder("<")
    pixels = (rows, *map(int, shapes[0])) if uniform else (sum(math.prod(map(int, shape)) for shape in shapes),)
    values = (*pixels, channels) if uniform else (pixels[0] * channels,)
    return {"images": ("u1", values), "labels": (ids.str, pixels), "shapes": ("<i4", (rows, 2)),
            "names": ("", (rows,)), "crc": ("<u4", (rows, 2)), "state": ("u1", (rows,)),
            "class_pixels": ("<i8", (np.iinfo(ids).max + 1,)), "made_from": ("", ()), "summary": ("<u4", (1,))}


def _contiguous(file, name, shape, dtype):
    """A dataset that is allocated at once and not filled, so that its bytes can be written without HDF5."""
    import h5py
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    plan.set_obj_track_times(False)  # with times, no two files would have the same bytes
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    return h5py.Dataset(h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(dtype), space, plan))


def channels(places):
    """Channels of an image. places: {array: (offset, shape)}."""
    return max(1, math.prod(places["images"][1]) // math.prod(places["labels"][1]))


def row_offsets(places, shapes, id_dtype=np.uint8):
    """(offsets of images, offsets of labels), int64 (n,): byte offset of each row in the file."""
    pixels = np.prod(np.asarray(shapes, np.int64).reshape(-1, 2), axis=1)
    before = np.concatenate([[0], np.cumsum(pixels)[:-1]]) if len(pixels) else pixels
    return places["images"][0] + before * channels(places), places["labels"][0] + before * np.dtype(id_dtype).itemsize


def summary(arrays):
    """CRC-32 over the arrays SMALL of {name: array}."""
    total = 0
    for name in SMALL:
        total = zlib.crc32(np.ascontiguousarray(arrays[name]).tobytes(), total)
    return total


def fingerprint(path):
    """The fingerprint of a cache of this version; None for other files. Its arrays are not checked."""
    try:
        if _first_bytes(path) == SIGNATURE:
            import h5py
            with h5py.File(path, "r", locking=False) as file:
                return _fingerprint(file, path)
    except Exception:  # for a damaged file, h5py raises many types
        return None
    return None


def open_file(path):
    """(fingerprint, {array: read-only memory map}) of a finished cache.

    Only files of exactly this format are accepted: arrays as hard links at the root, contiguous, with the dtypes and
    shapes of layout(), inside the file. External storage, virtual datasets, links and filters are refused, so the file
    cannot make HDF5 read other files or unpack data. HDF5 reads only names, shapes and two short attributes.
    Raises DataError; MachineError if the file cannot be read.
    """
    try:
        start = _first_bytes(path)
    except OSError as error:
        raise errors.MachineError(f"the cache cannot be read: {error.strerror}", where=path,
                                  fix="check its permissions and the disk.") from None
    try:
        if start != SIGNATURE:
            raise ValueError("it is not an HDF5 file" if start is not None else "it is not a regular file")
        import h5py
        with h5py.File(path, "r", locking=False) as file:
            fingerprint = _fingerprint(file, path)
            places = _places(file, path.stat().st_size)
        arrays = {name: np.memmap(path, dtype, "r", offset, shape) for name, (dtype, offset, shape) in places.items()}
        _check(arrays)
        return fingerprint, arrays
    except errors.DataError:
        raise
    except Exception as error:  # for a damaged file, h5py raises many types
        raise errors.DataError("is not a complete cache of this program", where=path,
                               why=file_kinds.why_unreadable(path, str(error).split("\n")[0], file_kinds.HDF5),
                               fix=f"{shlex.join(['mv', str(path), str(ownership.free(path))])} and the same command "
                                    "again: the cache is built from the data. If the old file was a cache, it can be "
                                    "deleted.") from None


def _first_bytes(path):
    """The first eight bytes; None if this is not a regular file."""
    if not path.is_file():
        return None
    with path.open("rb") as raw:
        return raw.read(8)


def _fingerprint(file, path):
    version = int(_attribute(file, "schema_version"))
    if version > SCHEMA_VERSION:
        raise errors.DataError(f"was made by a newer version of this program (schema {version}, expected "
                               f"{SCHEMA_VERSION})", where=path,
                               fix="update this program, or give another --cache-dir.")
    if version < SCHEMA_VERSION:
        raise ValueError(f"it has schema version {version}, expected {SCHEMA_VERSION}")
    return bytes(_attribute(file, "fingerprint")).decode()


def _attribute(file, name):
    if name not in file.attrs or file.attrs.get_id(name).get_storage_size() > 1000:
        raise ValueError(f"it has no attribute {name}")
    return file.attrs[name]


def _places(file, file_size):
    """{array: (dtype, offset, shape)}. Raises ValueError unless each is a contiguous array inside the file."""
    import h5py
    wanted, found = dict.fromkeys(layout([(1, 1)], True)), {}
    if set(file) != set(wanted):
        held = [f"{name[:40]!r}" for name in itertools.islice(file, 10)]
        raise ValueError(f"it holds {', '.join(held) or 'nothing'}, expected {', '.join(wanted)}")
    for name in wanted:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink) or file.get(name, getclass=True) != h5py.Dataset:
            raise ValueError(f"{name} is not an array in this file")
        array = file[name]
        offset = array.id.get_offset()
        if array.chunks or array.external or array.is_virtual or array.dtype.kind not in "iuS":
            raise ValueError(f"{name} is not a plain contiguous array")
        size = math.prod(array.shape) * array.dtype.itemsize
        if size == 0 or offset is None or offset + size > file_size:
            raise ValueError(f"{name} extends beyond the end of the file")
        found[name] = (array.dtype, offset, array.shape)
    return found


def _check(arrays):
    """Raise ValueError unless shapes, dtypes and the summary are consistent."""
    shapes = arrays["shapes"]
    if shapes.ndim != 2 or shapes.shape[1] != 2 or shapes.min() < 1:
        raise ValueError("shapes is not a table of heights and widths")
    uniform, ids = arrays["images"].ndim == 4, arrays["labels"].dtype
    number = json.loads(arrays["made_from"][()]).get("channels", 3)
    for name, (dtype, shape) in layout(shapes, uniform, ids if ids == np.uint16 else np.uint8, number).items():
        array = arrays[name]
        if array.shape != shape or (array.dtype != np.dtype(dtype) if dtype else array.dtype.kind != "S"):
            raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {dtype or 'bytes'} {shape}")
    if uniform and (shapes != shapes[0]).any():
        raise ValueError("shapes differ, but images has one size")
    known = np.isin(arrays["state"], (THERE, LEFT_OUT)).all()
    if not known or summary(arrays) != arrays["summary"][0]:
        raise ValueError("it is damaged: the checksum of its tables does not match")
