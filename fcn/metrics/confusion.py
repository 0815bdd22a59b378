"""Label and prediction maps -> one sparse confusion matrix per image; in memory, in confusion.npz, and as sums.

Every number of a report is computed from these, of any images and classes, without running the net again. An image of
ADE20K fills a few hundred of its 151 x 151 cells, so 2,000 images take a few megabytes: a row of a scipy.sparse array
each. The file holds that array's parts under names of its own and is checked before SciPy sees them.
"""

import dataclasses
import io
import pathlib
import struct
import zipfile
import zlib

import numpy as np
from scipy import sparse

from fcn.core import atomic_io, errors, file_kinds, npz_file

STRIP = 1 << 20  # pixels that are counted at a time: a page of 17 megapixels needs no copy of 8 bytes a pixel
FIELDS = ("num_classes", "names", "ends", "cells", "counts")  # of the file; see ConfusionMatrices.save
ALWAYS_BYTES, MOST_RATIO = 64 << 20, 64  # what a file may unpack to: matrices of few classes shrink well
AGAIN = "evaluate again with eval_fcn.py, and give the folder that it names."
DAMAGE = (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, SyntaxError, MemoryError, RuntimeError,
          zipfile.BadZipFile, zlib.error, struct.error)  # what NumPy raises on damaged files


@dataclasses.dataclass(frozen=True)
class Sums:
    """What every metric is made of: pixels of each image (row) and class (column), float64 (images, len(ids)).

    hits: of the class and called so. labelled: of the class. called: called so, wherever the label is not ignored.
    """

    ids: tuple[int, ...]
    hits: np.ndarray
    labelled: np.ndarray
    called: np.ndarray

    def of(self, ids=None):
        """(hits, labelled, called) with the columns of `ids`, a part of self.ids; of all by default."""
        if ids is None:
            return self.hits, self.labelled, self.called
        columns = [self.ids.index(i) for i in ids]
        return self.hits[:, columns], self.labelled[:, columns], self.called[:, columns]

    def weighted(self, weights, ids=None):
        """(hits, labelled, called) of all images, float64 (B, len(ids)). weights: (B, images): how often one counts."""
        hits, labelled, called = self.of(ids)
        return weights @ hits, weights @ labelled, weights @ called


@dataclasses.dataclass(frozen=True)
class ConfusionMatrices:
    """The confusion matrices of images.

    names: of the images. counts: scipy.sparse.csr_array (images, num_classes ** 2) of uint32 pixels, with sorted
    columns; column label * num_classes + prediction. Labels of ignored ids are here too; `sums` leaves them out.
    """

    num_classes: int
    names: tuple[str, ...]
    counts: sparse.csr_array

    def total(self):
        """int64 (C, C): entry [i, j] counts the pixels of class i that were called j, in all images."""
        return self.counts.sum(axis=0).astype(np.int64).reshape(self.num_classes, self.num_classes)

    def of_image(self, index):
        """int64 (C, C) of one image."""
        return self.counts[[index]].toarray().astype(np.int64).reshape(self.num_classes, self.num_classes)

    def sums(self, ignored_ids):
        """The Sums of all classes but the ignored ones; pixels whose label is ignored count nowhere."""
        ids = [i for i in range(self.num_classes) if i not in ignored_ids]
        label, prediction = np.divmod(np.arange(self.num_classes ** 2), self.num_classes)
        kept = np.isin(label, ids)

        def added(cells, classes):
            """(images, len(ids)): the counts of these cells, added up by class."""
            to_class = sparse.coo_array((np.ones(cells.sum()), (np.flatnonzero(cells), classes[cells])),
                                        (self.num_classes ** 2, self.num_classes))
            return (self.counts @ to_class.tocsr()).toarray()[:, ids]

        return Sums(tuple(ids), added(kept & (label == prediction), label), added(kept, label),
                    added(kept, prediction))

    def select(self, indices):
        """The ConfusionMatrices of some images, in the order of `indices`."""
        return ConfusionMatrices(self.num_classes, tuple(self.names[i] for i in indices), self.counts[list(indices)])

    def save(self, path):
        """Write them whole, as a compressed .npz without pickles.

        ends: int64 (images,), where the filled cells of each image end in the next two; cells: uint32, their columns;
        counts: uint32, their pixels.
        """
        content = io.BytesIO()
        np.savez_compressed(content, num_classes=self.num_classes, names=np.array(self.names, np.str_),
                            ends=self.counts.indptr[1:].astype(np.int64), cells=self.counts.indices.astype(np.uint32),
                            counts=self.counts.data)
        atomic_io.write_whole(path, content.getvalue())


def _stacked(num_classes, ends, cells, counts):
    """The csr_array of ConfusionMatrices, made of the three arrays of the file. Raises ValueError if they make none."""
    if (ends[-1] if len(ends) else 0) != len(cells):
        raise ValueError("its arrays do not fit each other")
    made = sparse.csr_array((counts.astype(np.uint32), cells, np.concatenate([[0], ends])),
                            (len(ends), num_classes ** 2))
    made.check_format(full_check=True)
    if not made.has_canonical_format:
        raise ValueError("its cells are not in order")
    return made


class Counting:
    """Collects the matrices of images as they come."""

    def __init__(self, num_classes):
        self.num_classes = num_classes
        self.names, self.cells, self.counts = [], [], []

    def add(self, name, label, prediction):
        """Count one image; its matrix(). label, prediction: uint8 arrays of one shape, the latter of class ids only.

        Pixels whose label is no class (255, say) count nowhere.
        """
        counted = matrix(label, prediction, self.num_classes)
        dense = counted.ravel()
        cells = np.flatnonzero(dense)
        self.names.append(name)
        self.cells.append(cells.astype(np.uint32))
        self.counts.append(dense[cells].astype(np.uint32))
        return counted

    def done(self):
        """The ConfusionMatrices of what was added."""
        nothing = np.zeros(0, np.uint32)
        return ConfusionMatrices(self.num_classes, tuple(self.names), _stacked(
            self.num_classes, np.cumsum([len(c) for c in self.cells], dtype=np.int64),
            np.concatenate([nothing, *self.cells]), np.concatenate([nothing, *self.counts])))


def matrix(label, prediction, num_classes, ignored_ids=()):
    """int64 (num_classes, num_classes): entry [i, j] counts pixels of class i that were called j.

    label, prediction: integer arrays of one shape. Pixels whose label is ignored or no class count nowhere.
    Raises ValueError if a pixel that counts is called what is no class.
    """
    label, prediction = np.asarray(label).ravel(), np.asarray(prediction).ravel()
    total = np.zeros(num_classes ** 2, np.int64)
    for start in range(0, len(label), STRIP):
        some, called = label[start:start + STRIP], prediction[start:start + STRIP]
        counted = (some < num_classes) & ~np.isin(some, list(ignored_ids))
        called = called[counted].astype(np.int64)
        if called.size and called.max() >= num_classes:
            raise ValueError(f"a prediction of {called.max()} is none of the {num_classes} classes")
        total += np.bincount(some[counted].astype(np.int64) * num_classes + called, minlength=num_classes ** 2)
    return total.reshape(num_classes, num_classes)


def load(path):
    """The ConfusionMatrices in a file that `save` has written. Raises DataError."""
    path = pathlib.Path(path)
    try:
        with npz_file.open_npz(path, max(ALWAYS_BYTES, MOST_RATIO * path.stat().st_size)) as (stored, _):
            if "confusion" in stored and "cells" not in stored:
                raise errors.DataError("was written by an older version: it holds one matrix, summed over all images",
                                       where=path, fix=AGAIN)
            claimed_wrong = _claimed_wrong(*(stored[field] for field in FIELDS))
            if claimed_wrong:
                raise _damaged(path, claimed_wrong)
            num_classes, names, *parts = (stored[field].read() for field in FIELDS)
            return ConfusionMatrices(int(num_classes), tuple(map(str, names)), _stacked(int(num_classes), *parts))
    except FileNotFoundError:
        raise errors.DataError("is missing", where=path, fix=AGAIN) from None
    except DAMAGE as error:
        raise _damaged(path, error) from None


def _damaged(path, why):
    return errors.DataError("is damaged, or no file of confusion matrices", where=path,
                            why=file_kinds.why_unreadable(path, why, file_kinds.ZIP), fix=AGAIN)


def _claimed_wrong(num_classes, names, ends, cells, counts):
    """What keeps npz_file.Arrays from being ConfusionMatrices, or ""; only the number of classes is read."""
    if num_classes.shape or num_classes.dtype.kind not in "iu" or not 1 <= num_classes.read() <= 256:
        return "its number of classes is none"
    for array, kind in ((names, "U"), (ends, "i"), (cells, "u"), (counts, "u")):
        if len(array.shape) != 1 or (array.dtype.kind != kind and array.shape[0]):
            return f"{array.name} are of the wrong kind"
        if kind == "u" and array.dtype.itemsize > 4:
            return f"{array.name} have more than 32 bits"
    images, filled, size = names.shape[0], cells.shape[0], int(num_classes.read())
    if ends.shape != names.shape or counts.shape != cells.shape:
        return "its arrays do not fit each other"
    if filled > images * size ** 2:
        return f"it claims {filled:,} filled cells; {images:,} images of {size} classes have {images * size ** 2:,}"
    return ""
