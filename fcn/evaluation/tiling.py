"""Evaluation in windows (tiles): where they lie, how overlapping scores are merged, and resizing of merged scores.

Windows start at multiples of 32 px, so that every pool of the net pairs the same pixels in a window as in the whole
image, and end where the image ends at the latest: a window sees what the whole image has there, nothing added and
nothing moved. components.margin says how far from its inner edges a window's result is that of the whole image.

Scores are merged and resized in strips of rows, so that only a few rows are in memory. Resizing is bilinear: centres of
pixels are aligned and the outermost pixels are repeated beyond the edge, as in TensorFlow's half_pixel_centers and in
Pillow's bilinear resize where it enlarges. (Pillow takes means where it shrinks; this does not.)
"""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np

from fcn.core import errors

STRIDE_PX = 32  # of the coarsest map
SMALLEST_PX = 64
BLOCK = 32  # rows that are finished together
STRIP_BYTES = 32e6  # of a strip of resized scores


def along(length, window, overlap):
    """[(start, end)] along an axis of `length` px, in order; together they cover it, ends do not go beyond it.

    window: px. overlap: of neighbours, at least: below 1 the share of a window, from 1 on px. All windows are of
    `window` px but the last one, which is up to 31 px shorter, and that of an image smaller than a window.
    """
    step = _step(window, overlap)
    starts = list(range(0, max(length - window, 0), step))
    last = -(-max(length - window, 0) // STRIDE_PX) * STRIDE_PX
    return [(start, min(start + window, length)) for start in [*starts, last]]


def check(window, overlap):
    """Raise UsageError unless windows of (height, width) px with this overlap can be laid."""
    for side in window:
        if side < SMALLEST_PX or side % STRIDE_PX:
            near = max(SMALLEST_PX, round(side / STRIDE_PX) * STRIDE_PX)
            raise errors.UsageError(f"a window of {side} px: its sides are multiples of {STRIDE_PX}, "
                                    f"{SMALLEST_PX} at least", fix=f"--window {near} is the nearest.")
        if overlap < 0 or _step(side, overlap) < STRIDE_PX:
            raise errors.UsageError(f"an overlap of {overlap:g} in windows of {side} px: it is a share from 0 to "
                                    f"{1 - STRIDE_PX / side:.3g}, or px up to {side - STRIDE_PX}")


def check_strides(stride, net):
    """Raise UsageError for a net whose features would be of other pixels in tiles than in the whole image.

    stride: px after which features of the net repeat.
    """
    if STRIDE_PX % stride:
        raise errors.UsageError(f"windows start at multiples of {STRIDE_PX} px, but features of the net {net} repeat "
                                f"every {stride} px", fix="leave out --window: whole images are predicted.")


def _step(window, overlap):
    """Px from one start to the next: what the overlap leaves, rounded down to a multiple of 32."""
    step = window - overlap if overlap >= 1 else window * (1 - overlap)
    return int(step + 1e-6) // STRIDE_PX * STRIDE_PX  # 1 - 0.9 is a little less than 0.1


def middles(spans):
    """[(first, end)]: the part of each window in which a pixel is farther from inner edges than in any other window.

    It ends where two windows' middles meet, so that no pixel is nearer to an inner edge than half the overlap.
    """
    meet = [(start + end) // 2 for (_, end), (start, _) in itertools.pairwise(spans)]
    return list(zip([spans[0][0], *meet], [*meet, spans[-1][1]], strict=True))

def softmax(logits):
    """float32 (..., C) -> probabilities that add up to 1."""
    scores = logits - logits.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def unchanged(logits):
    return logits


@dataclasses.dataclass(frozen=True)
class Rule:
    """text: for the report. join: adds scores up, for their mean, or takes the larger ones. prepare: logits -> what
    is joined. only_middles: windows are not joined; each pixel is taken from that in whose middle it lies most.
    """

    text: str
    join: np.ufunc
    prepare: Callable = unchanged
    only_middles: bool = False

    def joined(self, parts):
        """One array of several, of one shape; none of them is changed."""
        if len(parts) == 1:
            return parts[0]
        total = self.join(parts[0], parts[1])
        for part in parts[2:]:
            self.join(total, part, out=total)
        if self.join is np.add:
            total /= len(parts)
        return total

    def probabilities(self, scores, excluded_ids):
        """float32 (..., C) that add up to 1, of merged scores; 0 for excluded_ids."""
        excluded = list(excluded_ids)
        if self.prepare is softmax:
            found = scores.copy()
            found[..., excluded] = 0
            return found / np.maximum(found.sum(axis=-1, keepdims=True), np.finfo(np.float32).tiny)
        if excluded:
            scores = scores.copy()
            scores[..., excluded] = -np.inf
        return softmax(scores)


RULES = {
    "max": Rule("the maximum activation of each class", np.maximum),  # DeepDIVA
    "mean": Rule("the mean of the logits", np.add),
    "probability": Rule("the mean of the probabilities", np.add, softmax),
    "centre": Rule("taking each pixel from the window in whose middle it lies most, and the mean of the logits of "
                   "scales and mirrored images", np.add, only_middles=True),
}


def best(scores, excluded_ids):
    """uint8 (...): the best class that is not in excluded_ids, of float32 (..., C); of equals the first."""
    if not excluded_ids:
        return scores.argmax(axis=-1).astype(np.uint8)
    allowed = np.array([i for i in range(scores.shape[-1]) if i not in excluded_ids], np.uint8)
    return allowed[scores[..., allowed].argmax(axis=-1)]


def rows(spans, rule, scores):
    """(top, float32 (rows, W, C)) of an image in windows, in order, as soon as no further window reaches them.

    spans: of the windows (tiling.along), down and across. scores((start, end) down, (start, end) across) -> float32
    (h, w, C) of that window, prepared by the rule. At most one window's height of rows is open.
    """
    down, across = spans
    if len(down) == len(across) == 1:
        yield 0, scores(down[0], across[0])
        return
    parts_down, parts_across = (middles(spans) if rule.only_middles else spans for spans in (down, across))
    cover_down, cover_across = _cover(parts_down), _cover(parts_across)
    opened: dict[int, np.ndarray] = {}
    for band, part, done in zip(down, parts_down, [*(first for first, _ in parts_down[1:]), down[-1][1]], strict=True):
        for window, piece in zip(across, parts_across, strict=True):
            found = scores(band, window)[part[0] - band[0]:part[1] - band[0], piece[0] - window[0]:piece[1] - window[0]]
            _lay(opened, found, part[0], piece, (down[-1][1], across[-1][1]), rule.join)
        for top in [top for top, block in opened.items() if top + len(block) <= done]:
            yield top, _finished(opened.pop(top), top, cover_down, cover_across, rule.join)


def _lay(opened, found, first, piece, size, join):
    """Join scores, whose first row is `first` and whose columns are `piece`, with the blocks of rows that are open."""
    end = first + len(found)
    for top in range(first // BLOCK * BLOCK, end, BLOCK):
        if top not in opened:
            shape = min(BLOCK, size[0] - top), size[1], found.shape[2]
            opened[top] = np.full(shape, 0 if join is np.add else -np.inf, np.float32)
        upper, lower = max(top, first), min(top + BLOCK, end)
        block = opened[top][upper - top:lower - top, slice(*piece)]
        join(block, found[upper - first:lower - first], out=block)


def _finished(block, top, cover_down, cover_across, join):
    if join is np.add:
        block /= np.outer(cover_down[top:top + len(block)], cover_across)[..., None]
    return block


def _cover(parts):
    """float32 (length,): how many parts hold each pixel of the axis."""
    count = np.zeros(parts[-1][1], np.float32)
    for first, end in parts:
        count[first:end] += 1
    return count


def strip_bounds(size, channels, sources=()):
    """[(top, end)]: strips that cover a float32 grid of (height, width) px from the top down, none above 32 MB, nor the
    rows of each of the `sources` (height, width) that it is made of.
    """
    height, width = size
    widest = max([width, *(max(w, width) * max(1, h / height) for h, w in sources)])
    rows = max(1, int(STRIP_BYTES // (4 * widest * channels)))
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def resized_strips(rows, source, target, bounds):
    """For each (top, end) of `bounds`: float32 (end - top, width, C), those rows of the target grid.

    rows: iterable of (top, float32 (h, W, C)), all rows of the source grid in order. source, target: (height, width).
    """
    held = HeldRows(rows)
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


class HeldRows:
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
