"""Build the cache file from pairs. A build that was killed is resumed by the next call.

1. Lock `<cache>.lock`: one process builds a cache.
2. Allocate the temporary file (ownership.temporary_path) at its full size, so that a full disk is reported before the
   work, and write the skeleton.
3. Read pairs on all cores and write their rows in order. At intervals, and at the end, sync the rows, then mark them as
   written, each with its checksum.
4. After the last row, write the totals, sync, and rename the file to its final name. An older cache of that name stays
   valid until then. Another kind of file with that name is never replaced.
A partial file is resumed if its skeleton has the same bytes as that of this build. Of its rows, those are kept that are
marked as written and whose checksum matches.
"""

import collections
import concurrent.futures
import dataclasses
import os
import zlib

import numpy as np

from fcn.core import atomic_io, errors, machine, ownership
from fcn.data import file_checks, images, label_files
from fcn.data.cache import file_format
from fcn.data.cache.file_format import LEFT_OUT, THERE
from fcn.data.spec import DatasetSpec

ROWS_PER_SYNC, BYTES_PER_SYNC = 64, 256_000_000
LIST_START = b"# left out of "
PIXELS_AHEAD = 32_000_000  # limit per core of RGB pixels that are read and not yet written; bounds the memory


@dataclasses.dataclass(frozen=True)
class BuildPlan:
    """What a cache is built from.

    shapes: (height, width) of each row. size_px: (height, width) that pairs are resized to, or None. made_from: JSON
    that is stored in the cache. skip_bad: leave out pairs that cannot be read.
    """

    pairs: list
    shapes: list
    spec: DatasetSpec
    size_px: tuple | None
    fingerprint: str
    made_from: bytes
    skip_bad: bool = False
    max_pixels: int = images.MAX_PIXELS


def build_cache(plan, path, progress=None, is_there=lambda: False):
    """Write the cache `path`. progress(done, begun_with) is called after every row.

    is_there(): whether the cache exists; called once this process holds the lock. Raises DataError that lists all bad
    pairs, MachineError if the disk is full, cannot be written, or another process builds this cache. Rows that are
    written are kept for the next call.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_io.locked(path):
            if not is_there():
                _build(plan, path, progress)
    except OSError as error:
        fix = "free space; the rows written are kept" if error.errno in atomic_io.FULL else "check the folder and disk"
        raise errors.MachineError(f"writing the cache failed: {error.strerror}", where=error.filename or path.parent,
                                  fix=f"{fix}, or give another --cache-dir.") from None


def _build(plan, path, progress):
    with atomic_io.NewFile(path, keep=True) as file:
        ownership.check_free(left_out(path), is_ours=is_list)
        small = file_format.tables([pair.name for pair in plan.pairs], plan.shapes, plan.made_from)
        skeleton = file_format.skeleton(small, plan.size_px is not None, plan.fingerprint,
                                        plan.spec.id_dtype, plan.spec.channels)
        try:
            partial = begin(file.handle, skeleton, plan.shapes, path.parent, plan.spec.id_dtype)
        except errors.MachineError:
            file.discard()  # it is empty
            raise
        problems = _fill(partial, plan, progress)
        if problems and not plan.skip_bad:
            file_checks.refuse(problems, len(plan.pairs))
        if not (partial.state == THERE).any():
            file.discard()
            raise errors.DataError("no usable pairs", where=path.parent, why=errors.several(problems),
                                   fix=file_checks.NO_OTHERS)
        partial.finish(small)
        _write_left_out(path, problems)
        if path.exists():
            file_format.open_file(path)  # raises DataError unless the file to replace is a cache
        file.commit()


def _write_left_out(path, problems):
    """Write the Problems of a build to left_out(path). Those of an older build are replaced."""
    if is_list(left_out(path)):
        left_out(path).unlink()
    if problems:
        text = "".join(f"{problem}\n" for problem in problems).encode("utf-8", "surrogateescape")
        atomic_io.write_whole(left_out(path), LIST_START + os.fsencode(path.name) + b"\n" + text, new=True)


def left_out(path):
    """Path of the list of pairs that were left out of a cache, with reasons."""
    return path.with_name(f"{path.name}.skipped.txt")


def is_list(path):
    """Whether this file is a list of left-out pairs that this program wrote."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(LIST_START)) == LIST_START


def listed(path):
    """The lines of left_out(path) with line ends, one per pair; [] if there is no list."""
    if not is_list(left_out(path)):
        return []
    text = left_out(path).read_text(encoding="utf-8", errors="surrogateescape")
    return text.splitlines(keepends=True)[1:]


def _fill(partial, plan, progress):
    """Write the missing rows. Returns the Problems of pairs that cannot be read."""
    wanted = np.flatnonzero(partial.state != THERE)
    begun_with, problems, first, end, size = len(plan.pairs) - len(wanted), [], 0, 0, 0
    try:
        for done, (index, result) in enumerate(_in_order(plan, wanted), 1):
            try:
                partial.put(index, result())
            except errors.DataError as error:
                problems.append(file_checks.problem(error, plan.pairs[index].image))
            end, size = index + 1, size + (plan.spec.channels + 1) * int(np.prod(plan.shapes[index]))
            if done % ROWS_PER_SYNC == 0 or size > BYTES_PER_SYNC:
                partial.mark(first, end)
                first, size = end, 0
            if progress:
                progress(begun_with + done, begun_with)
    finally:
        if end > first:
            partial.mark(first, end)
    return problems


def _in_order(plan, wanted):
    """Yield (index, function that waits for its Row) in order. All cores read ahead, up to PIXELS_AHEAD."""
    workers = machine.cores()
    waiting: collections.deque = collections.deque()
    pixels = 0
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            for index in wanted:
                size = int(np.prod(plan.shapes[index])) * plan.spec.channels // 3
                while waiting and (pixels + size > PIXELS_AHEAD * workers or len(waiting) >= 8 * workers):
                    yield waiting[0][:2]
                    pixels -= waiting.popleft()[2]
                waiting.append((index, pool.submit(read_row, plan, index).result, size))
                pixels += size
            while waiting:
                yield waiting.popleft()[:2]
        finally:
            pool.shutdown(cancel_futures=True)


def read_row(plan, index):
    """Read the row of a pair. Raises DataError, also if its size differs from the plan."""
    image, label = label_files.read_pair(plan.pairs[index], plan.spec, plan.size_px, plan.max_pixels)
    if label.shape != tuple(plan.shapes[index]):
        raise errors.DataError("its size has changed since it was checked", where=plan.pairs[index].image,
                               fix="give the same command again when no program changes the file.")
    if label.dtype != plan.spec.id_dtype:  # without class names, the ids are not known before
        raise errors.DataError(f"contains the id {label.max()}, expected 0 to 255 without class names",
                               where=plan.pairs[index].label, fix="name the classes with --classes; fcn inspect prints "
                               "a file of classes for these ids.")
    image, label = np.ascontiguousarray(image), np.ascontiguousarray(label)
    return Row(image, label, (zlib.crc32(image.data), zlib.crc32(label.data)))


@dataclasses.dataclass(frozen=True)
class Row:
    """An image, uint8 (h, w, channels), its label, uint8 or uint16 (h, w), and the CRC-32 of both."""

    image: np.ndarray
    label: np.ndarray
    crc: tuple[int, int]


class PartialFile:
    """The open file of an unfinished cache. state: uint8 (rows,), THERE for each row that is written.

    id_dtype: of labels.
    """

    def __init__(self, file, skeleton, shapes, id_dtype=np.uint8):
        self.file, self.skeleton, self.shapes, self.id_dtype = file, skeleton, shapes, np.dtype(id_dtype)
        self.offsets = file_format.row_offsets(skeleton.places, shapes, id_dtype)
        self.state = np.zeros(len(shapes), np.uint8)
        self.crc = np.zeros((len(shapes), 2), "<u4")
        self.class_pixels = np.zeros(np.iinfo(id_dtype).max + 1, "<i8")

    def write(self, name, array, first=0):
        """Write an array to its place in the file. first: number of its first row, if it is a part."""
        offset, _ = self.skeleton.places[name]
        row_bytes = array[:1].nbytes
        atomic_io.write_at(self.file, np.ascontiguousarray(array), offset + first * row_bytes)

    def put(self, index, row):
        """Write a Row. It counts once mark() was called."""
        atomic_io.write_at(self.file, row.image, int(self.offsets[0][index]))
        atomic_io.write_at(self.file, row.label, int(self.offsets[1][index]))
        self.crc[index], self.state[index] = row.crc, THERE
        self.class_pixels += np.bincount(row.label.ravel(), minlength=len(self.class_pixels))

    def mark(self, first, end):
        """Sync the file, then mark the rows from `first` to before `end` as written."""
        atomic_io.sync(self.file)
        self.write("crc", self.crc[first:end], first)
        self.write("state", self.state[first:end], first)

    def get(self, index):
        """The Row in the file, with flat arrays."""
        height, width = map(int, self.shapes[index])
        channels = file_format.channels(self.skeleton.places)
        image = os.pread(self.file, height * width * channels, int(self.offsets[0][index]))
        label = os.pread(self.file, height * width * self.id_dtype.itemsize, int(self.offsets[1][index]))
        crc = zlib.crc32(image), zlib.crc32(label)
        return Row(np.frombuffer(image, np.uint8), np.frombuffer(label, self.id_dtype), crc)

    def finish(self, small):
        """Write the totals and the checksum of the tables. Afterwards only the final name is missing.

        small: {name: array} of file_format.tables().
        """
        self.state[self.state != THERE] = LEFT_OUT
        written = {"crc": self.crc, "state": self.state, "class_pixels": self.class_pixels}
        for name, array in written.items():
            self.write(name, array)
        self.write("summary", np.array([file_format.summary(small | written)], "<u4"))


def begin(file, skeleton, shapes, folder, id_dtype=np.uint8):
    """The PartialFile of an open file, with the rows that it holds if its skeleton is the same; otherwise emptied.

    folder: for the message. id_dtype: of labels. Raises MachineError if the disk is full.
    """
    partial = PartialFile(file, skeleton, shapes, id_dtype)
    if os.fstat(file).st_size == skeleton.size and _is_same(file, skeleton):
        _resume(partial)
        return partial
    os.ftruncate(file, 0)
    atomic_io.reserve(file, skeleton.size, folder)
    for offset, data in skeleton.parts:
        atomic_io.write_at(file, data, offset)
    return partial


def _is_same(file, skeleton):
    return all(os.pread(file, len(data), offset) == data for offset, data in skeleton.parts)


def _resume(partial):
    """Keep the rows that are marked as written and whose checksum matches."""
    count = len(partial.shapes)
    state = np.frombuffer(os.pread(partial.file, count, partial.skeleton.places["state"][0]), np.uint8)
    crc = np.frombuffer(os.pread(partial.file, count * 8, partial.skeleton.places["crc"][0]), "<u4").reshape(count, 2)
    for index in np.flatnonzero(state == THERE):
        row = partial.get(index)
        if row.crc == tuple(crc[index]):
            partial.crc[index], partial.state[index] = row.crc, THERE
            partial.class_pixels += np.bincount(row.label, minlength=len(partial.class_pixels))
