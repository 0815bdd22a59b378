"""Is one evaluation better than another of the same images, or is it chance? A paired permutation test.

Were both nets alike, the two matrices of an image could as well be swapped. p is the share of random swaps whose
difference is at least as large as the one found.
"""

import numpy as np

from fcn import intervals
from fcn.matrices import Sums

SAMPLES, SEED = 1000, 0
BLOCK = 1 << 20  # swaps of images at a time: 8 MB, whatever the number of images
TIE = 1e-12      # smaller differences are rounding


def paired(protocol, one, other, ids=None, samples=SAMPLES):
    """{name: {"one", "other", "difference", "interval", "p"}}: two Sums of the same images, in the same order.

    protocol: a module of fcn/metrics. difference: one - other, with its interval (intervals.difference). p: two-sided,
    (1 + swaps that differ as much) / (1 + swaps). ids: classes that the means are over, all by default.
    """
    images = len(one.hits)
    plain = np.ones((1, images))
    first, second = protocol.compute(one, plain, ids), protocol.compute(other, plain, ids)
    terms = protocol.ratios(one, ids), protocol.ratios(other, ids)
    swapped = _joined(swapped_differences(protocol.compute, one, other, swaps, ids)
                      for swaps in random_swaps(images, samples))
    found = {}
    for name in first:
        difference = float(first[name][0] - second[name][0])
        extreme = int((np.abs(swapped[name]) >= abs(difference) - TIE).sum())
        found[name] = {"one": float(first[name][0]), "other": float(second[name][0]), "difference": difference,
                       "interval": intervals.difference(difference, terms[0][name], terms[1][name]),
                       "p": (1 + extreme) / (1 + samples)}
    return found


def random_swaps(images, samples=SAMPLES, seed=SEED):
    """Blocks of float64 (B, images), 1 where the two matrices of an image are swapped, which is as likely as not."""
    random = np.random.default_rng(seed)
    size = max(1, BLOCK // max(images, 1))
    for start in range(0, samples, size):
        yield random.integers(2, size=(min(size, samples - start), images)).astype(np.float64)


def swapped_differences(compute, one, other, swaps, ids=None):
    """{name: float64 (B,)}: the differences after swapping images between both. swaps: (B, images) of 0 and 1."""
    both = Sums(one.ids, *(np.concatenate(pair) for pair in zip(one.of(), other.of(), strict=True)))
    kept = 1 - swaps
    left = compute(both, np.hstack([kept, swaps]), ids)
    right = compute(both, np.hstack([swaps, kept]), ids)
    return {name: left[name] - right[name] for name in left}


def _joined(blocks):
    """One {name: array} of several."""
    blocks = list(blocks)
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
