"""How far an output pixel sees: its decoder says which cells of features, its encoder which pixels of the image.

The receptive field that is quoted of these nets (404 px of VGG-16, 460 of VGG-19, 428 of one that ends with conv5_3)
is the width of what one cell of fc6 sees; an output pixel is mixed of several cells, and may lie at the rim of one.
"""

import math

from fcn.models import components


def margin(architecture):
    """Px: an image's pixels that are farther away than this (in either axis) change nothing at an output pixel.

    The largest distance over all pixels and both sides; one pixel that is so far away does count, unless its weights
    happen to be 0. None if the net's encoder or decoder does not know.
    """
    parts = components.of(architecture.net)
    period = math.lcm(*(stride for _, stride, _ in parts.features(architecture)))
    fields = [parts.receptive_field(pixel, architecture) for pixel in range(period)]
    if None in fields:
        return None
    return max(max(pixel - first, last - pixel) for pixel, (first, last) in enumerate(fields))
