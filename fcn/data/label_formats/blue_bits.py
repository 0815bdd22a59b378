"""DIVA-HisDB: the blue channel is a set of flags, and red 128 marks boundary pixels of a component.

    1 background   2 comment   4 decoration   8 main text   and sums of the last three: 6, 10, 12, 14

The id is the blue value. Boundary pixels, where human annotators disagree, become BOUNDARY, which is ignored.
Source: Simistira et al. 2016, "DIVA-HisDB", and the DIVA_Layout_Analysis_Evaluator's README.
"""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _rgb
from fcn.data.spec import NUM_IDS

IDS = (1, 2, 4, 6, 8, 10, 12, 14)
BOUNDARY, BOUNDARY_RED, BACKGROUND = 255, 128, 1
SUFFIXES = _rgb.SUFFIXES
SUFFIX = ".png"
size = _rgb.size


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width) of IDS and BOUNDARY. Raises DataError for other values."""
    pixels = _rgb.read(path, max_pixels)
    blue = pixels[..., 2]
    counts = np.bincount(blue.ravel(), minlength=NUM_IDS)
    wrong = [f"{i} in {counts[i]:,} pixels" for i in np.flatnonzero(counts) if i not in IDS]
    if wrong:
        raise errors.DataError(f"has unknown blue values: {_rgb.listed(wrong)}; expected {', '.join(map(str, IDS))}",
                               where=path,
                               fix="DIVA-HisDB's pixel labels are RGB PNGs whose blue is 1, or a sum of 2, 4 and 8.")
    return np.where(pixels[..., 0] == BOUNDARY_RED, np.uint8(BOUNDARY), blue)


def write(path, ids, spec):
    """Write an RGB PNG. BOUNDARY becomes a boundary pixel of the background, because its class is unknown."""
    ids = np.asarray(ids, np.uint8)
    boundary = ids == BOUNDARY
    red = np.where(boundary, np.uint8(BOUNDARY_RED), np.uint8(0))
    blue = np.where(boundary, np.uint8(BACKGROUND), ids)
    images.write_png(path, np.stack([red, np.zeros_like(ids), blue], axis=-1))
