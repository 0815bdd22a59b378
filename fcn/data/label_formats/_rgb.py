"""Labels whose pixels are colours: the raster of a file without loss, and its size."""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _channels

FORMATS = ("PNG", "BMP")
SUFFIXES = (".png", ".bmp")


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) by the header. Raises DataError."""
    header = images.header(path, FORMATS, "label", max_pixels)
    return header.height, header.width


def read(path, max_pixels, as_colours=False):
    """uint8 (height, width, 3) as stored: palettes are looked up, transparency is refused. Raises DataError.

    as_colours: what counts is how a pixel looks: grey files are read too, and 16 bits that repeat 8 (v * 257).
    """
    with images.opened(path, FORMATS, "label", max_pixels) as image:
        if image.mode == "P":
            values = np.asarray(image.convert("RGBA"))
            _channels.check_opaque(values[..., 3], path)
            values = values[..., :3]
        elif image.mode in ("1", "L") and as_colours:
            values = np.asarray(image.convert("L"))
        else:
            values = _channels.stored(image, path)
    if values.ndim == 2 and not as_colours:
        raise errors.DataError(f"a label of colours has three channels, this file has one (mode {image.mode})",
                               where=path)
    if values.ndim == 2:
        values = values[..., None].repeat(3, axis=2)
    return np.ascontiguousarray(_eight_bits(values, path, as_colours))


def _eight_bits(values, path, as_colours):
    if values.max(initial=0) <= 255:
        return values.astype(np.uint8)
    if as_colours and not (values % 257).any():
        return (values // 257).astype(np.uint8)
    raise errors.DataError(f"has 16 bits a channel and the value {values.max()}; 8 bits are read", where=path,
                           fix="save it with 8 bits a channel.")


def listed(values, most=5):
    """'1, 3, 7 and 12 more' of some numbers or colours."""
    shown = ", ".join(str(value) for value in values[:most])
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")
