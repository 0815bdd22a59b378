"""Pairs -> one HDF5 file of equally sized images and labels, and back.

The file is plain HDF5 that any reader opens:
    images       uint8 (n, height, width, 3)   RGB, resized bilinearly
    labels       uint8 (n, height, width)      ids as in the label files, resized by nearest neighbour
    names        bytes (n,)                    stems, sorted
    class_pixels int64 (256,)                  pixels of each id, at this size
and the attributes schema_version, fingerprint, made_from (JSON). Both large arrays are contiguous and uncompressed,
so reading is a memory map. The name carries the fingerprint of the listing and the options: another listing is
another file. It is written aside and renamed: a file of that name is whole.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil

import h5py
import numpy as np

from fcn import errors, images, machine

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Cache:
    """An open cache. images and labels are read-only memory maps; class_pixels is (256,) int64."""

    path: pathlib.Path
    images: np.ndarray
    labels: np.ndarray
    names: list[str]
    class_pixels: np.ndarray
    fingerprint: str

    def __len__(self):
        return len(self.images)


def prepare(pairs, spec, size_px, folder, title, progress=None):
    """The Cache of these pairs at this size (height, width), built if it is not there yet.

    title: the start of the file's name, e.g. "ade20k-training". progress(done) is called along the way.
    Raises DataError with all bad pairs at once, MachineError if the disk is too small.
    """
    print_ = fingerprint(pairs, spec, size_px)
    path = pathlib.Path(folder) / f"{title}-{size_px[0]}x{size_px[1]}-{print_[:12]}.h5"
    if not path.exists():
        build(pairs, spec, size_px, path, print_, progress)
    return read(path, print_)


def fingerprint(pairs, spec, size_px, with_times=True):
    """Hex digest of what the cache is made from: options, and name, size and time of every file.

    Without times it is the same for a copy of the data set elsewhere.
    """
    files = [[p.name, *_stamp(p.image, with_times), *_stamp(p.label, with_times)] for p in pairs]
    content = [SCHEMA_VERSION, spec.num_classes, spec.ignored_ids, list(size_px), files]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _stamp(path, with_times):
    try:
        facts = path.stat()
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path) from None
    return [path.name, facts.st_size, *([facts.st_mtime_ns] if with_times else [])]


def build(pairs, spec, size_px, path, print_, progress=None):
    """Write the cache file. Memory does not grow with the number of pairs; all cores decode.

    HDF5 only lays the file out; the arrays are written past it, so that no error of the disk meets an open HDF5 file
    (which then takes the process down with it).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.MachineError(f"the cache folder cannot be made: {error.strerror}", where=path.parent,
                                  cure="give another --cache-dir.") from None
    _sweep(path)
    aside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        offsets = _lay_out(aside, pairs, spec, size_px, print_)
        with aside.open("r+b", buffering=0) as file:
            machine.reserve(file.fileno(), aside.stat().st_size)
            _fill(file.fileno(), offsets, pairs, spec, size_px, progress)
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise errors.MachineError(f"writing the cache failed: {error.strerror}", where=path.parent,
                                  cure="free space or give another --cache-dir.") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()


def _sweep(path):
    """Delete what killed processes left of this cache."""
    for partial in path.parent.glob(f"{path.name}.*.partial"):
        if not machine.is_running(int(partial.suffixes[-2][1:])):
            partial.unlink()


def _lay_out(path, pairs, spec, size_px, print_):
    """Write the HDF5 file with all but its pixels; {dataset: offset of its first byte}. Raises MachineError."""
    height, width = size_px
    needed, free = len(pairs) * height * width * 4, shutil.disk_usage(path.parent).free
    if needed > free:
        raise errors.MachineError(f"the cache needs {needed / 1e9:.3g} GB, the disk has {free / 1e9:.3g} GB",
                                  where=path.parent, cure="free space or give another --cache-dir.")
    with h5py.File(path, "w") as file:
        arrays = [_contiguous(file, "images", (len(pairs), height, width, 3), np.uint8),
                  _contiguous(file, "labels", (len(pairs), height, width), np.uint8),
                  _contiguous(file, "class_pixels", (256,), np.int64)]
        file["names"] = np.array([pair.name.encode("utf-8", "surrogateescape") for pair in pairs])
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["fingerprint"] = print_
        file.attrs["made_from"] = json.dumps({"size": list(size_px), "pairs": len(pairs),
                                              "ignored_ids": list(spec.ignored_ids),
                                              "class_names": list(spec.class_names)})
        return {array.name.strip("/"): array.id.get_offset() for array in arrays}


def _contiguous(file, name, shape, dtype):
    """A dataset whose place in the file is fixed at once and whose bytes are left to us."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(shape)
    return h5py.Dataset(h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype)), space, plan))


def _fill(file, offsets, pairs, spec, size_px, progress):
    """Write every row to the open file; raises DataError with all bad pairs when the last one has been read."""
    class_pixels, problems = np.zeros(256, np.int64), []
    for row, result in enumerate(_in_order(lambda pair: read_pair(pair, spec, size_px), pairs)):
        try:
            photo, label = result()
        except errors.DataError as problem:
            problems.append(problem)
        else:
            _write(file, photo, offsets["images"] + row * photo.size)
            _write(file, label, offsets["labels"] + row * label.size)
            class_pixels += np.bincount(label.ravel(), minlength=256)
        if progress:
            progress(row + 1)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise errors.DataError(f"{len(problems)} of {len(pairs)} pairs are bad", why=errors.several(problems))
    _write(file, class_pixels, offsets["class_pixels"])


def _write(file, array, offset):
    """All bytes of an array at an offset; one call may write fewer than it is given."""
    left = memoryview(np.ascontiguousarray(array).tobytes())
    while left:
        written = os.pwrite(file, left, offset)
        left, offset = left[written:], offset + written


def _in_order(function, items):
    """The function that waits for an item's result, item by item; all cores compute, a few ahead and no more."""
    workers = machine.cores()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        waiting: collections.deque = collections.deque()
        for item in items:
            waiting.append(pool.submit(function, item).result)
            if len(waiting) > 4 * workers:
                yield waiting.popleft()
        yield from waiting


def read_pair(pair, spec, size_px=None):
    """(photo uint8 (h, w, 3), label uint8 (h, w)) of a Pair, resized to size_px if given. Raises DataError."""
    photo, label = images.read_photo(pair.image), images.read_label(pair.label)
    if photo.shape[:2] != label.shape:
        raise errors.DataError(f"is {label.shape[1]} x {label.shape[0]}, its photo is {photo.shape[1]} x "
                               f"{photo.shape[0]}", where=pair.label, cure="a label has the size of its photo.")
    check_ids(label, spec, pair.label)
    if size_px is None:
        return photo, label
    return images.resize_photo(photo, size_px), images.resize_label(label, size_px)


def check_ids(label, spec, path):
    """Raise DataError if a label holds an id that is neither a class nor ignored."""
    if not spec.class_names:
        return
    wrong = [int(i) for i in np.unique(label) if i >= spec.num_classes and i not in spec.ignored_ids]
    if wrong:
        raise errors.DataError(
            f"label id {', '.join(map(str, wrong))} is out of range; classes are 0 to {spec.num_classes - 1}, "
            f"ignored: {', '.join(map(str, spec.ignored_ids)) or 'none'}", where=path,
            cure="if such pixels mean nothing, give --ignore-label; otherwise name the class.")


def read(path, print_=None):
    """The Cache in `path`. Raises DataError if it is not one, not of this version, or not of this fingerprint."""
    cure = "delete the file; it is built again from the data."
    try:
        with h5py.File(path, "r") as file:
            version, found = file.attrs.get("schema_version"), file.attrs.get("fingerprint")
            if version != SCHEMA_VERSION:
                raise errors.DataError(f"is a cache of version {version}, this program makes {SCHEMA_VERSION}",
                                       where=path, cure=cure)
            if print_ and found != print_:
                raise errors.DataError("was made from other files or options than its name says", where=path, cure=cure)
            photos, labels = _mapped(path, file["images"]), _mapped(path, file["labels"])
            names = [name.decode("utf-8", "surrogateescape") for name in file["names"][:]]
            if not photos.shape[:3] == labels.shape == (len(names), *labels.shape[1:]):
                raise ValueError(f"images {photos.shape}, labels {labels.shape} and {len(names)} names do not agree")
            return Cache(pathlib.Path(path), photos, labels, names, file["class_pixels"][:], found)
    except (OSError, KeyError, ValueError, RuntimeError, AttributeError, TypeError) as error:
        raise errors.DataError("is not a readable cache", where=path, why=str(error), cure=cure) from None


def _mapped(path, dataset):
    if dataset.dtype != np.uint8 or dataset.chunks or dataset.external or dataset.is_virtual:
        raise ValueError(f"{dataset.name} is not a plain contiguous uint8 array")
    return np.memmap(path, np.uint8, "r", dataset.id.get_offset(), dataset.shape)
