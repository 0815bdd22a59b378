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
import pathlib
import zlib

import numpy as np

from fcn import cache_build, cache_file, cache_open, errors, images, machine, preflight
from fcn.spec import NATIVE


@dataclasses.dataclass(frozen=True)
class Cache:
    """An open cache; image i and label i are views of a read-only memory map.

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
    _bytes: np.ndarray
    _offsets: tuple[np.ndarray, np.ndarray]
    _crc: np.ndarray

    def __len__(self):
        return len(self.names)

    @property
    def digest(self):
        """Checksum of every pixel and every id, from those of the rows."""
        return zlib.crc32(self._crc.tobytes())

    def image(self, index):
        """uint8 (height, width, 3), RGB."""
        height, width = map(int, self.shapes[index])
        start = int(self._offsets[0][index])
        return self._bytes[start:start + height * width * 3].reshape(height, width, 3)

    def label(self, index):
        """uint8 (height, width), ids as in the label file."""
        height, width = map(int, self.shapes[index])
        start = int(self._offsets[1][index])
        return self._bytes[start:start + height * width].reshape(height, width)


def prepare(pairs, spec, size_px, folder, title, progress=None, skip_bad=False, shapes=None,
            max_pixels=images.MAX_PIXELS):
    """The Cache of these pairs at this size (height, width), or each at its own (NATIVE); built if it is not there yet.

    title: the start of the file's name, e.g. "ade20k-training". progress(done, begun_with) is called along the way.
    shapes: with NATIVE, (height, width) of each pair. Raises DataError with all bad pairs at once, MachineError if the
    disk is too small or another process builds this cache.
    """
    print_, path = fingerprint(pairs, spec, size_px), path_of(pairs, spec, size_px, folder, title)
    found = find(path, print_)
    if found is None:
        native = tuple(size_px) == NATIVE
        shapes = (shapes or _shapes(pairs, spec, max_pixels)) if native else [tuple(size_px)] * len(pairs)
        plan = cache_build.Plan(pairs, shapes, spec, None if native else tuple(size_px), print_,
                                json.dumps(_options(spec, size_px)).encode(), skip_bad, max_pixels)
        cache_build.build(plan, path, progress, lambda: find(path, print_) is not None)
        found = find(path, print_)
    if found.left_out and not skip_bad:
        raise errors.DataError(f"{len(found.left_out)} bad pairs were left out of this cache: "
                               f"{', '.join(found.left_out[:5])}", where=path,
                               why=f"the list is in {cache_build.left_out(path)}",
                               cure="--skip-bad goes on without them; or mend them, and it is built anew.")
    return found


def _shapes(pairs, spec, max_pixels):
    report = preflight.check(pairs, spec, max_pixels)
    if report.problems:
        preflight.refuse(report.problems, len(pairs))
    return report.sizes


def path_of(pairs, spec, size_px, folder, title):
    """The file that the cache of these pairs is built in. It is the same however their folders are written: relative,
    through a link, with a slash at the end.
    """
    size = "native" if tuple(size_px) == NATIVE else f"{size_px[0]}x{size_px[1]}"
    parents = {file.parent for pair in pairs for file in (pair.image, pair.label)}
    folders = {parent: parent.resolve() for parent in parents}
    files = [[p.name, *(str(folders[file.parent] / file.name) for file in (p.image, p.label))] for p in pairs]
    return pathlib.Path(folder).absolute() / f"{title}-{size}-{_digest([_options(spec, size_px), files])[:8]}.h5"


def find(path, print_):
    """The whole Cache of this fingerprint: the file `path`, or another of its title and size in that folder, or None.

    Others are those of the same files under another path, and those that earlier versions gave other names. Raises
    DataError if `path` itself is no cache; other files that are none are passed over.
    """
    if path.exists() and (own := read(path)).fingerprint == print_:
        return own
    beside = path.parent.glob(f"{glob.escape(path.stem.rpartition('-')[0])}-*{path.suffix}")
    for other in sorted(beside):
        with contextlib.suppress(errors.FcnError):
            if other != path and cache_open.fingerprint(other) == print_:
                return read(other)
    return None


def read(path):
    """The Cache in a file. Raises DataError if it is not a whole cache of this version."""
    path = pathlib.Path(path)
    print_, arrays = cache_open.read(path)
    there = np.flatnonzero(arrays["state"] == cache_file.THERE)
    names = [name.decode("utf-8", "surrogateescape") for name in arrays["names"].tolist()]
    left_out = [names[i] for i in np.flatnonzero(arrays["state"] == cache_file.LEFT_OUT)]
    places = {name: (array.offset, array.shape) for name, array in arrays.items()}
    offsets = cache_file.row_offsets(places, arrays["shapes"])
    return Cache(path, [names[i] for i in there], np.array(arrays["shapes"][there]), arrays["images"].ndim == 4,
                 np.array(arrays["class_pixels"]), print_, left_out, np.memmap(path, np.uint8, "r"),
                 (offsets[0][there], offsets[1][there]), np.array(arrays["crc"][there]))


def verify(cache, progress=None):
    """Names of the rows whose bytes are not those that were written. progress(done)."""
    def is_whole(index):
        return (zlib.crc32(cache.image(index)), zlib.crc32(cache.label(index))) == tuple(cache._crc[index])

    bad = []
    with concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        for index, whole in enumerate(pool.map(is_whole, range(len(cache)))):
            if not whole:
                bad.append(cache.names[index])
            if progress:
                progress(index + 1)
    return bad


def fingerprint(pairs, spec, size_px):
    """Hex digest of what the cache is made from: options, and name, size and time of every file."""
    files = [[p.name, *_stamp(p.image), *_stamp(p.label)] for p in pairs]
    return _digest([cache_file.SCHEMA_VERSION, _options(spec, size_px), files])


def listing_digest(pairs):
    """Hex digest of names and sizes of the files: the same for a copy of the data set elsewhere."""
    return _digest([[p.name, *_stamp(p.image)[:2], *_stamp(p.label)[:2]] for p in pairs])


def _options(spec, size_px):
    """What else than the files decides the cache's content."""
    options = {"size": list(size_px), "class_names": list(spec.class_names), "ignored_ids": list(spec.ignored_ids),
               "encoding": spec.encoding, "mask_threshold": spec.mask_threshold}
    return options | ({"colours": [list(c) for c in spec.colours]} if spec.encoding == "colours" else {})


def _digest(content):
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _stamp(path):
    """[name, size, time] of a file."""
    try:
        facts = path.stat()
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path) from None
    return [path.name, facts.st_size, facts.st_mtime_ns]
