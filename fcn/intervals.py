"""How sure a number is: bootstrap intervals over images, and a paired test of two evaluations of the same images.

Images, not pixels, are what a data set is a sample of: pixels of an image are alike, and drawing them one by one would
give intervals far too small. Resampled images need no net and no maps, only other weights of the same sums, so that
1,000 resamples are a few products of matrices. What one set of images cannot tell is how much another training run,
from another seed, would differ.
"""

import numpy as np

from fcn.matrices import Sums

SAMPLES, SEED, LEVEL = 1000, 0, 0.95
BLOCK = 1 << 20  # weights at a time: 8 MB, whatever the number of images
TIE = 1e-12  # differences of rounding alone are none


def bootstrap(compute, sums, ids=None, samples=SAMPLES):
    """{name: [low, high]}, the percentile interval of each number; None in their place for fewer than two images that
    have labelled pixels.

    compute: a protocol's. ids: classes that the means are over, all by default. A resample without any pixel that is
    labelled so has no score, and is left out.
    """
    drawn = _joined(compute(sums, weights, ids) for weights in _labelled(sums, ids, samples))
    return {name: _interval(values, sums, ids) for name, values in drawn.items()}


def paired(compute, one, other, ids=None, samples=SAMPLES):
    """{name: {"one", "other", "difference", "interval", "p"}}: two Sums of the same images, in the same order.

    difference: one - other. interval: of the difference, both resampled alike, as in bootstrap.
    p: two-sided, of a permutation test: were both nets alike, each image's pair could as well be swapped.
    """
    images = len(one.hits)
    plain = np.ones((1, images))
    first, second = compute(one, plain, ids), compute(other, plain, ids)
    spread = _joined(_less(compute(one, weights, ids), compute(other, weights, ids))
                     for weights in _labelled(one, ids, samples))
    swapped = _joined(swapped_differences(compute, one, other, swaps, ids) for swaps in random_swaps(images, samples))
    found = {}
    for name in first:
        difference = float(first[name][0] - second[name][0])
        extreme = int((np.abs(swapped[name]) >= abs(difference) - TIE).sum())
        found[name] = {"one": float(first[name][0]), "other": float(second[name][0]), "difference": difference,
                       "interval": _interval(spread[name], one, ids),
                       "p": (1 + extreme) / (1 + samples)}
    return found


def resamples(images, samples=SAMPLES, seed=SEED):
    """Blocks of weights, float64 (B, images): how often each image is drawn when as many are drawn with replacement."""
    random = np.random.default_rng(seed)
    for size in _blocks(images, samples):
        drawn = random.integers(images, size=(size, images)) + images * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * images).reshape(size, images).astype(np.float64)


def random_swaps(images, samples=SAMPLES, seed=SEED):
    """Blocks of float64 (B, images), 1 where the two matrices of an image are swapped, which is as likely as not."""
    random = np.random.default_rng(seed)
    for size in _blocks(images, samples):
        yield random.integers(2, size=(size, images)).astype(np.float64)


def swapped_differences(compute, one, other, swaps, ids=None):
    """{name: float64 (B,)}: the differences after swapping images between both. swaps: (B, images) of 0 and 1."""
    both = Sums(one.ids, *(np.concatenate(pair) for pair in zip(one.of(), other.of(), strict=True)))
    kept = 1 - swaps
    return _less(compute(both, np.hstack([kept, swaps]), ids), compute(both, np.hstack([swaps, kept]), ids))


def _labelled(sums, ids, samples):
    """The blocks of weights, without those that draw no labelled pixel."""
    pixels = sums.of(ids)[1].sum(axis=1)
    for weights in resamples(len(pixels), samples):
        yield weights[weights @ pixels > 0]


def _interval(values, sums, ids):
    """[low, high] that LEVEL of the values lie in, as many below as above."""
    if (sums.of(ids)[1].sum(axis=1) > 0).sum() < 2:
        return None
    rest = 50 * (1 - LEVEL)
    return [float(bound) for bound in np.percentile(values, [rest, 100 - rest])]


def _blocks(images, samples):
    size = max(1, BLOCK // max(images, 1))
    return [min(size, samples - start) for start in range(0, samples, size)]


def _less(one, other):
    return {name: one[name] - other[name] for name in one}


def _joined(blocks):
    """One {name: array} of several."""
    blocks = list(blocks)
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
