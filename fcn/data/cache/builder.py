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
from fcn.data.spec import NUM_IDS, DatasetSpec

ROWS_PER_SYNC, BYTES_PER_SYNC = 64, 256_000_000
LIST_START = b"# left out of "
PIXELS_AHEAD = 32_000_000  # per core, in rows that are read but not yet written: bounds memory at any image size


@dataclasses.dataclass(frozen=True)
class BuildPlan:
    """What is to be built. shapes: (height, width) of each row; size_px: what pairs are resized to, or None."""

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

    is_there() is asked once more when nobody else can be building. Raises DataError with all bad pairs at once,
    MachineError if the disk is too small, cannot be written, or somebody else builds this cache. What was done stays
    for the next call.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_io.locked(path):
            if not is_there():
                _build(plan, path, progress)
    except OSError as error:
        fix = "free space: what was done is kept" if error.errno in atomic_io.FULL else "check the folder and its disk"
        raise errors.MachineError(f"writing the cache failed: {error.strerror}", where=error.filename or path.parent,
                                  fix=f"{fix}, or give another --cache-dir.") from None


def _build(plan, path, progress):
    with atomic_io.NewFile(path, keep=True) as file:
        ownership.check_free(left_out(path), is_ours=is_list)
        small = file_format.tables([pair.name for pair in plan.pairs], plan.shapes, plan.made_from)
        skeleton = file_format.skeleton(small, plan.size_px is not None, plan.fingerprint)
        try:
            partial = begin(file.handle, skeleton, plan.shapes, path.parent)
        except errors.MachineError:
            file.discard()  # it holds nothing yet
            raise
        problems = _fill(partial, plan, progress)
        if problems and not plan.skip_bad:
            file_checks.refuse(problems, len(plan.pairs))
        if not (partial.state == THERE).any():
            file.discard()
            raise errors.DataError("not one good pair is left", where=path.parent, why=errors.several(problems))
        partial.finish(small)
        _write_left_out(path, problems)
        if path.exists():
            file_format.open_file(path)  # what is replaced is an older cache
        file.commit()


def _write_left_out(path, problems):
    """Write the Problems of a build to left_out(path), in place of those of an older one."""
    if is_list(left_out(path)):
        left_out(path).unlink()
    if problems:
        text = "".join(f"{problem}\n" for problem in problems).encode("utf-8", "surrogateescape")
        atomic_io.write_whole(left_out(path), LIST_START + os.fsencode(path.name) + b"\n" + text, new=True)


def left_out(path):
    """Where it is written which pairs were left out of a cache, and why."""
    return path.with_name(f"{path.name}.skipped.txt")


def is_list(path):
    """Whether this is a list that this program wrote of what was left out of a cache."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(LIST_START)) == LIST_START


def listed(path):
    """The lines of left_out(path), one for each pair, with their ends; [] if there is no such list."""
    if not is_list(left_out(path)):
        return []
    text = left_out(path).read_text(encoding="utf-8", errors="surrogateescape")
    return text.splitlines(keepends=True)[1:]


def _fill(partial, plan, progress):
    """Write the rows that are not there yet; the Problems of those that cannot be."""
    wanted = np.flatnonzero(partial.state != THERE)
    begun_with, problems, first, end, size = len(plan.pairs) - len(wanted), [], 0, 0, 0
    try:
        for done, (index, result) in enumerate(_in_order(plan, wanted), 1):
            try:
                partial.put(index, result())
            except errors.DataError as error:
                problems.append(file_checks.problem(error, plan.pairs[index].image))
            end, size = index + 1, size + 4 * int(np.prod(plan.shapes[index]))
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
    """(index, function that waits for its RowState) in order; all cores read ahead, as far as memory allows."""
    workers = machine.cores()
    waiting: collections.deque = collections.deque()
    pixels = 0
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            for index in wanted:
                size = int(np.prod(plan.shapes[index]))
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
    """The RowState of a pair. Raises DataError, also if its size is no longer that of the plan."""
    photo, label = label_files.read_pair(plan.pairs[index], plan.spec, plan.size_px, plan.max_pixels)
    if label.shape != tuple(plan.shapes[index]):
        raise errors.DataError("has another size than when it was checked", where=plan.pairs[index].image)
    photo, label = np.ascontiguousarray(photo), np.ascontiguousarray(label)
    return RowState(photo, label, (zlib.crc32(photo.data), zlib.crc32(label.data)))


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
        """Totals and the checksum over the tables {name: array}: afterwards only the file's final name is missing."""
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
