"""Tiling: positions of windows (tiles), merging of overlapping scores, and resizing of merged scores.

Windows start at multiples of 32 px, so that every pool of the net pairs the same pixels in a window as in the whole
image. They never extend beyond the image. Pixels that are farther from a window's inner edges than components.margin
have the same scores as in the whole image.

Scores are merged and resized in strips of rows, so that only a few rows are in memory. Resizing is bilinear with
aligned pixel centres and repeated border pixels, as TensorFlow's half_pixel_centers and Pillow's bilinear enlargement.
(Pillow averages when it shrinks; this code does not.)
"""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np

from fcn.core import errors
from fcn.data.spec import id_dtype

STRIDE_PX = 32  # of the coarsest feature
SMALLEST_PX = 64
BLOCK = 32  # rows that are merged together
STRIP_BYTES = 32e6  # largest strip of resized scores


def along(length, window, overlap):
    """Return the sorted spans [(start, end)] of the windows that cover an axis of `length` px.

    window: px. overlap: minimum overlap of neighbours; below 1 a share of the window, else px. The last window may be
    up to 31 px shorter than `window`; an image smaller than a window has one window of its size.
    """
    step = _step(window, overlap)
    starts = list(range(0, max(length - window, 0), step))
    last = -(-max(length - window, 0) // STRIDE_PX) * STRIDE_PX
    return [(start, min(start + window, length)) for start in [*starts, last]]


def check(window, overlap):
    """Raise UsageError unless (height, width) in px and the overlap are valid for windows."""
    for side in window:
        if side < SMALLEST_PX or side % STRIDE_PX:
            near = max(SMALLEST_PX, round(side / STRIDE_PX) * STRIDE_PX)
            raise errors.UsageError(f"invalid window of {side} px: expected a multiple of {STRIDE_PX}, at least "
                                    f"{SMALLEST_PX}", fix=f"--window {near} is the nearest.")
        if overlap < 0 or _step(side, overlap) < STRIDE_PX:
            raise errors.UsageError(f"invalid overlap {overlap:g} of windows of {side} px: expected a share from 0 to "
                                    f"{1 - STRIDE_PX / side:.3g}", fix="--overlap 0.5 is the default.")


def check_strides(stride, net):
    """Raise UsageError if features of a net would be of other pixels in tiles than in the whole image.

    stride: px after which features of the net repeat.
    """
    if STRIDE_PX % stride:
        raise errors.UsageError(f"windows start at multiples of {STRIDE_PX} px, but features of the net {net} repeat "
                                f"every {stride} px", fix="leave out --window: whole images are predicted.")


def _step(window, overlap):
    """Return the distance of neighbouring windows in px: window minus overlap, rounded down to a multiple of 32."""
    step = window - overlap if overlap >= 1 else window * (1 - overlap)
    return int(step + 1e-6) // STRIDE_PX * STRIDE_PX  # 1e-6: in floating point, 1 - 0.9 < 0.1


def middles(spans):
    """Return [(first, end)], the middle part of each window. The parts cover the axis without overlap.

    A part ends at the middle of the overlap with the next window, so its pixels are at least half the overlap away from
    the window's inner edges.
    """
    meet = [(start + end) // 2 for (_, end), (start, _) in itertools.pairwise(spans)]
    return list(zip([spans[0][0], *meet], [*meet, spans[-1][1]], strict=True))


def softmax(logits):
    """Return the softmax of logits, float32 (..., C)."""
    scores = logits - logits.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def unchanged(logits):
    """The scores themselves."""
    return logits


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule for merging scores.

    text: description for the report. join: np.add (for the mean) or np.maximum. prepare: function applied to logits
    before joining. only_middles: windows are not joined; each pixel is taken from the window whose centre is nearest.
    """

    text: str
    join: np.ufunc
    prepare: Callable = unchanged
    only_middles: bool = False

    def joined(self, parts):
        """Merge arrays of equal shape into one. Does not change its inputs."""
        if len(parts) == 1:
            return parts[0]
        total = self.join(parts[0], parts[1])
        for part in parts[2:]:
            self.join(total, part, out=total)
        if self.join is np.add:
            total /= len(parts)
        return total

    def probabilities(self, scores, excluded_ids):
        """Return the probabilities of merged scores, float32 (..., C), which sum to 1. excluded_ids get 0."""
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
    "centre": Rule("taking each pixel from the window whose centre is nearest, and the mean of the logits of scales "
                   "and mirrored images", np.add, only_middles=True),
}


def best(scores, excluded_ids):
    """Return the argmax of scores, float32 (..., C), over classes that are not in excluded_ids, in their id_dtype."""
    if not excluded_ids:
        return scores.argmax(axis=-1).astype(id_dtype(scores.shape[-1]))
    allowed = np.array([i for i in range(scores.shape[-1]) if i not in excluded_ids],
                       id_dtype(scores.shape[-1]))
    return allowed[scores[..., allowed].argmax(axis=-1)]


def rows(spans, rule, scores):
    """Yield (top, float32 (rows, W, C)), the merged rows of an image from top to bottom.

    spans: (vertical, horizontal) spans of the windows (tiling.along). rule: Rule. scores: function (vertical span,
    horizontal span) -> float32 (h, w, C), the prepared scores of a window. Rows are yielded as soon as no later window
    covers them; at most the height of one window is held.
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
    """Join scores (first row `first`, columns `piece`) into the open blocks of rows."""
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
    """Return the number of parts that cover each pixel of the axis, float32 (length,)."""
    count = np.zeros(parts[-1][1], np.float32)
    for first, end in parts:
        count[first:end] += 1
    return count


def strip_bounds(size, channels, sources=()):
    """Return [(top, end)] of strips that cover a float32 grid of size (height, width) from top to bottom.

    A strip takes at most 32 MB, and so do the rows of each source grid from which it is resized. sources: their sizes.
    """
    height, width = size
    widest = max([width, *(max(w, width) * max(1, h / height) for h, w in sources)])
    rows = max(1, int(STRIP_BYTES // (4 * widest * channels)))
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def resized_strips(rows, source, target, bounds):
    """Yield the resized rows, float32 (end - top, width, C), for each (top, end) in `bounds`.

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
    """Buffer over a stream of rows that drops rows which are no longer needed."""

    def __init__(self, rows):
        self.stream, self.blocks = iter(rows), []

    def rows(self, first, end):
        """Return rows first to end, float32 (end - first, W, C). Rows before `first` are dropped."""
        self.blocks = [(top, block) for top, block in self.blocks if top + len(block) > first]
        while not self.blocks or self.blocks[-1][0] + len(self.blocks[-1][1]) < end:
            self.blocks.append(next(self.stream))
        parts = [block[max(first - top, 0):end - top] for top, block in self.blocks if top < end]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _between(source, target):
    """Return (index before, index after, weight of after) in the source for each pixel of the target."""
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
