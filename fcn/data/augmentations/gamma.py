"""Raise channel values to a power between 0.8 and 1.25; black and white stay."""

import math

import numpy as np

from fcn.data.augmentations._lookup import look_up

STREAM = 15


def draw(rng):
    """Exponent, as often above 1 as below."""
    return math.exp(rng.uniform(math.log(0.8), math.log(1.25)))


def change(image, exponent):
    """255 (v / 255) ** exponent."""
    return look_up(image, 255 * (np.arange(256) / 255) ** exponent)
