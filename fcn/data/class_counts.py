"""List all splits of a data set, and read all pairs once to count the pixels of each class."""

import collections
import concurrent.futures
import dataclasses

import numpy as np

from fcn.core import errors, machine
from fcn.core.errors import Problem
from fcn.data import file_checks, images, label_files
from fcn.data.spec import MOST_IDS

SPLITS = ("training", "validation", "test")


def listings(layout, root):
    """{split: Listing}; a data set may lack a test split. Raises DataError."""
    found = {}
    for split in SPLITS:
        try:
            found[split] = layout.listing(root, split)
        except errors.DataError:
            if split != "test":
                raise
    return found


@dataclasses.dataclass(frozen=True)
class Counts:
    """What is in the pairs of a data set.

    pixels: of each id, int64 (65536,). images: labels that hold each id, int64 (65536,). sizes: Counter of (height,
    width). problems: of pairs that cannot be read.
    """

    pixels: np.ndarray
    images: np.ndarray
    sizes: collections.Counter
    problems: list[Problem]


def count(pairs, spec, progress=lambda done: None, max_pixels=images.MAX_PIXELS, take=None):
    """Read all pairs; returns Counts. take: called with each pair, image and label, by several threads."""
    found = Counts(np.zeros(MOST_IDS, np.int64), np.zeros(MOST_IDS, np.int64), collections.Counter(), [])
    with concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        for done, result in enumerate(pool.map(lambda pair: _counted(pair, spec, max_pixels, take), pairs), 1):
            if isinstance(result, Problem):
                found.problems.append(result)
            else:
                pixels, size = result
                found.pixels[:] += pixels
                found.images[:] += pixels > 0
                found.sizes[size] += 1
            progress(done)
    return found


def _counted(pair, spec, max_pixels, take):
    """(pixels of each id, (height, width)) of a pair, or its Problem."""
    try:
        image, label = label_files.read_pair(pair, spec, max_pixels=max_pixels)
    except errors.DataError as error:
        return file_checks.problem(error, pair.label)
    if take:
        take(pair, image, label)
    return np.bincount(label.ravel(), minlength=MOST_IDS), label.shape
