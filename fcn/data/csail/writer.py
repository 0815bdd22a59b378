"""Write caches as CSAIL's HDF5 file with its JSON. fcn/cli/csail.py describes the format."""

import json
import pathlib
import shlex
import shutil

import h5py
import numpy as np

from fcn.core import atomic_io, errors, ownership
from fcn.data.csail.reader import SPLITS

ELSEWHERE = "free space, or give another --out."


def export(cache_by_split, spec, path, progress=None):
    """Write `path` (FILE.h5) and FILE.json.

    cache_by_split: {"training": Cache, "validation": Cache} of one square size. progress(rows done) is called after
    every row. Both files are written under a temporary name and renamed, the JSON first, so a FILE.h5 is complete and
    has its JSON. Memory does not grow with the number of images. Raises DataError for data that the format cannot
    hold, UsageError if a file exists, MachineError if the disk is full.
    """
    path = pathlib.Path(path).absolute()
    side = _check_data(cache_by_split.values(), spec)
    rows = [(theirs, cache_by_split[ours], i) for theirs, ours in SPLITS.items() if ours in cache_by_split
            for i in range(len(cache_by_split[ours]))]
    check_place(path)
    needed = len(rows) * side ** 2 * 4 + 1_000_000
    if needed > shutil.disk_usage(path.parent).free:
        raise atomic_io.no_space(needed, path.parent, ELSEWHERE)
    try:
        with atomic_io.NewFile(path) as file:
            offsets = _lay_out(file.temporary, len(rows), side)
            atomic_io.reserve(file.handle, file.temporary.stat().st_size, path.parent, ELSEWHERE)
            _fill(file.handle, offsets, rows, progress or (lambda done: None))
            atomic_io.write_whole(path.with_suffix(".json"), _described(rows, spec), new=True)
            file.commit(new=True)
    except OSError as error:
        raise errors.MachineError(f"cannot be written: {error.strerror}", where=path,
                                  fix=ELSEWHERE) from None


def _check_data(caches, spec):
    """The side of an image in pixels. Raises DataError for data that the format cannot hold."""
    shapes = sorted({tuple(map(int, shape)) for cache in caches for shape in np.unique(cache.shapes, axis=0)})
    if len(shapes) != 1 or shapes[0][0] != shapes[0][1]:
        raise errors.DataError(f"found images of {shapes[:3]} px, expected one square size for CSAIL's file",
                               fix="give --size with one number, such as 384.")
    if tuple(spec.ignored_ids) != (0,) or not 2 <= spec.num_classes <= 255:
        raise errors.DataError(f"found {spec.num_classes} classes with the ignored ids {list(spec.ignored_ids)}, "
                               "expected 2 to 255 classes with only 0 ignored for CSAIL's file",
                               fix="map the ids in the label files first.")
    return shapes[0][0]


def check_place(path):
    """Raise UsageError if FILE.h5 (`path`) or FILE.json beside it cannot be written."""
    path = pathlib.Path(path).absolute()
    if path.suffix != ".h5":
        raise errors.UsageError("does not end in .h5", where=path, fix=f"give --out {shlex.quote(str(path))}.h5")
    def beside(path):
        return path.with_suffix(".json")
    for taken in (path, beside(path)):
        if ownership.occupied(taken):
            other = shlex.quote(str(ownership.free(path, beside)))
            raise errors.UsageError("exists already; nothing is overwritten", where=taken,
                                    fix=f"give --out {other}, or move it away.")
    if not path.parent.is_dir():
        raise errors.UsageError("there is no such folder", where=path.parent,
                                fix=f"mkdir -p {shlex.quote(str(path.parent))}")


def _lay_out(path, rows, side):
    """Write an HDF5 file with unfilled arrays. Returns the offsets of /images and /annotations."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    shapes = {b"images": (rows, 3, side, side), b"annotations": (rows, side, side)}
    with h5py.File(path, "w", locking=False) as file:  # NewFile holds the lock
        return [h5py.h5d.create(file.id, name, h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple(shape), plan).get_offset()
                for name, shape in shapes.items()]


def _fill(file, offsets, rows, progress):
    """Write the rows without HDF5, where a disk error would end the process."""
    for row, (_, cache, i) in enumerate(rows):
        planes = np.ascontiguousarray(np.moveaxis(cache.image(i), 2, 0))
        annotation = cache.label(i) + np.uint8(1)
        atomic_io.write_at(file, planes, offsets[0] + row * planes.size)
        atomic_io.write_at(file, annotation, offsets[1] + row * annotation.size)
        progress(row + 1)


def _described(rows, spec):
    """The JSON as bytes, on one line. Bytes of a name that are not UTF-8 are escaped, so that any JSON reader works."""
    names = [cache.names[i].encode("utf-8", "backslashreplace").decode() for _, cache, i in rows]
    entries = [{"split": theirs, "file_path": f"{SPLITS[theirs]}/{name}.jpg"}
               for (theirs, _, _), name in zip(rows, names, strict=True)]
    return json.dumps({"images": entries, "class_names": list(spec.class_names)}).encode()
