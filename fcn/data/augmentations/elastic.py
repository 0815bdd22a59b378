"""Deform elastically, as the U-Net paper does (Ronneberger, Fischer & Brox 2015, section 3.1).

The displacements of a 3x3 grid over the sample (its corners, the middles of its sides, its centre) are normal with a
standard deviation of 10 px in both directions. Bicubic interpolation (Keys 1981) gives those of the pixels. Outside the
sample, its mirror image is read, so no pixel is padding. The image is sampled bilinearly, the label by nearest
neighbour, both at the same points.
"""

import numpy as np
from scipy import ndimage

MOVES_LABEL = True

DEVIATION_PX = 10.0


def draw(rng):
    """Displacements (2, 3, 3) of the grid in px, down and to the right, as nested lists."""
    return rng.normal(0, DEVIATION_PX, (2, 3, 3)).tolist()


def change(array, displacements):
    """Each pixel is read at its own place plus its displacement."""
    height, width = array.shape[:2]
    of_rows, of_columns = cubic_weights(height), cubic_weights(width).T
    places = np.indices((height, width), np.float64)
    for place, grid in zip(places, displacements, strict=True):
        place += of_rows @ np.asarray(grid) @ of_columns
    if array.ndim == 2:
        return ndimage.map_coordinates(array, places, order=0, mode="mirror")
    return np.stack([ndimage.map_coordinates(np.ascontiguousarray(channel), places, order=1, mode="mirror")
                     for channel in np.moveaxis(array, 2, 0)], axis=2)


def cubic_weights(count):
    """Weights (count, 3) of three grid values for `count` pixels; the first and last pixel lie on the grid.

    Keys's cubic convolution with a = -0.5. Values beyond the grid equal its outermost ones.
    """
    distances = np.abs(np.linspace(0, 2, count)[:, None] - np.arange(-1, 4))
    near = (1.5 * distances - 2.5) * distances ** 2 + 1
    far = ((2.5 - 0.5 * distances) * distances - 4) * distances + 2
    weights = np.where(distances <= 1, near, np.where(distances < 2, far, 0))
    weights[:, 1] += weights[:, 0]
    weights[:, 3] += weights[:, 4]
    return weights[:, 1:4]
