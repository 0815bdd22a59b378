"""The cache's HDF5 file: what is in it, and where.

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
import math
import zlib

import h5py
import numpy as np

from fcn.data.spec import NUM_IDS

SCHEMA_VERSION = 2
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
