"""Add up to 32 of 255 levels to every channel, or subtract them."""

import numpy as np

from fcn.data.augmentations._lookup import look_up

STREAM = 14


def draw(rng):
    """Levels, -32 to 32."""
    return int(rng.integers(-32, 33))


def change(image, levels):
    """The sum, clipped to 0-255."""
    return look_up(image, np.arange(256) + levels)
