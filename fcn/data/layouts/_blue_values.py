"""Tell flags in the blue channel (DIVA-HisDB) from class numbers in the blue channel, by a sample of labels."""

import functools

import numpy as np

from fcn.core import errors
from fcn.data import folders
from fcn.data.label_formats import _rgb, blue_bits
from fcn.data.spec import MAX_PIXELS

LOOKED_AT = 5  # number of labels in the sample


def numbers(label_folder):
    """(why the labels in a folder hold class numbers or "", a remark on values that also fit DIVA-HisDB or "").

    Labels are read until one decides: red or green is used, or a blue value is not one of DIVA-HisDB.
    """
    seen: set[int] = set()
    try:
        labels = sorted(folders.look(label_folder, _rgb.SUFFIXES).files)
        for path in labels[::max(1, len(labels) // LOOKED_AT)][:LOOKED_AT]:
            coloured, values = _values(path, path.stat().st_mtime_ns)
            if coloured:
                return "", ""
            seen.update(values)
            if other := [value for value in values if value not in blue_bits.IDS]:
                return f"the blue values of {path.name} are class numbers: {_rgb.listed(other)} are no values of " \
                       "DIVA-HisDB", ""
    except (errors.DataError, OSError):  # damaged, or not in colour: its reader reports it
        return "", ""
    return "", f"the blue values {_rgb.listed(sorted(seen))} are flags of DIVA-HisDB (give --layout deepdiva if they " \
               "are class numbers)" if seen else ""


@functools.lru_cache(maxsize=LOOKED_AT)
def _values(path, modified_ns):
    """(whether red or green is used, sorted blue values) of a label. Raises DataError.

    modified_ns: time of the file, so that a changed file is read again.
    """
    pixels = _rgb.read(path, MAX_PIXELS)
    return bool(pixels[..., :2].any()), np.flatnonzero(np.bincount(pixels[..., 2].ravel())).tolist()
