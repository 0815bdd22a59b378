"""Channels of a label file: drop an opaque alpha channel, and reduce equal channels to one."""

import numpy as np

from fcn.core import errors
from fcn.data import png_values


def stored(image, path):
    """Values of a decoded label file without palette: integer (h, w) or (h, w, 3), without alpha.

    uint16 for 16 bits per channel. Raises DataError if a pixel is transparent.
    """
    values = without_alpha(png_values.stored(image), path)
    key = image.info.get("transparency")
    if isinstance(key, tuple):  # one colour of an RGB file
        check_opaque(np.where((values == key).all(axis=2), np.uint8(0), np.uint8(255)), path)
    return values


def without_alpha(values, path):
    """Values (h, w) or (h, w, channels) without the last one of 2 or 4 channels. Raises DataError if not opaque."""
    if values.ndim == 2 or values.shape[2] not in (2, 4):
        return values
    check_opaque(values[..., -1], path)
    return values[..., 0] if values.shape[2] == 2 else values[..., :-1]


def check_opaque(alpha, path):
    """Raise DataError with the first pixel whose alpha (h, w) is not the maximum: 65535 for uint16, 255 otherwise."""
    clear = alpha != (65535 if alpha.dtype == np.uint16 else 255)
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
