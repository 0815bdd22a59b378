"""A class is a colour: RGB labels or grey ones, whose value v is the colour (v, v, v), and the table in the spec."""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _rgb

SUFFIXES = _rgb.SUFFIXES
SUFFIX = ".png"
size = _rgb.size


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width): the id whose colour a pixel has; void is one more colour, of an ignored id.

    Raises DataError naming the commonest colours that are nobody's.
    """
    codes, ids = _table(spec, path)
    pixels = _codes(_rgb.read(path, max_pixels, as_colours=True))
    place = np.searchsorted(codes, pixels).clip(max=len(codes) - 1)
    strange = codes[place] != pixels
    if strange.any():
        raise _unknown(path, pixels[strange])
    return ids[place]


def write(path, ids, spec):
    """An RGB PNG. Raises DataError for an id without colour."""
    ids = np.asarray(ids, np.uint8)
    if ids.max(initial=0) >= len(spec.colours):
        raise errors.DataError(f"id {ids.max()} has no colour; there are {len(spec.colours)}", where=path)
    images.write_png(path, np.array(spec.colours, np.uint8)[ids])


def _codes(colours):
    """uint8 (..., 3) as one number each: 0xRRGGBB."""
    red, green, blue = np.moveaxis(np.asarray(colours, np.uint32), -1, 0)
    return red << 16 | green << 8 | blue


def _table(spec, path):
    """(sorted codes, their ids) of the spec's colours."""
    if not spec.colours:
        raise errors.DataError("nobody says which colour is which class", where=path,
                               fix="give --classes FILE.csv with the columns name,r,g,b.")
    codes, first = np.unique(_codes(spec.colours), return_index=True)
    if len(codes) != len(spec.colours):
        twice = next(c for i, c in enumerate(spec.colours) if c in spec.colours[:i])
        raise errors.DataError(f"two classes have the colour {tuple(twice)}", where=path,
                               fix="give each id a colour of its own.")
    return codes, first.astype(np.uint8)


def _unknown(path, pixels):
    codes, counts = np.unique(pixels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    texts = [f"({c >> 16}, {c >> 8 & 255}, {c & 255}) in {n:,} pixels"
             for c, n in zip(codes[order].tolist(), counts[order].tolist(), strict=True)]
    return errors.DataError(f"{len(texts)} colour(s) are no class: {_rgb.listed(texts)}", where=path,
                            fix="name them in --classes FILE.csv (name,r,g,b); many colours mean an image scaled with "
                                 "interpolation, or a JPEG made a PNG.")
