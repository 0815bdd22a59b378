"""Black and white masks: what is brighter than the spec's mask_threshold is foreground (1), the rest background (0).

JPEG is allowed: its noise at edges is far from the threshold, and two classes have no third between them.
"""

import numpy as np

from fcn import errors, images

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
                               cure="if these are ids, use --layout paired with files without loss; if white is meant, "
                                    f"save it as 255, or give --mask-threshold below {brightest}.")
    return (grey > spec.mask_threshold).astype(np.uint8)


def read_grey(image, path):
    """(height, width) on the scale 0-255 of a Pillow image without colours. Raises DataError for one with colours."""
    if image.mode in images.SIXTEEN_BIT:
        return np.asarray(image).astype(np.int64) >> 8
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    pixels = np.asarray(image.convert("RGBA")).astype(np.int16)
    if (pixels[..., 3] < 255).any():
        raise errors.DataError("has transparent pixels: are they background?", where=path,
                               cure="save the mask without transparency.")
    distance = np.ptp(pixels[..., :3], axis=2)
    if distance.mean() > (MOST_COLOUR if image.format == "JPEG" else 0):
        raise errors.DataError("is in colour; a mask is black and white", where=path,
                               cure="if its colours or palette are classes, use --layout paired.")
    return np.asarray(image.convert("L"))


def write(path, ids, spec):
    """A grey PNG of 0 and 255."""
    images.write_png(path, np.where(np.asarray(ids) == 1, np.uint8(255), np.uint8(0)))
