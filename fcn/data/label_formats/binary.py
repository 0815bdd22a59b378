"""Black and white masks: values above the spec's mask_threshold are foreground (1), all others background (0).

JPEG is allowed: its noise at edges is far from the threshold and cannot look like a third class.
"""

import numpy as np

from fcn.core import errors
from fcn.data import images, png_values
from fcn.data.label_formats import _channels, _stored

FORMATS = (*_stored.FORMATS, "JPEG")
SUFFIXES = (*_stored.SUFFIXES, ".jpg", ".jpeg")
SUFFIX = ".png"
MOST_COLOUR = 8  # limit of the mean difference between the channels of a grey JPEG
MOST_NOISE = 16  # limit of the values in a black JPEG


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) from the header. Raises DataError."""
    if _stored.is_array(path):
        return _stored.size(path, max_pixels)
    header = images.header(path, FORMATS, "mask", max_pixels)
    _stored.check_frames(header.frames if header.format == "GIF" else 1, path)
    return header.height, header.width


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width) of 0 and 1. Raises DataError for a file in colour, or without black and white."""
    grey, black = read_grey(path, max_pixels)
    brightest = int(grey.max(initial=0))
    if black < brightest <= spec.mask_threshold:
        raise errors.DataError(f"has no value above {brightest}, expected black and white", where=path,
                               fix=f"if {brightest} is white, save it as 255, or give --mask-threshold below "
                                   f"{brightest}.")
    return (grey > spec.mask_threshold).astype(np.uint8)


def read_grey(path, max_pixels=images.MAX_PIXELS):
    """(grey values 0-255 (height, width), limit of the values in a black mask). Raises DataError if it is in colour."""
    if _stored.is_array(path):
        values = _channels.one(_stored.values(path, max_pixels, shown=True), path)
        return _of_array(values, path), 0
    with images.opened(path, FORMATS, "mask", max_pixels) as image:
        _stored.check_frames(image.n_frames if image.format == "GIF" else 1, path)
        return _grey(image, path), MOST_NOISE if image.format == "JPEG" else 0


def _of_array(values, path):
    """Grey values of an array: True is white, 16 bits are scaled."""
    if values.dtype == bool:
        return values * np.uint8(255)
    ids = _stored.as_ids(values, path)
    return ids if ids.dtype == np.uint8 and values.dtype != np.uint16 else _of_16_bits(ids, path)


def _grey(image, path):
    """Grey values of a Pillow image."""
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if png_values.stored(image).dtype == np.uint16:
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
