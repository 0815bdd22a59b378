"""Rotate by a multiple of 90 degrees, counter-clockwise."""

import numpy as np

STREAM = 11
MOVES_LABEL = True
PADS = True  # the height of a crop may exceed the width of its image


def draw(rng):
    """Number of quarter turns, uniform from 0 to 3."""
    return int(rng.integers(4))


def size_before(size_px, value):
    """size_px, with height and width swapped for an odd number of quarter turns."""
    return size_px[::-1] if value % 2 else size_px


def change(array, value):
    """Rotate by `value` quarter turns."""
    return np.rot90(array, value)
