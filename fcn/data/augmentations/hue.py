"""Rotate the hue by up to 18 degrees. Luma does not change, except where a channel is clipped."""

import math

import numpy as np
from PIL import Image

STREAM = 16
RGB_ONLY = True

# RGB -> luma and two chroma axes (YIQ of NTSC). Greys have no chroma: the last two rows sum to 0.
YIQ = np.array([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])


def draw(rng):
    """Angle in degrees, uniform from -18 to 18."""
    return rng.uniform(-18, 18)


def change(image, degrees):
    """Rotate the chroma by this angle."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = np.linalg.inv(YIQ) @ [[1, 0, 0], [0, cos, -sin], [0, sin, cos]] @ YIQ
    rows = np.hstack([matrix, np.zeros((3, 1))])  # Pillow adds a fourth column, rounds and clips
    return np.asarray(Image.fromarray(image).convert("RGB", tuple(rows.ravel().tolist())))
