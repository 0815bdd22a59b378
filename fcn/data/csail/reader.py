"""Reading CSAIL's HDF5 file and its JSON (fcn/cli/csail.py says what is in them), without trusting either.

Such a file can name other files as its storage, as virtual sources or behind links, and a chunk of a kilobyte can
unpack to gigabytes. So an array must be the file's own, contiguous or in chunks, plain or packed with gzip, with every
chunk there and no larger than it says; nothing else of the file is looked at.
"""

import dataclasses
import hashlib
import json
import math
import pathlib
import re
import stat
import zlib

import h5py
import numpy as np

from fcn.core import errors, file_kinds
from fcn.data.layouts._ade20k_classes import CLASSES
from fcn.data.spec import NUM_IDS

SPLITS = {"train": "training", "val": "validation"}  # theirs: ours
NAME_KEYS = ("file_path", "file_name", "filename", "name")
MAX_JSON_BYTES = 32_000_000  # the benchmark's 22 210 images take about 3 MB
MAX_SIDE_PX = 8192
BLOCK_BYTES = 64_000_000  # of labels in memory while they are counted
MAX_CHUNK_BYTES = 64_000_000
MAX_CHUNKS = 4_000_000
CACHED_BYTES = 256_000_000  # of unpacked chunks; h5py's own choice of chunks spreads one image over thousands


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
        planes = read_bytes(self._images, self._rows[index], self.path)
        return np.ascontiguousarray(np.moveaxis(planes, 0, 2))

    def label(self, index):
        """uint8 (height, width), ids as everywhere else: 0 is "other". Raises DataError."""
        return read_bytes(self._annotations, self._rows[index], self.path) - np.uint8(self._shift)


def open_file(path, shift=1, progress=None):
    """{"training": Split, "validation": Split}, those that are there, of FILE.h5 and the FILE.json beside it.

    shift: an annotation is its class id plus this; 1 in CSAIL's files. All annotations are read once and counted;
    progress(rows done). Raises DataError.
    """
    path = pathlib.Path(path)
    check_regular(path)
    text = _json_text(path.with_suffix(".json"))
    entries, class_names = _described(text, path.with_suffix(".json"))
    images, annotations = byte_arrays(path, ("images", "annotations"))
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
                               fix="this file belongs beside the .h5, under the same name.")
    check_regular(path)
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
                               why=file_kinds.why_unreadable(path, f"{type(error).__name__}: {error}"),
                               fix='needed is {"images": [{"split": "train" or "val", "file_path": ...}, ...]}, with '
                                    "an entry for each row of the .h5.") from None


def _check_shapes(images, annotations, rows, path):
    side = annotations[1:]
    if len(side) != 2 or images != (rows, 3, *side) or annotations[0] != rows:
        raise errors.DataError(f"/images {images} and /annotations {annotations} should be (N, 3, H, W) and (N, H, W), "
                               f"and the JSON lists N = {rows} images", where=path,
                               fix="take both files from the same place.")
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
        block = read_bytes(annotations, slice(first, first + rows), path)
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
                               why="in CSAIL's own files 1 is other", fix="leave --unshifted out.")
    return counts


def _out_of_range(wrong, row, shift, num_classes, path):
    fix = f"classes are {shift} to {shift + num_classes - 1} in this file, {shift} is other."
    if wrong == [0]:
        fix += " If it holds ids as ADE20K's PNGs do, 0 for other, give --unshifted."
    if shift == 0 and wrong == [num_classes]:
        fix += " If it holds what CSAIL's own files do, 1 for other, leave --unshifted out."
    return errors.DataError(f"/annotations holds {', '.join(map(str, wrong))} in row {row}, which is no class",
                            where=path, fix=fix)


class _Stored(ValueError):
    """Of an array that may well be sound, but is stored in a way that is not read."""


def byte_arrays(path, names):
    """The open h5py.Dataset, uint8, for each of these names at the root of the file. Raises DataError."""
    check_regular(path)
    try:
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=CACHED_BYTES, rdcc_nslots=1_000_003)
        return [_array(file, name, path.stat().st_size) for name in names]
    except _Stored as error:
        raise errors.DataError("is no HDF5 file that may be read", where=path, why=str(error),
                               fix=file_kinds.plain_hdf5(path, names)) from None
    except Exception as error:  # HDF5 on a damaged file raises nearly anything
        raise errors.DataError("is no HDF5 file that may be read", where=path,
                               why=file_kinds.why_unreadable(path, str(error).split("\n")[0], file_kinds.HDF5),
                               fix=f"it should hold {' and '.join('/' + name for name in names)}, arrays of bytes."
                               ) from None


def check_regular(path):
    """Raise DataError unless `path` is a regular file: a FIFO would hang for ever."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise errors.DataError("is not a regular file", where=path)
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path) from None


def read_bytes(array, index, path):
    """array[index]. Raises DataError."""
    try:
        return array[index]
    except Exception as error:
        raise errors.DataError(f"{array.name} cannot be read at {index}", where=path, why=str(error).split("\n")[0],
                               fix="copy or download the file again.") from None


def _array(file, name, file_size):
    link = file.get(name, getlink=True)
    if link is None:
        raise ValueError(f"it has no /{name}")
    if not isinstance(link, h5py.HardLink) or file.get(name, getclass=True) != h5py.Dataset:
        raise ValueError(f"/{name} is not an array of the file itself")
    array = file[name]
    if array.external or array.is_virtual:
        raise ValueError(f"/{name} lies in other files")
    if array.dtype != np.uint8:
        raise ValueError(f"/{name} is {array.dtype}, not uint8")
    if array.chunks:
        _check_chunks(array)
    else:
        offset = array.id.get_offset()
        if offset is None or offset + array.size > file_size:
            raise ValueError(f"/{name} reaches beyond the end of the file")
    return array


def _check_chunks(array):
    plan, chunk = array.id.get_create_plist(), math.prod(array.chunks)
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    wanted = math.prod(-(-size // step) for size, step in zip(array.shape, array.chunks, strict=True))
    if filters not in ([], [h5py.h5z.FILTER_DEFLATE]):
        raise _Stored(f"{array.name} is packed with another filter than gzip")
    if chunk > MAX_CHUNK_BYTES or wanted > MAX_CHUNKS:
        raise _Stored(f"{array.name} has {wanted:,} chunks of {chunk:,} bytes")
    found: list = []
    array.id.chunk_iter(found.append)
    if len(found) != wanted:
        raise ValueError(f"{array.name} has {len(found):,} of its {wanted:,} chunks")
    for info in found:
        if info.size > chunk + chunk // 100 + 1000 or (filters and not _unpacks_to(array, info.chunk_offset, chunk)):
            raise ValueError(f"{array.name}: the chunk at {info.chunk_offset} does not unpack to {chunk:,} bytes")


def _unpacks_to(array, offset, size):
    """Whether a chunk unpacks to this size; HDF5 itself goes on unpacking for as long as there is something."""
    mask, packed = array.id.read_direct_chunk(offset)
    return mask == 0 and len(zlib.decompressobj().decompress(packed, size + 1)) == size
