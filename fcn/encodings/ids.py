"""The class id is the pixel: PNG or BMP of one channel, a palette's indices, or single bits.

Every encoding has
    SUFFIXES   endings, in lower case, that its label files may have; layouts list the endings of all encodings
    SUFFIX     the ending of what write() makes
    size(path, max_pixels) -> (height, width)   from the header alone
    read(path, spec, max_pixels) -> uint8 (height, width), class ids; spec is a DatasetSpec
    write(path, ids, spec)   ids as a label file, aside and renamed
and raises DataError for a file that is not of its kind. What write() makes, read() reads, for all ids of the spec.
"""

import pathlib

import numpy as np

from fcn import errors, images

FORMATS = ("PNG", "BMP")  # without loss: a JPEG smears ids at every edge
SUFFIXES = (".png", ".bmp")
SUFFIX = ".png"


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) by the header. Raises DataError."""
    header = images.header(path, FORMATS, "label", max_pixels)
    _check_mode(header.mode, path)
    return header.height, header.width


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width): the ids as stored; a palette's indices, not its colours. Raises DataError."""
    with images.opened(path, FORMATS, "label", max_pixels) as image:
        _check_mode(image.mode, path)
        label = np.asarray(image)
        if image.mode == "L" and image.format == "PNG":
            label = label // _grey_step(path)
    if label.max(initial=0) > 255:
        raise errors.DataError(f"label id {label.max()}; ids go up to 255", where=path)
    return np.ascontiguousarray(label, np.uint8)


def _check_mode(mode, path):
    if mode not in ("L", "P", "1", *images.SIXTEEN_BIT):
        raise errors.DataError(
            f"a label holds one id a pixel, this file has mode {mode}", where=path,
            cure="if its colours are classes, give --label-encoding colours and --classes FILE.csv with the columns "
                 "name,r,g,b; if it is a black and white mask, --label-encoding binary; if it is the full ADE20K's, "
                 "--data is the folder above its images/.")


def _grey_step(path):
    """What Pillow multiplies a grey PNG of 2 or 4 bits by, so that white is 255; 1 for 8 bits. (Not so palettes.)"""
    with pathlib.Path(path).open("rb") as file:
        bits = file.read(25)[24]  # of the header chunk, which comes first
    return 255 // (2 ** bits - 1)


def write(path, ids, spec):
    """A PNG of 8 bits and one channel."""
    images.write_png(path, np.asarray(ids, np.uint8))
