"""Windows over an image: where they lie along one axis, and which part of it each of them answers for.

They start at multiples of 32 px, so that every pool of the net pairs the same pixels in a window as in the whole image,
and end where the image ends at the latest: a window sees what the whole image has there, nothing added and nothing
moved. fcn/receptive.py says how far from its inner edges a window's result is that of the whole image.
"""

import itertools

from fcn import errors

STRIDE_PX = 32  # of the coarsest map
SMALLEST_PX = 64


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
                                    f"{SMALLEST_PX} at least", cure=f"--window {near} is the nearest.")
        if overlap < 0 or _step(side, overlap) < STRIDE_PX:
            raise errors.UsageError(f"an overlap of {overlap:g} in windows of {side} px: it is a share from 0 to "
                                    f"{1 - STRIDE_PX / side:.3g}, or px up to {side - STRIDE_PX}")


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
