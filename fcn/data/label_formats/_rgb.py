"""Read label files whose pixels are colours."""

import numpy as np

from fcn.core import errors
from fcn.data.label_formats import _stored

SUFFIXES = _stored.SUFFIXES
size = _stored.size


def read(path, max_pixels, as_colours=False):
    """RGB as uint8 (height, width, 3). Palettes are applied. Raises DataError, also for transparent pixels.

    as_colours: also read grey files, and files of 16 bits that repeat 8 bits (v * 257).
    """
    values = _stored.values(path, max_pixels, shown=True)
    if values.ndim == 2 and not as_colours:
        raise errors.DataError("has one channel, expected three", where=path,
                               fix="save it with three channels, red, green and blue.")
    if values.ndim == 2:
        values = values[..., None].repeat(3, axis=2)
    return np.ascontiguousarray(_eight_bits(_stored.as_ids(values, path), path, as_colours))


def _eight_bits(values, path, as_colours):
    if values.max(initial=0) <= 255:
        return values.astype(np.uint8)
    if as_colours and not (values % 257).any():
        return (values // 257).astype(np.uint8)
    raise errors.DataError(f"has 16 bits per channel and the value {values.max()}, expected 8 bits", where=path,
                           fix="save it with 8 bits per channel.")


def listed(values, most=5):
    """'1, 3, 7 and 12 more' for a list of numbers or colours."""
    shown = ", ".join(str(value) for value in values[:most])
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")
