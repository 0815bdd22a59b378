"""Channels of a label file: drop an opaque alpha channel, and reduce equal channels to one."""

import numpy as np

from fcn.core import errors
from fcn.data import images


def stored(image, path):
    """Values of a decoded label file without palette: integer (h, w) or (h, w, 3), without alpha.

    uint16 for 16 bits per channel. Raises DataError if a pixel is transparent.
    """
    values = images.stored_values(image)
    if image.mode in ("LA", "RGBA"):
        check_opaque(values[..., -1], path)
        values = values[..., 0] if values.shape[2] == 2 else values[..., :-1]
    key = image.info.get("transparency")
    if isinstance(key, tuple):  # one colour of an RGB file
        check_opaque(np.where((values == key).all(axis=2), np.uint8(0), np.uint8(255)), path)
    return values


def check_opaque(alpha, path):
    """Raise DataError with the first pixel whose alpha, uint8 or uint16 (h, w), is not the maximum."""
    clear = alpha != np.iinfo(alpha.dtype).max
    if clear.any():
        y, x = first(clear)
        raise errors.DataError(f"has {clear.sum():,} transparent pixels, which have no class; the first is at x {x}, "
                               f"y {y}, with alpha {alpha[y, x]}", where=path,
                               fix="give these pixels the value of their class, and save it without alpha channel.")


def one(values, path):
    """(h, w) of values (h, w) or (h, w, channels). Raises DataError with the first pixel whose channels differ."""
    if values.ndim == 2:
        return values
    mixed = (values != values[..., :1]).any(axis=2)
    if mixed.any():
        y, x = first(mixed)
        raise errors.DataError(f"holds colours, expected one id per pixel: ("
                               f"{', '.join(map(str, values[y, x].tolist()))}) at x {x}, y {y}; the channels differ in "
                               f"{mixed.sum():,} pixels", where=path, fix="save one id per pixel.")
    return values[..., 0]


def first(found):
    """(y, x) of the first True in a bool array (h, w), row by row."""
    y, x = np.unravel_index(found.argmax(), found.shape)
    return int(y), int(x)
