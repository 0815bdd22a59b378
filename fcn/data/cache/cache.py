"""The cache of a list of pairs: images and labels in one HDF5 file, which is built if it does not exist.

The file name contains layout, split and size, and a hash of the options and of the path of every file. So two copies of
a data set have separate caches. The fingerprint in the file covers the options and the name, size and time of every
file, but not its folder. If a file was modified, the name is the same and the fingerprint differs: the cache is built
again, and the old one stays until the new one is complete. If the data set was moved, the name differs and the
fingerprint is the same: the cache is found by its fingerprint.
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
CHECKED_AT_ONCE = 100_000  # bytes; malloc reuses blocks of this size and maps larger ones each time


@dataclasses.dataclass(frozen=True)
class Cache:
    """An open cache of n images. Image i and label i are views of a read-only memory map.

    Each is compared with its checksum when it is first read. In training, the thread of batch_loader.prefetch does this
    while the net computes.

    names: stems. shapes: int32 (n, 2), height and width. uniform: whether all were resized to one size. class_pixels:
    int64 (256,), pixels of each id; (65536,) if labels are uint16. left_out: names of bad pairs that were left out by
    skip_bad. channels: of an image.
    """

    path: pathlib.Path
    names: list[str]
    shapes: np.ndarray
    uniform: bool
    class_pixels: np.ndarray
    fingerprint: str
    left_out: list[str]
    _file: int            # for the first read: a disk error in a memory map would end the process
    _bytes: np.ndarray
    _rows: np.ndarray     # row numbers in the file, which has rows for left_out too
    _offsets: tuple[np.ndarray, np.ndarray]
    _crc: np.ndarray
    _id_dtype: np.dtype
    _checked: np.ndarray  # bool (n, 2): whether this process has checked image and label
    channels: int = 3

    def __len__(self):
        return len(self.names)

    @property
    def sizes(self):
        """Number of images of each shard (shards.py): of this one."""
        return (len(self.names),)

    @property
    def digest(self):
        """CRC-32 over the checksums of all images and labels."""
        return zlib.crc32(self._crc.tobytes())

    def image(self, index):
        """Image as uint8 (height, width, channels). Raises DataError if damaged, MachineError if it cannot be read."""
        return self._read(IMAGE, index)

    def label(self, index):
        """Label as uint8 or uint16 (height, width) of class ids. Raises as image()."""
        return self._read(LABEL, index)

    def is_whole(self, part, index):
        """Whether a checksum matches. part: IMAGE or LABEL. Raises MachineError if the file cannot be read."""
        at, crc = int(self._offsets[part][index]), 0
        end = at + self._view(part, index).nbytes
        try:
            while at < end and (piece := os.pread(self._file, min(CHECKED_AT_ONCE, end - at), at)):
                at, crc = at + len(piece), zlib.crc32(piece, crc)
        except OSError as error:
            raise errors.MachineError(f"{self._named(index, part)} cannot be read: {error.strerror}", where=self.path,
                                      fix=f"check the disk; then {self.rebuilt}.") from None
        self._checked[index, part] = crc == self._crc[index, part]
        return self._checked[index, part]

    def damage(self, found):
        """The DataError for damaged images and labels. found: list of (index, IMAGE or LABEL)."""
        named = [self._named(index, part) for index, part in found]
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        return errors.DataError(f"is damaged: {', '.join(named[:5])}{more}", where=self.path,
                                why="their checksums do not match",
                                fix=f"{self.rebuilt}, and a run resumes from its last checkpoint. If it happens "
                                     "again, check disk and memory.")

    @property
    def rebuilt(self):
        """Text of a fix: how to build the cache again."""
        return f"rm {shlex.quote(str(self.path))} and the same command again: the cache is built from the data"

    def _named(self, index, part):
        return f"{PARTS[part]} of row {self._rows[index]} ('{self.names[index]}')"

    def _read(self, part, index):
        if not self._checked[index, part] and not self.is_whole(part, index):
            raise self.damage([(index, part)])
        return self._view(part, index)

    def _view(self, part, index):
        shape = (*self.shapes[index].tolist(), *((self.channels,) if part == IMAGE else ()))
        start = int(self._offsets[part][index])
        dtype = np.dtype(np.uint8 if part == IMAGE else self._id_dtype)
        return self._bytes[start:start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)


class Stamps(dict):
    """{path: [name, bytes, modification time in ns]} of files, read when a path is first looked up.

    A command uses one Stamps, so that it calls stat once per file. Raises DataError for a file that cannot be read.
    """

    def __missing__(self, path):
        try:
            facts = path.stat()
        except OSError as error:
            raise errors.DataError(f"cannot be read: {error.strerror}", where=path,
                                   fix=errors.reading_fix(error)) from None
        self[path] = [path.name, facts.st_size, facts.st_mtime_ns]
        return self[path]


@dataclasses.dataclass(frozen=True)
class BuildOptions:
    """How a cache is built.

    skip_bad: leave out pairs that cannot be read. max_pixels: limit of an image or label. shapes: (height, width) of
    each pair, for a cache at native size; None to read them. stamps: of this command. progress(done, begun_with) is
    called after every row.
    """

    skip_bad: bool = False
    max_pixels: int = images.MAX_PIXELS
    shapes: list | None = None
    stamps: Stamps = dataclasses.field(default_factory=Stamps)
    progress: Callable[[int, int], None] | None = None


def prepare(pairs, spec, size_px, folder, title, options=None):
    """Open the Cache of these pairs, and build it if it does not exist.

    size_px: (height, width) that pairs are resized to; None for their own size. folder: of caches. title: start of the
    file name, such as "ade20k-training". options: a BuildOptions. Raises DataError that lists all bad pairs,
    MachineError if the disk is full or another process builds this cache.
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
                               fix="--skip-bad continues without them; or correct the files, and the cache is built "
                                    "again; or, if they can be read now (a larger --max-pixels, a disk that is back): "
                                    f"{found.rebuilt}.")
    return found


def _shapes(pairs, spec, max_pixels):
    report = file_checks.check_files(pairs, spec, max_pixels)
    if report.problems:
        file_checks.refuse(report.problems, len(pairs))
    return report.sizes


def path_of(pairs, spec, size_px, folder, title):
    """Path of the cache of these pairs. It does not depend on how their folders are written (relative, as a link)."""
    size = f"{size_px[0]}x{size_px[1]}" if size_px else "native"
    parents = {file.parent for pair in pairs for file in (pair.image, pair.label)}
    folders = {parent: parent.resolve() for parent in parents}
    files = [[p.name, *(str(folders[file.parent] / file.name) for file in (p.image, p.label))] for p in pairs]
    return pathlib.Path(folder).absolute() / f"{title}-{size}-{_digest([_options(spec, size_px), files])[:8]}.h5"


def find(path, print_):
    """The Cache with the fingerprint `print_`: `path`, or another file of its title and size in that folder, or None.

    Other files are caches of a data set that was moved, and those that older versions named differently. Raises
    DataError if `path` exists and is not a cache.
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
    """Open a cache file. Raises DataError unless it is a complete cache of this version, MachineError if unreadable."""
    path = pathlib.Path(path)
    print_, arrays = file_format.open_file(path)
    there = np.flatnonzero(arrays["state"] == file_format.THERE)
    names = [name.decode("utf-8", "surrogateescape") for name in arrays["names"].tolist()]
    left_out = [names[i] for i in np.flatnonzero(arrays["state"] == file_format.LEFT_OUT)]
    places = {name: (array.offset, array.shape) for name, array in arrays.items()}
    id_dtype = arrays["labels"].dtype
    offsets = file_format.row_offsets(places, arrays["shapes"], id_dtype)
    with path.open("rb") as file:
        content, handle = np.memmap(file, np.uint8, "r"), os.dup(file.fileno())
    made = Cache(path, [names[i] for i in there], np.array(arrays["shapes"][there]), arrays["images"].ndim == 4,
                 np.array(arrays["class_pixels"]), print_, left_out, handle, content, there,
                 (offsets[0][there], offsets[1][there]), np.array(arrays["crc"][there]), id_dtype,
                 np.zeros((len(there), 2), bool), file_format.channels(places))
    weakref.finalize(made, os.close, handle)
    return made


def verify(cache, progress=None):
    """[(index, IMAGE or LABEL)] of all images and labels whose checksum does not match. Calls progress(done)."""
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
    """Hex SHA-256 of the options and of name, size and time of every file. Raises DataError as Stamps."""
    files = [[p.name, *stamps[p.image], *stamps[p.label]] for p in pairs]
    return _digest([file_format.SCHEMA_VERSION, _options(spec, size_px), files])


def listing_digest(pairs, stamps):
    """Hex SHA-256 of names and sizes of the files. A copy of the data set has the same. Raises DataError as Stamps."""
    return _digest([[p.name, *stamps[p.image][:2], *stamps[p.label][:2]] for p in pairs])


def _options(spec, size_px):
    """The options that the content of a cache depends on."""
    options = {"size": stored_size(size_px), "class_names": list(spec.class_names),
               "ignored_ids": list(spec.ignored_ids), "encoding": spec.encoding, "mask_threshold": spec.mask_threshold}
    if spec.encoding == "binary":  # an older version read 255 in 16-bit masks as background; do not use its caches
        options["white_of_16_bits"] = [255, 65535]
    if spec.remap:
        options["remap"] = [list(pair) for pair in spec.remap]
    if spec.channels != 3:
        options["channels"] = spec.channels
    return options | ({"colours": [list(c) for c in spec.colours]} if spec.encoding == "colours" else {})


def _digest(content):
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
