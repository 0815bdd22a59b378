"""Rotate by a multiple of 90 degrees, counter-clockwise."""

import numpy as np

STREAM = 11
MOVES_LABEL = True
PADS = True  # a window that is higher than its image is wide


def draw(rng):
    """Number of quarter turns, 0 to 3."""
    return int(rng.integers(4))


def size_before(size_px, value):
    return size_px[::-1] if value % 2 else size_px


def change(array, value):
    return np.rot90(array, value)
