"""A cache's file while it is built: rows are written past its skeleton, and marked when they are on the disk."""

import dataclasses
import os
import zlib

import numpy as np

from fcn.core import atomic_io
from fcn.data.cache import file_format
from fcn.data.cache.file_format import LEFT_OUT, THERE
from fcn.data.spec import NUM_IDS


@dataclasses.dataclass(frozen=True)
class RowState:
    """A row as it is written."""

    photo: np.ndarray
    label: np.ndarray
    crc: tuple[int, int]


class PartialFile:
    """The open file of an unfinished cache, and which of its rows are there."""

    def __init__(self, file, skeleton, shapes):
        self.file, self.skeleton, self.shapes = file, skeleton, shapes
        self.offsets = file_format.row_offsets(skeleton.places, shapes)
        self.state = np.zeros(len(shapes), np.uint8)
        self.crc = np.zeros((len(shapes), 2), "<u4")
        self.class_pixels = np.zeros(NUM_IDS, "<i8")

    def write(self, name, array, first=0):
        """An array, or its rows from `first` on, into its place in the file."""
        offset, _ = self.skeleton.places[name]
        row_bytes = array[:1].nbytes
        atomic_io.write_at(self.file, np.ascontiguousarray(array), offset + first * row_bytes)

    def put(self, index, row):
        atomic_io.write_at(self.file, row.photo, int(self.offsets[0][index]))
        atomic_io.write_at(self.file, row.label, int(self.offsets[1][index]))
        self.crc[index], self.state[index] = row.crc, THERE
        self.class_pixels += np.bincount(row.label.ravel(), minlength=NUM_IDS)

    def mark(self, first, end):
        """Rows first..end are on the disk, then the marks that say so."""
        atomic_io.sync(self.file)
        self.write("crc", self.crc[first:end], first)
        self.write("state", self.state[first:end], first)

    def get(self, index):
        """The RowState that the file holds there."""
        height, width = map(int, self.shapes[index])
        photo = os.pread(self.file, height * width * 3, int(self.offsets[0][index]))
        label = os.pread(self.file, height * width, int(self.offsets[1][index]))
        crc = zlib.crc32(photo), zlib.crc32(label)
        return RowState(np.frombuffer(photo, np.uint8), np.frombuffer(label, np.uint8), crc)

    def finish(self, small):
        """Totals and the checksum over the tables {name: array}: the file is a cache but for its name."""
        self.state[self.state != THERE] = LEFT_OUT
        written = {"crc": self.crc, "state": self.state, "class_pixels": self.class_pixels}
        for name, array in written.items():
            self.write(name, array)
        self.write("summary", np.array([file_format.summary(small | written)], "<u4"))


def begin(file, skeleton, shapes, folder):
    """The PartialFile to go on with: what the open file holds of this very Skeleton, or an empty one.

    Raises MachineError if the disk is too small; folder: for its message.
    """
    partial = PartialFile(file, skeleton, shapes)
    if os.fstat(file).st_size == skeleton.size and _is_same(file, skeleton):
        _take_up(partial)
        return partial
    os.ftruncate(file, 0)
    atomic_io.reserve(file, skeleton.size, folder)
    for offset, data in skeleton.parts:
        atomic_io.write_at(file, data, offset)
    return partial


def _is_same(file, skeleton):
    return all(os.pread(file, len(data), offset) == data for offset, data in skeleton.parts)


def _take_up(partial):
    """Count the rows that are marked and whose bytes have the checksum they should have."""
    count = len(partial.shapes)
    state = np.frombuffer(os.pread(partial.file, count, partial.skeleton.places["state"][0]), np.uint8)
    crc = np.frombuffer(os.pread(partial.file, count * 8, partial.skeleton.places["crc"][0]), "<u4").reshape(count, 2)
    for index in np.flatnonzero(state == THERE):
        row = partial.get(index)
        if row.crc == tuple(crc[index]):
            partial.crc[index], partial.state[index] = row.crc, THERE
            partial.class_pixels += np.bincount(row.label, minlength=NUM_IDS)
