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

from fcn import errors, images

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

    title: the start of the file's name, e.g. "ade20k-training". progress(done, total) is called along the way.
    Raises DataError with all bad pairs at once, MachineError if the disk is too small.
    """
    print_ = fingerprint(pairs, spec, size_px)
    path = pathlib.Path(folder) / f"{title}-{size_px[0]}x{size_px[1]}-{print_[:12]}.h5"
    if not path.exists():
        build(pairs, spec, size_px, path, print_, progress)
    return read(path, print_)


def fingerprint(pairs, spec, size_px):
    """Hex digest of what the cache is made from: options, and name, size and time of every file."""
    files = [[p.name, *_stamp(p.image), *_stamp(p.label)] for p in pairs]
    content = [SCHEMA_VERSION, spec.num_classes, spec.ignored_ids, list(size_px), files]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _stamp(path):
    try:
        facts = path.stat()
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path) from None
    return [path.name, facts.st_size, facts.st_mtime_ns]


def build(pairs, spec, size_px, path, print_, progress=None):
    """Write the cache file. Memory does not grow with the number of pairs; all cores decode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.MachineError(f"the cache folder cannot be made: {error.strerror}", where=path.parent,
                                  cure="give another --cache-dir.") from None
    _check_space(path, len(pairs), size_px)
    aside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with h5py.File(aside, "w") as file:
            _fill(file, pairs, spec, size_px, progress)
            file.attrs["schema_version"] = SCHEMA_VERSION
            file.attrs["fingerprint"] = print_
            file.attrs["made_from"] = json.dumps({"size": list(size_px), "pairs": len(pairs),
                                                  "ignored_ids": list(spec.ignored_ids),
                                                  "class_names": list(spec.class_names)})
        with aside.open("rb") as whole:
            os.fsync(whole.fileno())
        aside.replace(path)
    except RuntimeError as error:  # h5py reports a full disk as a RuntimeError
        raise errors.MachineError("writing the cache failed", where=path, why=str(error)) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()


def _check_space(path, count, size_px):
    needed, free = count * size_px[0] * size_px[1] * 4, shutil.disk_usage(path.parent).free
    if needed > free:
        raise errors.MachineError(f"the cache needs {needed / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB",
                                  where=path.parent, cure="free space or give another --cache-dir.")


def _fill(file, pairs, spec, size_px, progress):
    height, width = size_px
    image_rows = file.create_dataset("images", (len(pairs), height, width, 3), np.uint8)
    label_rows = file.create_dataset("labels", (len(pairs), height, width), np.uint8)
    file["names"] = np.array([pair.name.encode("utf-8", "surrogateescape") for pair in pairs])
    class_pixels, problems = np.zeros(256, np.int64), []
    for row, result in enumerate(_in_order(lambda pair: read_pair(pair, spec, size_px), pairs)):
        try:
            photo, label = result()
        except errors.DataError as problem:
            problems.append(problem)
        else:
            image_rows[row], label_rows[row] = photo, label
            class_pixels += np.bincount(label.ravel(), minlength=256)
        if progress:
            progress(row + 1, len(pairs))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise errors.DataError(f"{len(problems)} of {len(pairs)} pairs are bad", why=errors.several(problems))
    file["class_pixels"] = class_pixels


def _in_order(function, items):
    """The function that waits for an item's result, item by item; all cores compute, a few ahead and no more."""
    workers = os.cpu_count() or 1
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
