"""Read an untrusted CSAIL HDF5 file and its JSON. fcn/cli/csail.py describes the format.

An HDF5 file can refer to other files by external storage, virtual datasets or links, and a chunk of a kilobyte can
unpack to gigabytes. So only arrays in the file itself are read: contiguous or chunked, uncompressed or gzip, with all
chunks present and of the declared size. Nothing else in the file is read.
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

SPLITS = {"train": "training", "val": "validation"}  # CSAIL's name: ours
NAME_KEYS = ("file_path", "file_name", "filename", "name")
MAX_JSON_BYTES = 32_000_000  # the benchmark's 22 210 images take about 3 MB
MAX_SIDE_PX = 8192
BLOCK_BYTES = 64_000_000  # labels in memory while their pixels are counted
MAX_CHUNK_BYTES = 64_000_000
MAX_CHUNKS = 4_000_000
CACHED_BYTES = 256_000_000  # unpacked chunks; h5py's default chunks divide one image into thousands


@dataclasses.dataclass(frozen=True)
class Split:
    """The rows of one split, with the interface of cache.Cache. Rows are read from the file on request.

    names: file stems, or "train_00000001", ... if the JSON has no usable names. class_names: indexed by id.
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
        """Image as uint8 (height, width, 3), RGB. Raises DataError."""
        planes = read_bytes(self._images, self._rows[index], self.path)
        return np.ascontiguousarray(np.moveaxis(planes, 0, 2))

    def label(self, index):
        """Label as uint8 (height, width) of class ids, with 0 for "other". Raises DataError."""
        return read_bytes(self._annotations, self._rows[index], self.path) - np.uint8(self._shift)


def open_file(path, shift=1, progress=None):
    """{"training": Split, "validation": Split} of FILE.h5 and the FILE.json beside it, without empty splits.

    shift: an annotation is the class id plus this; 1 in CSAIL's files. Reads all annotations once, to count pixels, and
    calls progress(rows done). Raises DataError.
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
        raise errors.DataError("is missing; it holds the names and splits", where=path,
                               fix="put it beside the .h5, under the same name.")
    check_regular(path)
    if path.stat().st_size > MAX_JSON_BYTES:
        raise errors.DataError(f"has more than {MAX_JSON_BYTES:,} bytes", where=path,
                               fix='keep only "split" and "file_path" of each entry of "images", and "class_names".')
    return path.read_bytes()


def _described(text, path):
    """(entries [{"split": ..., ...}], class names by id) of the JSON. Raises DataError."""
    try:
        content = json.loads(text)
        entries = content["images"]
        if not isinstance(entries, list) or not entries:
            raise ValueError('"images" is not a list of images')
        for i, entry in enumerate(entries):
            if entry["split"] not in SPLITS:
                raise ValueError(f'"images"[{i}] has the split {entry["split"]!r}, expected {" or ".join(SPLITS)}')
        class_names = content.get("class_names", ["other", *(name for name, _ in CLASSES)])
        if not 2 <= len(class_names) <= 255 or not all(name.isprintable() and len(name) < 100 for name in class_names):
            raise ValueError('"class_names" are not 2 to 255 names')
        return entries, tuple(class_names)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise errors.DataError("does not hold names and splits", where=path,
                               why=file_kinds.why_unreadable(path, f"{type(error).__name__}: {error}"),
                               fix='expected {"images": [{"split": "train" or "val", "file_path": ...}, ...]}, with '
                                    "an entry for each row of the .h5.") from None


def _check_shapes(images, annotations, rows, path):
    side = annotations[1:]
    if len(side) != 2 or images != (rows, 3, *side) or annotations[0] != rows:
        raise errors.DataError(f"/images {images} and /annotations {annotations}, expected (N, 3, H, W) and (N, H, W) "
                               f"with N = {rows}, the images in the JSON", where=path,
                               fix="use a .h5 and a .json from the same source.")
    if not all(1 <= length <= MAX_SIDE_PX for length in side):
        raise errors.DataError(f"holds images of {side[0]}x{side[1]} pixels", where=path,
                               why=f"expected 1 to {MAX_SIDE_PX:,} per side",
                               fix="store smaller images; fcn csail export --size 384 writes them from a data set.")


def _stems(entries, rows, split):
    """A file stem for each row, unique without regard to case: from the JSON, or else "train_00000001", ..."""
    names = [next((entries[i][key] for key in NAME_KEYS if isinstance(entries[i].get(key), str)), "") for i in rows]
    stems = [re.sub(r"\.\w{1,5}$", "", re.split(r"[/\\]", name)[-1]) for name in names]
    can_be_files = all(re.fullmatch(r"\w[\w .()+@-]*", stem) and len(stem.encode()) <= 200 for stem in stems)
    if can_be_files and len({stem.casefold() for stem in stems}) == len(stems):
        return stems
    return [f"{split}_{i + 1:08d}" for i in rows]


def _class_pixels(annotations, entries, shift, num_classes, path, progress):
    """{CSAIL's name of a split: int64 (256,) pixels by id}. Raises DataError for a label that is not an id."""
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
        raise errors.DataError("/annotations holds no 0, the id of other with --unshifted", where=path,
                               why="in CSAIL's own files, 1 is other", fix="leave --unshifted out.")
    return counts


def _out_of_range(wrong, row, shift, num_classes, path):
    fix = f"expected {shift} to {shift + num_classes - 1}, with {shift} for other."
    if wrong == [0]:
        fix += " If other is 0 in this file, as in ADE20K's PNGs, give --unshifted."
    if shift == 0 and wrong == [num_classes]:
        fix += " If other is 1 in this file, as in CSAIL's own files, leave --unshifted out."
    return errors.DataError(f"/annotations holds {', '.join(map(str, wrong))} in row {row}, which is not a class",
                            where=path, fix=fix)


class _UnsupportedStorage(ValueError):
    """An array may be intact, but is stored in a way that is not read."""


def byte_arrays(path, names):
    """Open the uint8 arrays of these names at the root of the file, as h5py.Datasets. Raises DataError."""
    check_regular(path)
    try:
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=CACHED_BYTES, rdcc_nslots=1_000_003)
        return [_array(file, name, path.stat().st_size) for name in names]
    except _UnsupportedStorage as error:
        raise errors.DataError("cannot be read as HDF5", where=path, why=str(error),
                               fix=file_kinds.plain_hdf5(path, names)) from None
    except Exception as error:  # for a damaged file, h5py raises many types
        raise errors.DataError("cannot be read as HDF5", where=path,
                               why=file_kinds.why_unreadable(path, str(error).split("\n")[0], file_kinds.HDF5),
                               fix=f"expected the uint8 arrays {' and '.join('/' + name for name in names)}.") from None


def check_regular(path):
    """Raise DataError unless `path` is a regular file: reading a FIFO could block for ever."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise errors.DataError("is not a regular file", where=path,
                                   fix="give an HDF5 file such as data_ADE20K_384x384.h5.")
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path, fix="check the path.") from None


def read_bytes(array, index, path):
    """array[index] of an h5py.Dataset. Raises DataError."""
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
        raise ValueError(f"/{name} is not an array in this file")
    array = file[name]
    if array.external or array.is_virtual:
        raise ValueError(f"/{name} is stored in other files")
    if array.dtype != np.uint8:
        raise ValueError(f"/{name} is {array.dtype}, expected uint8")
    if array.chunks:
        _check_chunks(array)
    else:
        offset = array.id.get_offset()
        if offset is None or offset + array.size > file_size:
            raise ValueError(f"/{name} extends beyond the end of the file")
    return array


def _check_chunks(array):
    plan, chunk = array.id.get_create_plist(), math.prod(array.chunks)
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    wanted = math.prod(-(-size // step) for size, step in zip(array.shape, array.chunks, strict=True))
    if filters not in ([], [h5py.h5z.FILTER_DEFLATE]):
        raise _UnsupportedStorage(f"{array.name} is compressed with a filter other than gzip")
    if chunk > MAX_CHUNK_BYTES or wanted > MAX_CHUNKS:
        raise _UnsupportedStorage(f"{array.name} has {wanted:,} chunks of {chunk:,} bytes; "
                                  f"the limits are {MAX_CHUNKS:,} and {MAX_CHUNK_BYTES:,}")
    found: list = []
    array.id.chunk_iter(found.append)
    if len(found) != wanted:
        raise ValueError(f"{array.name} has {len(found):,} of its {wanted:,} chunks")
    for info in found:
        if info.size > chunk + chunk // 100 + 1000 or (filters and not _unpacks_to(array, info.chunk_offset, chunk)):
            raise ValueError(f"{array.name}: the chunk at {info.chunk_offset} does not unpack to {chunk:,} bytes")


def _unpacks_to(array, offset, size):
    """Whether a chunk unpacks to this size. HDF5 itself would unpack it without a limit."""
    mask, packed = array.id.read_direct_chunk(offset)
    return mask == 0 and len(zlib.decompressobj().decompress(packed, size + 1)) == size
