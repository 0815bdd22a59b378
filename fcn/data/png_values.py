"""Values that an image file stores, where Pillow changes them.

Pillow decodes 16-bit PNGs of several channels to 8 bits, and scales greys of fewer than 8 bits to 0-255.
"""

import pathlib

import numpy as np
from PIL import Image

DEPTH, COLOUR_TYPE = 24, 25  # byte offsets in a PNG file
GREY_ALPHA, LOW_BYTES = 4, {2: "RGB;16L", 6: "RGBA;16L"}  # colour types of PNG; Pillow's raw modes of their low bytes


def stored(image):
    """Stored values, integer (h, w) or (h, w, channels), of a decoded Pillow image that was opened by its path.

    uint16 for 16 bits per channel. Alpha is the last channel. A palette image has its indices.
    """
    values = np.asarray(image)
    if image.format != "PNG":
        return values
    path = pathlib.Path(image.filename)
    with path.open("rb") as file:
        start = file.read(COLOUR_TYPE + 1)
    if image.mode == "L":
        return values // (255 // (2 ** start[DEPTH] - 1))
    return _both_bytes(path, start[COLOUR_TYPE]) if start[DEPTH] == 16 and values.ndim == 3 else values


def _both_bytes(path, colour_type):
    """uint16 (h, w, channels) of a 16-bit PNG with two or more channels. PNG stores the high byte first."""
    if colour_type == GREY_ALPHA:  # four bytes per pixel: decoded as 8-bit RGBA
        stored = _decoded_as(path, "RGBA")
        return stored[..., ::2] << 8 | stored[..., 1::2]
    return _decoded_as(path, LOW_BYTES[colour_type].replace("L", "B")) << 8 | _decoded_as(path, LOW_BYTES[colour_type])


def _decoded_as(path, raw_mode):
    with Image.open(path, formats=("PNG",)) as image:
        image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
        return np.asarray(image).astype(np.uint16)
