"""Labels whose pixels are colours: the raster of a file without loss, and its size."""

import numpy as np

from fcn import errors, images

FORMATS = ("PNG", "BMP")
SUFFIXES = (".png", ".bmp")


def size(path, max_pixels=images.MAX_PIXELS):
    """(height, width) by the header. Raises DataError."""
    header = images.header(path, FORMATS, "label", max_pixels)
    return header.height, header.width


def read(path, max_pixels):
    """uint8 (height, width, 3) as stored: palettes are looked up, transparency is refused. Raises DataError."""
    with images.opened(path, FORMATS, "label", max_pixels) as image:
        if image.mode not in ("RGB", "RGBA", "P"):
            raise errors.DataError(f"a label of colours has three channels, this file has mode {image.mode}",
                                   where=path, cure="if its pixels are ids, its encoding is ids.")
        if "transparency" in image.info or image.mode == "RGBA":
            pixels = np.asarray(image.convert("RGBA"))
            if (pixels[..., 3] < 255).any():
                raise errors.DataError("has transparent pixels: which class are they?", where=path,
                                       cure="save it without transparency.")
            return np.ascontiguousarray(pixels[..., :3])
        return np.asarray(image.convert("RGB"))


def listed(values, most=5):
    """'1, 3, 7 and 12 more' of some numbers or colours."""
    shown = ", ".join(str(value) for value in values[:most])
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")
