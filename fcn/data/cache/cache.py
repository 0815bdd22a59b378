"""Pairs -> a Cache of images and labels, read from one HDF5 file that is built when it is not there.

The file's name says layout, split and size, and carries a key of the options and of the path of every file, so that two
copies of a data set have a cache each. The fingerprint inside covers the options and name, size and time of every file,
but not where they lie. A file that was touched gives the same name with another fingerprint: that cache is built anew,
and the old one stands until the new one is whole. A data set that was moved gives another name with the same
fingerprint: its cache is found by that.
"""

import concurrent.futures
import contextlib
import dataclasses
import glob
import hashlib
import json
import math
import os
import pathlib
import shlex
import weakref
import zlib
from collections.abc import Callable

import numpy as np

from fcn.core import errors, machine
from fcn.data import file_checks, images
from fcn.data.cache import builder, file_format
from fcn.data.spec import stored_size

IMAGE, LABEL = 0, 1  # columns of crc
PARTS = ("image", "label")
CHECKED_AT_ONCE = 100_000  # bytes; a block that malloc keeps, instead of mapping it anew each time


@dataclasses.dataclass(frozen=True)
class Cache:
    """An open cache; image i and label i are views of a read-only memory map.

    Each is compared with its checksum when it is first asked for, by whoever asks: in training that is the thread of
    batch_loader.ahead, while the net computes.

    names: stems. shapes: int32 (n, 2), height and width of each. uniform: whether all were resized to one size.
    class_pixels: int64 (256,), pixels of each id. left_out: names of pairs that were bad when it was built with
    skip_bad; they are no rows of it.
    """

    path: pathlib.Path
    names: list[str]
    shapes: np.ndarray
    uniform: bool
    class_pixels: np.ndarray
    fingerprint: str
    left_out: list[str]
    _file: int            # for reads that may fail: an error of the disk under a memory map would end the process
    _bytes: np.ndarray
    _rows: np.ndarray     # number of each in the file, which has rows for left_out, too
    _offsets: tuple[np.ndarray, np.ndarray]
    _crc: np.ndarray
    _checked: np.ndarray  # bool (n, 2): image and label were compared with their checksum by this process

    def __len__(self):
        return len(self.names)

    @property
    def digest(self):
        """Checksum of every pixel and every id, from those of the rows."""
        return zlib.crc32(self._crc.tobytes())

    def image(self, index):
        """uint8 (height, width, 3), RGB. Raises DataError if it is damaged, MachineError if it cannot be read."""
        return self._read(IMAGE, index)

    def label(self, index):
        """uint8 (height, width), ids as in the label file. Raises as image()."""
        return self._read(LABEL, index)

    def is_whole(self, part, index):
        """Whether the IMAGE or LABEL of a row has the bytes that were written. Raises MachineError."""
        at, crc = int(self._offsets[part][index]), 0
        end = at + self._view(part, index).size
        try:
            while at < end and (piece := os.pread(self._file, min(CHECKED_AT_ONCE, end - at), at)):
                at, crc = at + len(piece), zlib.crc32(piece, crc)
        except OSError as error:
            raise errors.MachineError(f"{self._named(index, part)} cannot be read: {error.strerror}", where=self.path,
                                      fix=f"check the disk; then {self.rebuilt}.") from None
        self._checked[index, part] = crc == self._crc[index, part]
        return self._checked[index, part]

    def damage(self, found):
        """The DataError for what is not whole: found, a list of (index, IMAGE or LABEL)."""
        named = [self._named(index, part) for index, part in found]
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        return errors.DataError(f"is damaged: {', '.join(named[:5])}{more}", where=self.path,
                                why="its bytes do not have the checksum that was written with them",
                                fix=f"{self.rebuilt}, and a run resumes from its last checkpoint. If it happens "
                                     "again, check disk and memory.")

    @property
    def rebuilt(self):
        """How to have it built again, as advice."""
        return f"rm {shlex.quote(str(self.path))} and the same command again: the cache is built from the data"

    def _named(self, index, part):
        return f"{PARTS[part]} of row {self._rows[index]} ('{self.names[index]}')"

    def _read(self, part, index):
        if not self._checked[index, part] and not self.is_whole(part, index):
            raise self.damage([(index, part)])
        return self._view(part, index)

    def _view(self, part, index):
        shape = (*self.shapes[index].tolist(), *((3,) if part == IMAGE else ()))
        start = int(self._offsets[part][index])
        return self._bytes[start:start + math.prod(shape)].reshape(shape)


class Stamps(dict):
    """{path: [name, bytes, time in ns]} of files. The file system is asked when one is first wanted.

    One start of a command uses one of these, so that each file is asked for once. A file that changes after that has
    another stamp at the next start. Raises DataError for a file that cannot be read.
    """

    def __missing__(self, path):
        try:
            facts = path.stat()
        except OSError as error:
            raise errors.DataError(f"cannot be read: {error.strerror}", where=path) from None
        self[path] = [path.name, facts.st_size, facts.st_mtime_ns]
        return self[path]


@dataclasses.dataclass(frozen=True)
class BuildOptions:
    """How a cache is built. skip_bad: leave out pairs that cannot be read. max_pixels: of a photo or label.

    shapes: (height, width) of each pair for a cache at native size, if they are known. stamps: those of this start.
    progress(done, begun_with) is called after every row.
    """

    skip_bad: bool = False
    max_pixels: int = images.MAX_PIXELS
    shapes: list | None = None
    stamps: Stamps = dataclasses.field(default_factory=Stamps)
    progress: Callable[[int, int], None] | None = None


def prepare(pairs, spec, size_px, folder, title, options=None):
    """The Cache of these pairs at this size (height, width), or each at its own (None); built if it is not there yet.

    title: the start of the file's name, e.g. "ade20k-training". options: a BuildOptions. Raises DataError with all bad
    pairs at once, MachineError if the disk is too small or another process builds this cache.
    """
    options = options or BuildOptions()
    print_ = fingerprint(pairs, spec, size_px, options.stamps)
    path = path_of(pairs, spec, size_px, folder, title)
    found = find(path, print_)
    if found is None:
        shapes = [tuple(size_px)] * len(pairs) if size_px else (
            options.shapes or _shapes(pairs, spec, options.max_pixels))
        plan = builder.BuildPlan(pairs, shapes, spec, size_px, print_,
                                json.dumps(_options(spec, size_px)).encode(), options.skip_bad, options.max_pixels)
        builder.build_cache(plan, path, options.progress, lambda: find(path, print_) is not None)
        found = find(path, print_)
    if found.left_out and not options.skip_bad:
        raise errors.DataError(f"{len(found.left_out)} bad pairs were left out of this cache: "
                               f"{', '.join(found.left_out[:5])}", where=found.path,
                               why=f"the list is in {builder.left_out(found.path)}",
                               fix="--skip-bad goes on without them; mend them, and it is built anew; or, if they are "
                                    f"good by now (a larger --max-pixels, a disk that is back): {found.rebuilt}.")
    return found


def _shapes(pairs, spec, max_pixels):
    report = file_checks.check_files(pairs, spec, max_pixels)
    if report.problems:
        file_checks.refuse(report.problems, len(pairs))
    return report.sizes


def path_of(pairs, spec, size_px, folder, title):
    """The file that the cache of these pairs is built in. It is the same however their folders are written: relative,
    through a link, with a slash at the end.
    """
    size = f"{size_px[0]}x{size_px[1]}" if size_px else "native"
    parents = {file.parent for pair in pairs for file in (pair.image, pair.label)}
    folders = {parent: parent.resolve() for parent in parents}
    files = [[p.name, *(str(folders[file.parent] / file.name) for file in (p.image, p.label))] for p in pairs]
    return pathlib.Path(folder).absolute() / f"{title}-{size}-{_digest([_options(spec, size_px), files])[:8]}.h5"


def find(path, print_):
    """The whole Cache of this fingerprint: the file `path`, or another of its title and size in that folder, or None.

    Others are those of the same files under another path, and those that earlier versions gave other names. Raises
    DataError if `path` itself is no cache; other files that are none are passed over.
    """
    if path.exists() and (own := open_cache(path)).fingerprint == print_:
        return own
    beside = path.parent.glob(f"{glob.escape(path.stem.rpartition('-')[0])}-*{path.suffix}")
    for other in sorted(beside):
        with contextlib.suppress(errors.FcnError):
            if other != path and file_format.fingerprint(other) == print_:
                return open_cache(other)
    return None


def open_cache(path):
    """The Cache in a file. Raises DataError if it is not a whole cache of this version."""
    path = pathlib.Path(path)
    print_, arrays = file_format.open_file(path)
    there = np.flatnonzero(arrays["state"] == file_format.THERE)
    names = [name.decode("utf-8", "surrogateescape") for name in arrays["names"].tolist()]
    left_out = [names[i] for i in np.flatnonzero(arrays["state"] == file_format.LEFT_OUT)]
    places = {name: (array.offset, array.shape) for name, array in arrays.items()}
    offsets = file_format.row_offsets(places, arrays["shapes"])
    with path.open("rb") as file:
        content, handle = np.memmap(file, np.uint8, "r"), os.dup(file.fileno())
    made = Cache(path, [names[i] for i in there], np.array(arrays["shapes"][there]), arrays["images"].ndim == 4,
                 np.array(arrays["class_pixels"]), print_, left_out, handle, content, there,
                 (offsets[0][there], offsets[1][there]), np.array(arrays["crc"][there]),
                 np.zeros((len(there), 2), bool))
    weakref.finalize(made, os.close, handle)
    return made


def verify(cache, progress=None):
    """[(index, IMAGE or LABEL)] of all whose bytes are not those that were written. progress(done)."""
    def damaged(index):
        return [(index, part) for part in (IMAGE, LABEL) if not cache.is_whole(part, index)]

    bad = []
    with concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        for done, found in enumerate(pool.map(damaged, range(len(cache))), 1):
            bad += found
            if progress:
                progress(done)
    return bad


def fingerprint(pairs, spec, size_px, stamps):
    """Hex digest of what the cache is made from: options, and the Stamps of every file. Raises DataError."""
    files = [[p.name, *stamps[p.image], *stamps[p.label]] for p in pairs]
    return _digest([file_format.SCHEMA_VERSION, _options(spec, size_px), files])


def listing_digest(pairs, stamps):
    """Hex digest of names and sizes of the files: the same for a copy of the data set elsewhere. Raises DataError."""
    return _digest([[p.name, *stamps[p.image][:2], *stamps[p.label][:2]] for p in pairs])


def _options(spec, size_px):
    """What else than the files decides the cache's content."""
    options = {"size": stored_size(size_px), "class_names": list(spec.class_names),
               "ignored_ids": list(spec.ignored_ids), "encoding": spec.encoding, "mask_threshold": spec.mask_threshold}
    if spec.encoding == "binary":  # an older version read 255 of 16 bits as background: its caches are not used
        options["white_of_16_bits"] = [255, 65535]
    return options | ({"colours": [list(c) for c in spec.colours]} if spec.encoding == "colours" else {})


def _digest(content):
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
