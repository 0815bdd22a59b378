"""Gamma correction with an exponent from 0.8 to 1.25. Black and white do not change."""

import math

import numpy as np

from fcn.data.augmentations._lookup import look_up

STREAM = 15


def draw(rng):
    """Exponent, log-uniform from 0.8 to 1.25."""
    return math.exp(rng.uniform(math.log(0.8), math.log(1.25)))


def change(image, exponent):
    """Replace each value v by 255 (v / 255) ** exponent."""
    return look_up(image, 255 * (np.arange(256) / 255) ** exponent)
