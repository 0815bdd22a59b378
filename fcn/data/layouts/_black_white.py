"""Are label files black and white masks, or ids? Some of them are looked at."""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import binary

LOOKED_AT = 20
LOSSY = (".jpg", ".jpeg")


def why(labels):
    """Why these label files are masks, or "": JPEG can hold nothing else, and ids are never just 0 and 255."""
    lossless = sorted(path for path in labels if path.suffix.lower() not in LOSSY)
    if not lossless:
        return "labels are JPEG" if labels else ""
    found = set()
    try:
        for path in lossless[::max(1, len(lossless) // LOOKED_AT)]:  # the first ones may all be empty
            found |= _values(path)
            if not found <= {0, 255}:
                return ""
    except errors.DataError:  # in colour; or what is wrong with it, the reader will say
        return ""
    return "labels are black and white" if found == {0, 255} else ""


def _values(path):
    """Grey values of a mask, and its indices if it has a palette: those of VOC are 0 and 255 too, but 255 is no white.

    Raises DataError for one in colour.
    """
    with images.opened(path, binary.FORMATS, "mask") as image:
        both = binary.read_grey(image, path), np.asarray(image) if image.mode == "P" else np.zeros(0, np.uint8)
    return {value for pixels in both for value in np.flatnonzero(np.bincount(pixels.ravel())).tolist()}
