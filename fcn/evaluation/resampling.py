"""Rows of scores on one grid -> strips of rows on another, bilinearly, so that only a few rows are ever held.

Pixel centres lie over pixel centres, and the outermost pixels go on beyond the edge: what TensorFlow calls
half_pixel_centers, and Pillow's bilinear resize where it enlarges (where it shrinks it takes means; this does not).
"""

import numpy as np

STRIP_BYTES = 32e6


def bounds(size, channels, sources=()):
    """[(top, end)]: strips that cover a float32 grid of (height, width) px from the top down, none above 32 MB, nor the
    rows of each of the `sources` (height, width) that it is made of.
    """
    height, width = size
    widest = max([width, *(max(w, width) * max(1, h / height) for h, w in sources)])
    rows = max(1, int(STRIP_BYTES // (4 * widest * channels)))
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def strips(rows, source, target, bounds):
    """For each (top, end) of `bounds`: float32 (end - top, width, C), those rows of the target grid.

    rows: iterable of (top, float32 (h, W, C)), all rows of the source grid in order. source, target: (height, width).
    """
    held = Held(rows)
    upper, lower, weight = _between(source[0], target[0])
    for top, end in bounds:
        first = upper[top]
        block = held.rows(first, lower[end - 1] + 1)
        if source[0] != target[0]:
            block = _mixed(block, upper[top:end] - first, lower[top:end] - first, weight[top:end, None, None], 0)
        if source[1] != target[1]:
            left, right, share = _between(source[1], target[1])
            block = _mixed(block, left, right, share[:, None], 1)
        yield block


class Held:
    """Rows of a stream, kept from the first one that is still wanted on."""

    def __init__(self, rows):
        self.stream, self.blocks = iter(rows), []

    def rows(self, first, end):
        """float32 (end - first, W, C). Rows above `first` are given up for good."""
        self.blocks = [(top, block) for top, block in self.blocks if top + len(block) > first]
        while not self.blocks or self.blocks[-1][0] + len(self.blocks[-1][1]) < end:
            self.blocks.append(next(self.stream))
        parts = [block[max(first - top, 0):end - top] for top, block in self.blocks if top < end]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _between(source, target):
    """(before, after, weight of after): between which pixels of the source each one of the target lies."""
    at = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    before = np.floor(at).astype(int)
    return before, np.ceil(at).astype(int), (at - before).astype(np.float32)


def _mixed(block, before, after, weight, axis):
    start = block.take(before, axis)
    mixed = block.take(after, axis)
    mixed -= start
    mixed *= weight
    mixed += start
    return mixed
