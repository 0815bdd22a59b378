"""Black and white masks: values above the spec's mask_threshold are foreground (1), all others background (0).

JPEG is allowed: its noise at edges is far from the threshold and cannot look like a third class.
"""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _channels

FORMATS = ("PNG", "BMP", "JPEG")
SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg")
SUFFIX = ".png"
MOST_COLOUR = 8  # limit of the mean difference between the channels of a grey JPEG
MOST_NOISE = 16  # limit of the values in a black JPEG


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) from the header. Raises DataError."""
    header = images.header(path, FORMATS, "mask", max_pixels)
    return header.height, header.width


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width) of 0 and 1. Raises DataError for a file in colour, or without black and white."""
    with images.opened(path, FORMATS, "mask", max_pixels) as image:
        grey = read_grey(image, path)
        brightest = int(grey.max(initial=0))
        black = MOST_NOISE if image.format == "JPEG" else 0
    if black < brightest <= spec.mask_threshold:
        raise errors.DataError(f"has no value above {brightest}, expected black and white", where=path,
                               fix=f"if {brightest} is white, save it as 255, or give --mask-threshold below "
                                   f"{brightest}.")
    return (grey > spec.mask_threshold).astype(np.uint8)


def read_grey(image, path):
    """Grey values 0-255, (height, width), of a Pillow image. Raises DataError if it is in colour."""
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if images.stored_values(image).dtype == np.uint16:
        return _of_16_bits(_channels.one(_channels.stored(image, path), path), path)
    pixels = np.asarray(image.convert("RGBA"))
    _channels.check_opaque(pixels[..., 3], path)
    distance = np.ptp(pixels[..., :3].astype(np.int16), axis=2)
    if distance.mean() > (MOST_COLOUR if image.format == "JPEG" else 0):
        y, x = _channels.first(distance == distance.max())
        raise errors.DataError(f"is in colour, ({', '.join(map(str, pixels[y, x, :3].tolist()))}) at x {x}, y {y}; "
                               "expected black and white", where=path, fix="save it in grey, with white as 255.")
    return np.asarray(image.convert("L"))


def _of_16_bits(values, path):
    """Convert uint16 values to 0-255. White is 65535, or 255 if that is the largest value.

    Raises DataError if all values are below 255, so that white is unknown.
    """
    largest = values.max(initial=0)
    if 0 < largest < 255:
        raise errors.DataError(f"has 16 bits per pixel and no value above {largest}, expected 255 or 65535 for white",
                               where=path, fix=f"if {largest} is white, save it as 255.")
    return values if largest <= 255 else values >> 8


def write(path, ids, spec):
    """Write a grey PNG with 255 for class 1 and 0 for all others."""
    images.write_png(path, np.where(np.asarray(ids) == 1, np.uint8(255), np.uint8(0)))
