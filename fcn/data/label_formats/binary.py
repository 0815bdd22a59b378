"""Black and white masks: what is brighter than the spec's mask_threshold is foreground (1), the rest background (0).

JPEG is allowed: its noise at edges is far from the threshold, and two classes have no third between them.
"""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _channels

FORMATS = ("PNG", "BMP", "JPEG")
SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg")
SUFFIX = ".png"
MOST_COLOUR = 8  # mean distance of a grey JPEG's channels: its colours are stored coarsely
MOST_NOISE = 16  # of a JPEG that is black


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) by the header. Raises DataError."""
    header = images.header(path, FORMATS, "mask", max_pixels)
    return header.height, header.width


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width) of 0 and 1. Raises DataError for a mask in colour, or one of ids."""
    with images.opened(path, FORMATS, "mask", max_pixels) as image:
        grey = read_grey(image, path)
        brightest = int(grey.max(initial=0))
        black = MOST_NOISE if image.format == "JPEG" else 0
    if black < brightest <= spec.mask_threshold:
        raise errors.DataError(f"is nowhere brighter than {brightest} where a mask holds black and white", where=path,
                               fix=f"if {brightest} is white, save it as 255, or give --mask-threshold below "
                                    f"{brightest}.")
    return (grey > spec.mask_threshold).astype(np.uint8)


def read_grey(image, path):
    """(height, width) on the scale 0-255 of a Pillow image without colours. Raises DataError for one with colours."""
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if images.stored_values(image).dtype == np.uint16:
        return _of_16_bits(_channels.one(_channels.stored(image, path), path), path)
    pixels = np.asarray(image.convert("RGBA"))
    _channels.check_opaque(pixels[..., 3], path)
    distance = np.ptp(pixels[..., :3].astype(np.int16), axis=2)
    if distance.mean() > (MOST_COLOUR if image.format == "JPEG" else 0):
        y, x = _channels.first(distance == distance.max())
        raise errors.DataError(f"is in colour, ({', '.join(map(str, pixels[y, x, :3].tolist()))}) at x {x}, y {y}; a "
                               "mask is black and white", where=path, fix="save it in grey, with white as 255.")
    return np.asarray(image.convert("L"))


def _of_16_bits(values, path):
    """uint16 -> the scale 0-255: a mask of 16 bits is white at 65535, or at 255 if nothing is above. Raises DataError
    where that cannot be told.
    """
    largest = values.max(initial=0)
    if 0 < largest < 255:
        raise errors.DataError(f"has 16 bits a pixel and nothing above {largest}; a mask of 16 bits is white at 255 or "
                               "65535", where=path, fix="if that is white, save it as 255.")
    return values if largest <= 255 else values >> 8


def write(path, ids, spec):
    """A grey PNG of 0 and 255."""
    images.write_png(path, np.where(np.asarray(ids) == 1, np.uint8(255), np.uint8(0)))
