"""Change the brightness: add -32 to 32 levels (of 255) to every channel."""

import numpy as np

from fcn.data.augmentations._lookup import look_up

STREAM = 14


def draw(rng):
    """Number of levels, uniform from -32 to 32."""
    return int(rng.integers(-32, 33))


def change(image, levels):
    """Add `levels`, clipped to 0-255."""
    return look_up(image, np.arange(256) + levels)
