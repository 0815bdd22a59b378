"""The channels of a label file: an opaque alpha says nothing and is dropped, equal channels are one."""

import numpy as np

from fcn.core import errors
from fcn.data import images


def stored(image, path):
    """Integer (h, w) or (h, w, 3): what a decoded label file that is no palette stores, without alpha.

    uint16 where it has 16 bits a channel. Raises DataError if any pixel is transparent.
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
    """Raise DataError naming the first pixel whose alpha, uint8 or uint16 (h, w), is not at its maximum."""
    clear = alpha != np.iinfo(alpha.dtype).max
    if clear.any():
        y, x = first(clear)
        raise errors.DataError(f"has {clear.sum():,} transparent pixels, which are no class; the first is at x {x}, "
                               f"y {y}, with alpha {alpha[y, x]}", where=path,
                               fix="give these pixels the value of their class, and save it without alpha channel.")


def one(values, path):
    """(h, w) of values (h, w) or (h, w, channels). Raises DataError naming the first pixel whose channels differ."""
    if values.ndim == 2:
        return values
    mixed = (values != values[..., :1]).any(axis=2)
    if mixed.any():
        y, x = first(mixed)
        raise errors.DataError(f"holds colours where a label of ids holds one value a pixel: ("
                               f"{', '.join(map(str, values[y, x].tolist()))}) at x {x}, y {y}; the channels differ in "
                               f"{mixed.sum():,} pixels", where=path, fix="save one id a pixel.")
    return values[..., 0]


def first(found):
    """(y, x) of the first True of a bool (h, w), row by row."""
    y, x = np.unravel_index(found.argmax(), found.shape)
    return int(y), int(x)
