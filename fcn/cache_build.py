"""Pairs -> the cache's file: lock, space, rows, commit. Killed anywhere, the next call goes on where it stood.

1. `<cache>.lock` is held: one builder.
2. `<cache>.partial` gets its full size at once, so that a full disk is told before the work, and the file's skeleton.
3. All cores read pairs; rows are written in order past the skeleton. After every ROWS_PER_SYNC rows they are synced,
   and only then marked as there, each with its checksum.
4. When every row is there: totals, sync, and the rename that makes the file a cache. An older cache of the name stays
   valid until then.
A partial whose skeleton is byte for byte that of this build is gone on with; of its rows those count that are marked
and whose checksum is right.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import os
import zlib

import numpy as np

from fcn import cache_file, durable, errors, images, machine, preflight
from fcn import pairs as reading
from fcn.cache_file import LEFT_OUT, THERE

ROWS_PER_SYNC = 64
PIXELS_AHEAD = 32_000_000  # per core, in rows that are read but not yet written: bounds memory at any image size


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be built. shapes: (height, width) of each row; size_px: what pairs are resized to, or None."""

    pairs: list
    shapes: list
    spec: object
    size_px: tuple | None
    fingerprint: str
    made_from: bytes
    skip_bad: bool = False
    max_pixels: int = images.MAX_PIXELS


@dataclasses.dataclass(frozen=True)
class Row:
    """A row as it is written."""

    photo: np.ndarray
    label: np.ndarray
    crc: tuple[int, int]


class Partial:
    """The open file of an unfinished cache, and which of its rows are there."""

    def __init__(self, file, skeleton, shapes):
        self.file, self.skeleton, self.shapes = file, skeleton, shapes
        self.offsets = cache_file.row_offsets(skeleton.places, shapes)
        self.state = np.zeros(len(shapes), np.uint8)
        self.crc = np.zeros((len(shapes), 2), "<u4")
        self.class_pixels = np.zeros(256, "<i8")

    def write(self, name, array, first=0):
        """An array, or its rows from `first` on, into its place in the file."""
        offset, _ = self.skeleton.places[name]
        row_bytes = array[:1].nbytes
        durable.write_at(self.file, np.ascontiguousarray(array), offset + first * row_bytes)

    def put(self, index, row):
        durable.write_at(self.file, row.photo, int(self.offsets[0][index]))
        durable.write_at(self.file, row.label, int(self.offsets[1][index]))
        self.crc[index], self.state[index] = row.crc, THERE
        self.class_pixels += np.bincount(row.label.ravel(), minlength=256)

    def mark(self, first, end):
        """Rows first..end are on the disk, then the marks that say so."""
        durable.sync(self.file)
        self.write("crc", self.crc[first:end], first)
        self.write("state", self.state[first:end], first)

    def get(self, index):
        """The Row that the file holds there."""
        height, width = map(int, self.shapes[index])
        photo = os.pread(self.file, height * width * 3, int(self.offsets[0][index]))
        label = os.pread(self.file, height * width, int(self.offsets[1][index]))
        crc = zlib.crc32(photo), zlib.crc32(label)
        return Row(np.frombuffer(photo, np.uint8), np.frombuffer(label, np.uint8), crc)


def build(plan, path, progress=None):
    """Write the cache `path`; returns the Problems of rows that were left out (with skip_bad).

    progress(done, begun_with) is called after every row. Raises DataError with all bad pairs at once, MachineError if
    the disk is too small, cannot be written, or somebody else builds this cache. What was done stays for the next call.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with durable.locked(path):
            return _build(plan, path, progress)
    except OSError as error:
        raise errors.MachineError(f"writing the cache failed: {error.strerror}", where=error.filename or path.parent,
                                  cure="free space or give another --cache-dir; what was done is kept.") from None


def _build(plan, path, progress):
    aside = path.with_name(f"{path.name}.partial")
    file = os.open(aside, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        partial = _begin(file, plan, path.parent)
        problems = _fill(partial, plan, progress)
        if problems and not plan.skip_bad:
            preflight.refuse(problems, len(plan.pairs))
        if not (partial.state == THERE).any():
            raise errors.DataError("not one good pair is left", where=path.parent, why=errors.several(problems))
        _finish(partial, plan)
        if problems:
            write_left_out(path, problems)
        durable.commit(file, aside, path)
        return problems
    except errors.MachineError:
        with contextlib.suppress(OSError):
            aside.unlink()  # it holds nothing yet
        raise
    finally:
        os.close(file)


def write_left_out(path, problems):
    text = "".join(f"{problem}\n" for problem in problems)
    durable.write_whole(path.with_name(f"{path.name}.skipped.txt"), text.encode("utf-8", "surrogateescape"))


def _begin(file, plan, folder):
    """The Partial to go on with: what the open file holds of this very plan, or an empty one."""
    names = [pair.name.encode("utf-8", "surrogateescape") for pair in plan.pairs]
    skeleton = cache_file.skeleton(names, plan.shapes, plan.size_px is not None, plan.made_from, plan.fingerprint)
    partial = Partial(file, skeleton, plan.shapes)
    if os.fstat(file).st_size == skeleton.size and _is_same(file, skeleton):
        _take_up(partial)
        return partial
    os.ftruncate(file, 0)
    durable.reserve(file, skeleton.size, folder)
    for offset, data in skeleton.parts:
        durable.write_at(file, data, offset)
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
            partial.class_pixels += np.bincount(row.label, minlength=256)


def _fill(partial, plan, progress):
    """Write the rows that are not there yet; the Problems of those that cannot be."""
    wanted = np.flatnonzero(partial.state != THERE)
    begun_with, problems, first = len(plan.pairs) - len(wanted), [], 0
    for done, (index, result) in enumerate(_in_order(plan, wanted), 1):
        try:
            partial.put(index, result())
        except errors.DataError as error:
            problems.append(preflight.problem(error, plan.pairs[index].image))
        if done % ROWS_PER_SYNC == 0 or done == len(wanted):
            partial.mark(first, index + 1)
            first = index + 1
        if progress:
            progress(begun_with + done, begun_with)
    return problems


def _in_order(plan, wanted):
    """(index, function that waits for its Row) in order; all cores read ahead, as far as memory is allowed to go."""
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
    """The Row of a pair. Raises DataError, also if its size is no longer that of the plan."""
    photo, label = reading.read(plan.pairs[index], plan.spec, plan.size_px, plan.max_pixels)
    if label.shape != tuple(plan.shapes[index]):
        raise errors.DataError("has another size than when it was checked", where=plan.pairs[index].image)
    photo, label = np.ascontiguousarray(photo), np.ascontiguousarray(label)
    return Row(photo, label, (zlib.crc32(photo.data), zlib.crc32(label.data)))


def _finish(partial, plan):
    """Totals and the checksum over the tables: the file is a cache but for its name."""
    partial.state[partial.state != THERE] = LEFT_OUT
    small = {"shapes": np.asarray(plan.shapes, "<i4").reshape(-1, 2),
             "names": np.array([pair.name.encode("utf-8", "surrogateescape") for pair in plan.pairs]),
             "crc": partial.crc, "state": partial.state, "class_pixels": partial.class_pixels,
             "made_from": np.array(plan.made_from)}
    for name in ("crc", "state", "class_pixels"):
        partial.write(name, small[name])
    partial.write("summary", np.array([cache_file.summary(small)], "<u4"))
