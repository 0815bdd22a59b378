"""Are label files black and white masks, or ids? A few of them are looked at."""

import numpy as np

from fcn import errors, images
from fcn.encodings import binary

LOOKED_AT = 3
LOSSY = (".jpg", ".jpeg")


def why(labels):
    """Why these label files are masks, or "": JPEG can hold nothing else, and ids are never just 0 and 255."""
    some = sorted(labels)[:LOOKED_AT]
    if not some:
        return ""
    if any(path.suffix.lower() in LOSSY for path in labels):
        return "labels are JPEG"
    try:
        values = set().union(*(_values(path) for path in some))
    except errors.DataError:  # what is wrong with it, the reader will say
        return ""
    return "labels are black and white" if 255 in values and values <= {0, 255} else ""


def _values(path):
    """Values of a mask's channels; those of a palette are not looked up, as its indices are ids."""
    with images.opened(path, binary.FORMATS, "mask") as image:
        if image.mode == "P":
            return {-1}
        pixels = np.asarray(image.convert("RGB"))
    return set(np.unique(pixels).tolist()) if not np.ptp(pixels, axis=2).any() else {-1}
