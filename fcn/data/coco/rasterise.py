"""Paint the outlines of COCO's instances into an array of class ids, pixel for pixel as pycocotools decodes them.

A mask is a list of run lengths, column by column: background, object, background, ... Run lengths are read here; only
polygons need pycocotools (the extra [coco]), whose rules for pixels on an edge define COCO's masks.
"""

import numpy as np

from fcn.core import errors

LAST, SIGN, DIGIT, BITS, FIRST = 0x20, 0x10, 0x1F, 5, 48  # of a character in a compressed text of run lengths
MOST_DIGITS = 12  # of a number in such a text; run lengths have fewer than 60 bits


def masks(instances, size):
    """[(class id, run lengths)] of the instances of an image of size (height, width), in the order of painting.

    Crowds, which are ignored, come first, then the objects, larger ones first, so that a small object in front of a
    large one stays visible. Of equal areas, the later one is in front.
    """
    found = [(instance, runs_of(instance.segmentation, size)) for instance in instances]
    found.sort(key=lambda item: (not item[0].is_crowd, -area(item[1])))
    return [(instance.class_id, runs) for instance, runs in found]


def paint(ordered, size, id_dtype=np.uint8):
    """Class ids, id_dtype (height, width), of the result of masks(). Pixels without an object are 0."""
    painted = np.zeros(size[0] * size[1], id_dtype)  # column by column
    for class_id, runs in ordered:
        _paint(painted, class_id, runs)
    return np.ascontiguousarray(painted.reshape(size, order="F"))


def _paint(painted, class_id, runs):
    ends = np.cumsum(runs)
    for start, end in zip(ends[0::2].tolist(), ends[1::2].tolist(), strict=False):
        painted[start:end] = class_id


def area(runs):
    """Number of pixels of a mask."""
    return int(runs[1::2].sum())


def runs_of(segmentation, size):
    """Run lengths, int64 (n,), of a segmentation: polygons, or a checked run-length encoding (wrong_runs)."""
    if isinstance(segmentation, dict):
        return _counts(segmentation)
    coco = _pycocotools()
    return uncompressed(coco.merge(coco.frPyObjects(segmentation, *size))["counts"])


def check_package(instances):
    """Raise UsageError if one of the instances has polygons and pycocotools is not installed."""
    if any(isinstance(instance.segmentation, list) for instance in instances):
        _pycocotools()


def _pycocotools():
    try:
        from pycocotools import mask
    except ImportError:
        raise errors.UsageError("polygons need the package pycocotools, which is not installed",
                                fix="pip install -e '.[coco]' in this project's folder.") from None
    return mask


def wrong_runs(segmentation, size):
    """What is wrong with a run-length encoding, or "". size: (height, width) of its image, None if unknown."""
    try:
        height, width = segmentation["size"]
        runs = _counts(segmentation)
        if (height, width) != (size or (height, width)):
            return f"its mask is {height}x{width}, its image {size[0]}x{size[1]} (height x width)"
        if runs.min(initial=0) < 0 or runs.sum() != height * width:
            return f"its run lengths do not fill {height}x{width} pixels"
    except (KeyError, TypeError, ValueError, OverflowError):
        return "its run-length encoding is damaged"
    return ""


def _counts(segmentation):
    """Run lengths, int64 (n,), of {"counts": list or text}. Raises TypeError, ValueError."""
    counts = segmentation["counts"]
    if isinstance(counts, str):
        return uncompressed(counts.encode("ascii"))
    if not all(type(count) is int for count in counts):
        raise TypeError
    return np.array(counts, np.int64)


def uncompressed(text):
    """Run lengths, int64 (n,), of a compressed text (bytes). Raises ValueError.

    A character is 48 plus six bits: five of a number, the lowest first, and one that says whether more follow. From the
    fourth number on, the difference to the number before the last is stored. Source: cocoapi, rleToString.
    """
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - FIRST
    ends = np.flatnonzero(codes & LAST == 0)
    if not len(codes) or codes.min() < 0 or codes.max() > (LAST | DIGIT) or not len(ends) or ends[-1] != len(codes) - 1:
        raise ValueError
    starts = np.concatenate([[0], ends[:-1] + 1])
    digit = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    if digit.max() >= MOST_DIGITS:
        raise ValueError
    numbers = np.add.reduceat((codes & DIGIT) << BITS * digit, starts)
    negative = codes[ends] & SIGN != 0
    numbers[negative] -= 1 << BITS * (ends - starts + 1)[negative]
    for first in (1, 2):  # odd and even positions, from 0
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers
