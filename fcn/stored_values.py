"""The values that a PNG stores, where Pillow gives others.

It scales grey of 2 or 4 bits to 255, and of colours of 16 bits it keeps the high bytes alone.
"""

import pathlib

import numpy as np
from PIL import Image

DEPTH, COLOUR_TYPE = 24, 25  # bytes of a PNG, in its header chunk, which comes first
GREY_ALPHA, LOW_BYTES = 4, {2: "RGB;16L", 6: "RGBA;16L"}  # colour types; Pillow's names for the second byte of each


def read(image):
    """Integer array (h, w) or (h, w, channels) of a decoded Pillow image that was opened by its path.

    uint16 where the file has 16 bits a channel; alpha comes last; a palette gives its indices.
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
    """uint16 (h, w, channels) of a PNG of 16 bits and two channels or more; PNG stores the high byte first."""
    if colour_type == GREY_ALPHA:  # four bytes a pixel, which is how Pillow sees plain RGBA
        stored = _decoded_as(path, "RGBA")
        return stored[..., ::2] << 8 | stored[..., 1::2]
    return _decoded_as(path, LOW_BYTES[colour_type].replace("L", "B")) << 8 | _decoded_as(path, LOW_BYTES[colour_type])


def _decoded_as(path, raw_mode):
    with Image.open(path, formats=("PNG",)) as image:
        image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
        return np.asarray(image).astype(np.uint16)
