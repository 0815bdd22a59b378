"""Reading CSAIL's HDF5 file and its JSON (fcn/cli/csail.py says what is in them), without trusting either."""

import dataclasses
import hashlib
import json
import math
import pathlib
import re

import h5py
import numpy as np

from fcn.core import errors, file_kinds
from fcn.data.csail import foreign_hdf5
from fcn.data.layouts._ade20k_classes import CLASSES
from fcn.data.spec import NUM_IDS

SPLITS = {"train": "training", "val": "validation"}  # theirs: ours
NAME_KEYS = ("file_path", "file_name", "filename", "name")
MAX_JSON_BYTES = 32_000_000  # the benchmark's 22 210 images take about 3 MB
MAX_SIDE_PX = 8192
BLOCK_BYTES = 64_000_000  # of labels in memory while they are counted


@dataclasses.dataclass(frozen=True)
class Split:
    """The rows of one split, with the interface of a cache.Cache; each is read from the file when it is asked for.

    names: file stems, or made up from row numbers where the JSON has none that serve. class_names: indexed by id.
    """

    path: pathlib.Path
    names: list[str]
    shapes: np.ndarray
    class_pixels: np.ndarray
    fingerprint: str
    class_names: tuple[str, ...]
    _rows: np.ndarray
    _images: h5py.Dataset
    _annotations: h5py.Dataset
    _shift: int
    uniform: bool = True

    def __len__(self):
        return len(self.names)

    def image(self, index):
        """uint8 (height, width, 3), RGB. Raises DataError."""
        planes = foreign_hdf5.read_bytes(self._images, self._rows[index], self.path)
        return np.ascontiguousarray(np.moveaxis(planes, 0, 2))

    def label(self, index):
        """uint8 (height, width), ids as everywhere else: 0 is "other". Raises DataError."""
        return foreign_hdf5.read_bytes(self._annotations, self._rows[index], self.path) - np.uint8(self._shift)


def open_file(path, shift=1, progress=None):
    """{"training": Split, "validation": Split}, those that are there, of FILE.h5 and the FILE.json beside it.

    shift: an annotation is its class id plus this; 1 in CSAIL's files. All annotations are read once and counted;
    progress(rows done). Raises DataError.
    """
    path = pathlib.Path(path)
    foreign_hdf5.check_regular(path)
    text = _json_text(path.with_suffix(".json"))
    entries, class_names = _described(text, path.with_suffix(".json"))
    images, annotations = foreign_hdf5.byte_arrays(path, ("images", "annotations"))
    _check_shapes(images.shape, annotations.shape, len(entries), path)
    counts = _class_pixels(annotations, entries, shift, len(class_names), path, progress)
    facts, splits = path.stat(), {}
    for theirs, ours in SPLITS.items():
        rows = np.array([i for i, entry in enumerate(entries) if entry["split"] == theirs], np.int64)
        if rows.size:
            stamp = f"{ours} {shift} {facts.st_size} {facts.st_mtime_ns}\n".encode()
            shapes = np.tile(np.array(images.shape[2:], np.int32), (len(rows), 1))
            splits[ours] = Split(path, _stems(entries, rows, theirs), shapes, counts[theirs],
                                 hashlib.sha256(stamp + text).hexdigest(), class_names, rows, images, annotations,
                                 shift)
    return splits


def _json_text(path):
    if not path.exists():
        raise errors.DataError("the names and splits are missing", where=path,
                               cure="this file belongs beside the .h5, under the same name.")
    foreign_hdf5.check_regular(path)
    if path.stat().st_size > MAX_JSON_BYTES:
        raise errors.DataError(f"has more than {MAX_JSON_BYTES:,} bytes", where=path)
    return path.read_bytes()


def _described(text, path):
    """(entries: [{"split": ..., ...}], class names by id) of the JSON. Raises DataError."""
    try:
        content = json.loads(text)
        entries = content["images"]
        if not isinstance(entries, list) or not entries:
            raise ValueError('"images" is no list of images')
        for i, entry in enumerate(entries):
            if entry["split"] not in SPLITS:
                raise ValueError(f'"images"[{i}] is of the split {entry["split"]!r}; known are {", ".join(SPLITS)}')
        class_names = content.get("class_names", ["other", *(name for name, _ in CLASSES)])
        if not 2 <= len(class_names) <= 255 or not all(name.isprintable() and len(name) < 100 for name in class_names):
            raise ValueError('"class_names" are not 2 to 255 names')
        return entries, tuple(class_names)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise errors.DataError("does not hold names and splits", where=path,
                               why=file_kinds.instead(path, f"{type(error).__name__}: {error}"),
                               cure='needed is {"images": [{"split": "train" or "val", "file_path": ...}, ...]}, with '
                                    "an entry for each row of the .h5.") from None


def _check_shapes(images, annotations, rows, path):
    side = annotations[1:]
    if len(side) != 2 or images != (rows, 3, *side) or annotations[0] != rows:
        raise errors.DataError(f"/images {images} and /annotations {annotations} should be (N, 3, H, W) and (N, H, W), "
                               f"and the JSON lists N = {rows} images", where=path,
                               cure="take both files from the same place.")
    if not all(1 <= length <= MAX_SIDE_PX for length in side):
        raise errors.DataError(f"holds images of {side[1]} x {side[0]} pixels", where=path,
                               why=f"The limit is {MAX_SIDE_PX} a side.")


def _stems(entries, rows, split):
    """A file stem for each row, told apart even where case does not count: the JSON's, else "train_00000001", ..."""
    said = [next((entries[i][key] for key in NAME_KEYS if isinstance(entries[i].get(key), str)), "") for i in rows]
    stems = [re.sub(r"\.\w{1,5}$", "", re.split(r"[/\\]", name)[-1]) for name in said]
    can_be_files = all(re.fullmatch(r"\w[\w .()+@-]*", stem) and len(stem.encode()) <= 200 for stem in stems)
    if can_be_files and len({stem.casefold() for stem in stems}) == len(stems):
        return stems
    return [f"{split}_{i + 1:08d}" for i in rows]


def _class_pixels(annotations, entries, shift, num_classes, path, progress):
    """{split of theirs: int64 (256,) pixels by id}. Raises DataError if a label is no id."""
    counts = {split: np.zeros(NUM_IDS, np.int64) for split in SPLITS}
    step = annotations.chunks[0] if annotations.chunks else 1
    rows = max(BLOCK_BYTES // math.prod(annotations.shape[1:]) // step * step, 1)
    for first in range(0, len(entries), rows):
        block = foreign_hdf5.read_bytes(annotations, slice(first, first + rows), path)
        for i, label in enumerate(block, first):
            found = np.bincount(label.ravel(), minlength=NUM_IDS)
            wrong = [int(value) for value in np.flatnonzero(found) if not 0 <= value - shift < num_classes]
            if wrong:
                raise _out_of_range(wrong, i, shift, num_classes, path)
            counts[entries[i]["split"]][:NUM_IDS - shift] += found[shift:]
        if progress:
            progress(first + len(block))
    if shift == 0 and not sum(its[0] for its in counts.values()):
        raise errors.DataError("/annotations holds no 0, which would be other", where=path,
                               why="in CSAIL's own files 1 is other", cure="leave --unshifted out.")
    return counts


def _out_of_range(wrong, row, shift, num_classes, path):
    cure = f"classes are {shift} to {shift + num_classes - 1} in this file, {shift} is other."
    if wrong == [0]:
        cure += " If it holds ids as ADE20K's PNGs do, 0 for other, give --unshifted."
    if shift == 0 and wrong == [num_classes]:
        cure += " If it holds what CSAIL's own files do, 1 for other, leave --unshifted out."
    return errors.DataError(f"/annotations holds {', '.join(map(str, wrong))} in row {row}, which is no class",
                            where=path, cure=cure)
