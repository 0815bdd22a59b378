"""One sparse confusion matrix per image: counting, storing in confusion.npz, and sums.

All scores of a report are computed from these matrices, for any images and classes, without running the net again. An
image of ADE20K has a few hundred nonzero cells of 151 x 151, so 2,000 images take a few megabytes. Each image is a row
of a scipy.sparse array. The file holds the parts of that array, which are checked before SciPy uses them.
"""

import base64
import dataclasses
import io
import pathlib
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from fcn.core import atomic_io, errors, file_kinds, npz_file
from fcn.data.spec import MOST_CLASSES

if TYPE_CHECKING:
    from scipy import sparse

STRIP = 1 << 20  # pixels that are counted at a time, so that no int64 copy of a large image is needed
FIELDS = ("num_classes", "names", "ends", "cells", "counts")  # arrays of the file; see ConfusionMatrices.save
ALWAYS_BYTES, MOST_RATIO = 64 << 20, 64  # limits of the unpacked size: bytes, or times the size of the file
AGAIN = "evaluate again with fcn evaluate, and give the folder that it names."
DAMAGE = (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, SyntaxError, MemoryError, RuntimeError,
          zipfile.BadZipFile, zlib.error, struct.error)  # what NumPy raises on damaged files


@dataclasses.dataclass(frozen=True)
class Sums:
    """Pixels of each image and scored class, from which all scores are computed. Arrays are float64 (images, len(ids)).

    ids: of the classes. true_positives: pixels of the class that are predicted as the class. target_pixels: pixels
    whose label is the class. predicted_pixels: pixels that are predicted as the class and whose label is not ignored.
    """

    ids: tuple[int, ...]
    true_positives: np.ndarray
    target_pixels: np.ndarray
    predicted_pixels: np.ndarray

    def of(self, ids=None):
        """(true_positives, target_pixels, predicted_pixels) of the classes `ids`; of all by default."""
        if ids is None:
            return self.true_positives, self.target_pixels, self.predicted_pixels
        columns = [self.ids.index(i) for i in ids]
        return self.true_positives[:, columns], self.target_pixels[:, columns], self.predicted_pixels[:, columns]

    def weighted(self, weights, ids=None):
        """(true_positives, target_pixels, predicted_pixels), weighted sums over images, float64 (B, len(ids)).

        weights: (B, images), how often each image counts.
        """
        true_positives, target_pixels, predicted_pixels = self.of(ids)
        return weights @ true_positives, weights @ target_pixels, weights @ predicted_pixels


@dataclasses.dataclass(frozen=True)
class ConfusionMatrices:
    """A confusion matrix per image.

    names: of the images. counts: scipy.sparse.csr_array (images, num_classes ** 2) of uint32 pixels, with sorted
    columns; the column is label * num_classes + prediction. Pixels with ignored labels are included; sums() excludes
    them.
    """

    num_classes: int
    names: tuple[str, ...]
    counts: "sparse.csr_array"

    def total(self):
        """int64 (C, C): entry [i, j] is the number of pixels of class i that are predicted as j, in all images."""
        return self.counts.sum(axis=0).astype(np.int64).reshape(self.num_classes, self.num_classes)

    def of_image(self, index):
        """int64 (C, C): the confusion matrix of one image."""
        return self.counts[[index]].toarray().astype(np.int64).reshape(self.num_classes, self.num_classes)

    def sums(self, ignored_ids):
        """The Sums of all classes except the ignored ones. Pixels with an ignored label do not count."""
        from scipy import sparse  # takes 90 ms; --help does without
        ids = [i for i in range(self.num_classes) if i not in ignored_ids]
        label, prediction = np.divmod(np.arange(self.num_classes ** 2), self.num_classes)
        kept = np.isin(label, ids)

        def added(cells, classes):
            """(images, len(ids)): counts of these cells, summed by class."""
            to_class = sparse.coo_array((np.ones(cells.sum()), (np.flatnonzero(cells), classes[cells])),
                                        (self.num_classes ** 2, self.num_classes))
            return (self.counts @ to_class.tocsr()).toarray()[:, ids]

        return Sums(tuple(ids), added(kept & (label == prediction), label), added(kept, label),
                    added(kept, prediction))

    def select(self, indices):
        """The ConfusionMatrices of the images `indices`, in that order."""
        return ConfusionMatrices(self.num_classes, tuple(self.names[i] for i in indices), self.counts[list(indices)])

    def save(self, path):
        """Write a compressed .npz without pickles.

        Arrays: num_classes, names, ends (int64 (images,): end of each image in the next two), cells (uint32: columns of
        nonzero cells), counts (uint32: their pixels).
        """
        content = io.BytesIO()
        np.savez_compressed(content, num_classes=self.num_classes, names=np.array(self.names, np.str_),
                            ends=self.counts.indptr[1:].astype(np.int64), cells=self.counts.indices.astype(np.uint32),
                            counts=self.counts.data)
        atomic_io.write_whole(path, content.getvalue())

    def parts(self):
        """The content as a list that JSON can hold, for joined()."""
        arrays = (self.counts.indptr[1:].astype(np.int64), self.counts.indices.astype(np.uint32), self.counts.data)
        return [self.num_classes, list(self.names), *(base64.b64encode(x.tobytes()).decode() for x in arrays)]


def joined(parts, order):
    """The ConfusionMatrices of several workers as one. parts: parts() of each. order: numbers of all their images."""
    from scipy import sparse
    made = []
    for num_classes, names, *data in parts:
        ends, cells, counts = (np.frombuffer(base64.b64decode(text), dtype) for text, dtype in zip(
            data, (np.int64, np.uint32, np.uint32), strict=True))
        made.append(ConfusionMatrices(num_classes, tuple(names), _stacked(num_classes, ends, cells, counts)))
    together = ConfusionMatrices(made[0].num_classes, sum((one.names for one in made), ()),
                                 sparse.vstack([one.counts for one in made], format="csr"))
    return together.select(np.argsort(order, kind="stable").tolist())


def _stacked(num_classes, ends, cells, counts):
    """The csr_array of ConfusionMatrices from the arrays of a file. Raises ValueError if they are inconsistent."""
    from scipy import sparse
    if (ends[-1] if len(ends) else 0) != len(cells):
        raise ValueError("its arrays do not fit together")
    made = sparse.csr_array((counts.astype(np.uint32), cells, np.concatenate([[0], ends])),
                            (len(ends), num_classes ** 2))
    made.check_format(full_check=True)
    if not made.has_canonical_format:
        raise ValueError("its cells are not sorted")
    return made


class Counting:
    """Counts the confusion matrices of images one after the other."""

    def __init__(self, num_classes):
        self.num_classes = num_classes
        self.names, self.cells, self.counts = [], [], []

    def add(self, name, label, prediction):
        """Count one image and return its confusion matrix, int64 (C, C).

        label, prediction: integer arrays of the same shape; prediction holds class ids. Pixels whose label is not a
        class (such as 255) do not count. Raises ValueError as matrix().
        """
        return self.add_matrix(name, matrix(label, prediction, self.num_classes))

    def add_matrix(self, name, counted):
        """Add the confusion matrix of an image, int64 (C, C), and return it."""
        dense = counted.ravel()
        cells = np.flatnonzero(dense)
        self.names.append(name)
        self.cells.append(cells.astype(np.uint32))
        self.counts.append(dense[cells].astype(np.uint32))
        return counted

    def done(self):
        """The ConfusionMatrices of all images that were added."""
        nothing = np.zeros(0, np.uint32)
        return ConfusionMatrices(self.num_classes, tuple(self.names), _stacked(
            self.num_classes, np.cumsum([len(c) for c in self.cells], dtype=np.int64),
            np.concatenate([nothing, *self.cells]), np.concatenate([nothing, *self.counts])))


def matrix(label, prediction, num_classes, ignored_ids=()):
    """Confusion matrix, int64 (C, C): entry [i, j] is the number of pixels of class i that are predicted as j.

    label, prediction: integer arrays of the same shape. Pixels whose label is ignored or not a class do not count.
    Raises ValueError if the prediction of a pixel that counts is not a class.
    """
    label, prediction = np.asarray(label).ravel(), np.asarray(prediction).ravel()
    total = np.zeros(num_classes ** 2, np.int64)
    for start in range(0, len(label), STRIP):
        target, predicted = label[start:start + STRIP], prediction[start:start + STRIP]
        counted = target < num_classes
        if ignored_ids:
            counted &= ~np.isin(target, list(ignored_ids))
        target, predicted = target[counted].astype(np.int64), predicted[counted].astype(np.int64)
        if predicted.size and predicted.max() >= num_classes:
            raise ValueError(f"predicted id {predicted.max()}, expected 0 to {num_classes - 1}")
        total += np.bincount(target * num_classes + predicted, minlength=num_classes ** 2)
    return total.reshape(num_classes, num_classes)


def load(path):
    """Read the ConfusionMatrices of a file that save() has written. Raises DataError."""
    path = pathlib.Path(path)
    try:
        with npz_file.open_npz(path, max(ALWAYS_BYTES, MOST_RATIO * path.stat().st_size)) as (stored, _):
            if "confusion" in stored and "cells" not in stored:
                raise errors.DataError("was written by an older version: it holds one matrix, summed over all images",
                                       where=path, fix=AGAIN)
            problem = _header_problem(*(stored[field] for field in FIELDS))
            if problem:
                raise _damaged(path, problem)
            num_classes, names, *parts = (stored[field].read() for field in FIELDS)
            return ConfusionMatrices(int(num_classes), tuple(map(str, names)), _stacked(int(num_classes), *parts))
    except FileNotFoundError:
        raise errors.DataError("is missing", where=path, fix=AGAIN) from None
    except DAMAGE as error:
        raise _damaged(path, error) from None


def _damaged(path, why):
    return errors.DataError("is damaged, or not a file of confusion matrices", where=path,
                            why=file_kinds.why_unreadable(path, why, file_kinds.ZIP), fix=AGAIN)


def _header_problem(num_classes, names, ends, cells, counts):
    """Why npz_file.Arrays cannot be ConfusionMatrices, or "". Only the number of classes is read."""
    if num_classes.shape or num_classes.dtype.kind not in "iu" or not 1 <= num_classes.read() <= MOST_CLASSES:
        return f"num_classes is not an integer from 1 to {MOST_CLASSES}"
    for array, kind in ((names, "U"), (ends, "i"), (cells, "u"), (counts, "u")):
        if len(array.shape) != 1 or (array.dtype.kind != kind and array.shape[0]):
            return f"{array.name} has a wrong shape or dtype: {array.shape} of {array.dtype}"
        if kind == "u" and array.dtype.itemsize > 4:
            return f"{array.name} has more than 32 bits"
    images, filled, size = names.shape[0], cells.shape[0], int(num_classes.read())
    if ends.shape != names.shape or counts.shape != cells.shape:
        return "its arrays do not fit together"
    if filled > images * size ** 2:
        return f"it claims {filled:,} nonzero cells; {images:,} images of {size} classes have {images * size ** 2:,}"
    return ""
