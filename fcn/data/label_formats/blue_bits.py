"""DIVA-HisDB: the blue channel is a set of flags, and red 128 marks boundary pixels of a component.

    1 background   2 comment   4 decoration   8 main text   and sums of the last three: 6, 10, 12, 14

The id is the blue value. Boundary pixels, where human annotators disagree, have the id FLAG + blue value if the spec
ignores BOUNDARY_IDS (see with_boundary), else BOUNDARY.
Source: Simistira et al. 2016, "DIVA-HisDB", and the DIVA_Layout_Analysis_Evaluator's README.
"""

import dataclasses

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _rgb
from fcn.data.spec import NUM_IDS

IDS = (1, 2, 4, 6, 8, 10, 12, 14)
BOUNDARY, BOUNDARY_RED, BACKGROUND, FLAG = 255, 128, 1, 128
BOUNDARY_IDS = tuple(FLAG + i for i in IDS)
SUFFIXES = _rgb.SUFFIXES
SUFFIX = ".png"
size = _rgb.size


def with_boundary(spec):
    """A copy of a DatasetSpec that ignores BOUNDARY, for which boundary pixels keep their class; other specs as is."""
    if spec.encoding != "blue_bits" or BOUNDARY not in spec.ignored_ids:
        return spec
    others = (i for i in spec.ignored_ids if i != BOUNDARY)
    return dataclasses.replace(spec, ignored_ids=(*others, *BOUNDARY_IDS))


def has_boundary(spec):
    """Whether the ids of a DatasetSpec are those of with_boundary()."""
    return spec.encoding == "blue_bits" and set(BOUNDARY_IDS) <= set(spec.ignored_ids)


def read_flags(path, max_pixels=images.MAX_PIXELS):
    """(flags uint8 (height, width), boundary bool (height, width)) of a label file with any flags. Raises DataError.

    A grey file has its value in all channels.
    """
    pixels = _rgb.read(path, max_pixels, as_colours=True)
    return np.ascontiguousarray(pixels[..., 2]), pixels[..., 0] >= BOUNDARY_RED


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width) of IDS, and of BOUNDARY_IDS or BOUNDARY. Raises DataError for other values."""
    pixels = _rgb.read(path, max_pixels)
    blue = pixels[..., 2]
    counts = np.bincount(blue.ravel(), minlength=NUM_IDS)
    wrong = [f"{i} in {counts[i]:,} pixels" for i in np.flatnonzero(counts) if i not in IDS]
    if wrong:
        raise errors.DataError(f"has unknown blue values: {_rgb.listed(wrong)}; expected {', '.join(map(str, IDS))}",
                               where=path,
                               fix="DIVA-HisDB's pixel labels are RGB PNGs whose blue is 1, or a sum of 2, 4 and 8.")
    return np.where(pixels[..., 0] == BOUNDARY_RED, blue | FLAG if has_boundary(spec) else np.uint8(BOUNDARY), blue)


def write(path, ids, spec):
    """Write an RGB PNG. BOUNDARY becomes a boundary pixel of the background, because its class is unknown."""
    ids = np.asarray(ids, np.uint8)
    red = np.where(ids >= FLAG, np.uint8(BOUNDARY_RED), np.uint8(0))
    blue = np.where(ids == BOUNDARY, np.uint8(BACKGROUND), ids & ~np.uint8(FLAG))
    images.write_png(path, np.stack([red, np.zeros_like(ids), blue], axis=-1))
