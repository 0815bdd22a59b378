"""Detect from a sample whether label files are black and white masks or ids."""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import binary

LOOKED_AT = 20  # number of files in the sample
LOSSY = (".jpg", ".jpeg")


def why(labels):
    """Why these label files are masks, or "". JPEGs are always masks; ids are never just 0 and 255."""
    lossless = sorted(path for path in labels if path.suffix.lower() not in LOSSY)
    if not lossless:
        return "labels are JPEG" if labels else ""
    found = set()
    try:
        for path in lossless[::max(1, len(lossless) // LOOKED_AT)]:  # the first ones may all be empty
            found |= _values(path)
            if not found <= {0, 255}:
                return ""
    except errors.DataError:  # in colour, or damaged, which its reader reports
        return ""
    return "labels are black and white" if found == {0, 255} else ""


def _values(path):
    """Set of grey values and palette indices of a mask. (VOC has the indices 0 and 255, but 255 is not white.)

    Raises DataError for a file in colour.
    """
    found = set(np.unique(binary.read_grey(path)[0]).tolist())
    if path.suffix.lower() in (".png", ".bmp"):
        with images.opened(path, binary.FORMATS, "mask") as image:
            found |= set(np.unique(image).tolist()) if image.mode == "P" else set()
    return found
