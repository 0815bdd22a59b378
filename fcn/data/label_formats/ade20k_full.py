"""The full ADE20K of 2016: *_seg.png, whose red and green hold one of some 3,000 classes, seen as the benchmark's 150.

    class of the full data set = red // 10 * 256 + green     (blue counts the objects)

What the benchmark does not score becomes 0, "other". So read() loses what write() cannot bring back: write() makes the
benchmark's PNG of ids, which encoding ids reads.
"""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _rgb
from fcn.data.label_formats import ids as ids_encoding
from fcn.data.label_formats._ade20k_full_map import FULL_BY_ID

SUFFIXES = (".png",)
SUFFIX = ".png"
WRITES_ID_PNG = True
HIGHEST = 25 * 256 + 255
size = _rgb.size


def _table():
    """uint8 (HIGHEST + 1,): the benchmark's id of each class."""
    table = np.zeros(HIGHEST + 1, np.uint8)
    for benchmark, full in FULL_BY_ID.items():
        table[list(full)] = benchmark
    return table


TABLE = _table()


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width), 0 to 150. Raises DataError."""
    pixels = _rgb.read(path, max_pixels)
    if (pixels[..., 0] % 10).any():
        raise errors.DataError("is no label of the full ADE20K: its reds are no multiples of 10", where=path,
                               cure="take *_seg.png as downloaded, neither scaled nor saved again.")
    return TABLE[pixels[..., 0].astype(np.uint16) // 10 * 256 + pixels[..., 1]]


def write(path, ids, spec):
    """The benchmark's form: a PNG of ids."""
    ids_encoding.write(path, ids, spec)
