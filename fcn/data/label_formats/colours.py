"""Labels with a colour per class, RGB or grey (value v is the colour (v, v, v)). The spec has the colour table."""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _rgb

SUFFIXES = _rgb.SUFFIXES
SUFFIX = ".png"
size = _rgb.size


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width): the id of each pixel's colour. Ignored ids have colours too.

    Raises DataError with the most frequent unknown colours.
    """
    codes, ids = _table(spec, path)
    pixels = _codes(_rgb.read(path, max_pixels, as_colours=True))
    place = np.searchsorted(codes, pixels).clip(max=len(codes) - 1)
    unknown = codes[place] != pixels
    if unknown.any():
        raise _unknown_colours(path, pixels[unknown])
    return ids[place]


def write(path, ids, spec):
    """Write an RGB PNG. Raises DataError for an id without a colour."""
    ids = np.asarray(ids, np.uint8)
    if ids.max(initial=0) >= len(spec.colours):
        raise errors.DataError(f"id {ids.max()} has no colour; {len(spec.colours)} colours are defined", where=path,
                               fix="give each class a colour in the file of classes.")
    images.write_png(path, np.array(spec.colours, np.uint8)[ids])


def _codes(colours):
    """uint32 (...) codes 0xRRGGBB of colours, uint8 (..., 3)."""
    red, green, blue = np.moveaxis(np.asarray(colours, np.uint32), -1, 0)
    return red << 16 | green << 8 | blue


def _table(spec, path):
    """(sorted codes, their ids) of the spec's colours. Raises DataError."""
    if spec.remap:
        raise errors.DataError('"remap" maps ids, but labels hold colours', where=path,
                               fix='leave out "remap"; "colours" lists the colour of each class.')
    if not spec.colours:
        raise errors.DataError("the colours of the classes are unknown", where=path,
                               fix="give --classes FILE.csv with the columns name,r,g,b.")
    codes, first = np.unique(_codes(spec.colours), return_index=True)
    if len(codes) != len(spec.colours):
        twice = next(c for i, c in enumerate(spec.colours) if c in spec.colours[:i])
        raise errors.DataError(f"two classes have the colour {tuple(twice)}", where=path,
                               fix="give each id a colour of its own.")
    return codes, first.astype(np.uint8)


def _unknown_colours(path, pixels):
    codes, counts = np.unique(pixels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    texts = [f"({c >> 16}, {c >> 8 & 255}, {c & 255}) in {n:,} pixels"
             for c, n in zip(codes[order].tolist(), counts[order].tolist(), strict=True)]
    return errors.DataError(f"has {len(texts)} colour(s) without a class: {_rgb.listed(texts)}", where=path,
                            fix="name them in --classes FILE.csv (name,r,g,b); many unknown colours mean that the file "
                                "was resized with interpolation, or was a JPEG.")
