"""Confidence intervals over images, of a score or of the difference of two; standard error of a mean loss over batches.

The sampling unit is the image, not the pixel, because pixels of an image are correlated. An interval shows how much a
score depends on the choice of the evaluated images. It does not show how much another training run would differ.

The classes are held fixed: an interval is about the classes that are labelled in these images. A class in no image
counts as in the protocol (0, or not at all), and its score remains unknown.

Method. A score is a weighted sum of ratios R_k = sum_i a_ik / sum_i b_ik over images i (iou.Ratios). The influence of
an image is (a_ik - R_k b_ik) / B_k with B_k = sum_i b_ik. The variance is the sum of the squared influences: the
linearised variance of a ratio (Cochran, Sampling Techniques, 3rd ed. 1977, section 6.4). Rare classes need three
corrections. Without them, the interval of a mean over many rare classes misses the true value (benchmarks/coverage.py):
  bias      The ratio of a class in few images is biased, usually downwards. The second-order term, -sum_i b_ik (a_ik
            - R_k b_ik) / B_k^2 (Cochran, 6.8), is estimated and subtracted from the centre of the interval.
  leverage  An image with most pixels of a class dominates R_k, so its influence appears small. The influence is divided
            by 1 - b_ik / B_k, the effect of leaving the image out (HC3: MacKinnon & White 1985).
  shrinkage Bias and variance of a class cannot be estimated well from few images. Both are shrunk towards their means
            over all classes, more for classes with fewer images (like Smyth 2004 for genes).
The quantile is that of Student's t with the degrees of freedom of the influences (Satterthwaite 1946). An interval is
widened to contain the score if the corrections would exclude it.
"""

import dataclasses
import math

import numpy as np

from fcn.metrics.confusion import Sums

LEVEL = 0.95
PRIOR = 2.0             # images that the mean over all classes is worth when it is drawn into a class's own estimate
ENOUGH = 2.0            # effective images from which on a class has estimates of its own
MOST_VARIANCE = 0.25    # of a number in [0, 1]: assumed where no class has enough images
MOST_LEVERAGE = 0.75    # an influence is at most multiplied by 4
METHOD = "linearised over images, bias-corrected, classes held fixed (fcn/metrics/confidence.py)"


@dataclasses.dataclass(frozen=True)
class _Linear:
    """A linearised score. K: number of classes that have labelled pixels.

    ratios: (K,). influence: (images, K), of each image on each ratio. share: (images, K), b_ik / B_k. weight: (K,).
    weight_influence: (images,), of each image on the weights.
    """

    ratios: np.ndarray
    influence: np.ndarray
    share: np.ndarray
    weight: np.ndarray
    weight_influence: np.ndarray

    @classmethod
    def of(cls, found):
        """The linearisation of iou.Ratios."""
        total = found.below.sum(axis=0)
        ratios = found.above.sum(axis=0) / total
        return cls(ratios, (found.above - ratios * found.below) / total, found.below / total, found.weight,
                   found.weight_influence)

    def centre(self):
        """The score minus its estimated bias."""
        _, shrunk = _shrunk(self.influence, self.share, (self.share * self.influence).sum(axis=0))
        return float(self.weight @ np.clip(self.ratios + shrunk, 0, 1))

    def corrected_influence(self):
        """The influences with the correction for leverage."""
        return self.influence / (1 - np.minimum(self.share, MOST_LEVERAGE))

    def total_influence(self):
        """(images,): influence of each image on the score."""
        return self.corrected_influence() @ self.weight + self.weight_influence


def interval(score, found, level=LEVEL):
    """Confidence interval [low, high] of a score in [0, 1]; None for fewer than two images with labelled pixels.

    found: iou.Ratios of the score. level: coverage, such as 0.95.
    """
    if found.images < 2:
        return None
    part = _Linear.of(found)
    own = _own_variance(part.influence, part.corrected_influence(), part.share)
    influence = part.total_influence()
    low, high = _around(part.centre(), influence, part.weight ** 2 @ own, found.images, level)
    return [max(min(low, score), 0.0), min(max(high, score), 1.0)]


def interval_of_difference(score, found, other, level=LEVEL):
    """Confidence interval [low, high] of a difference of two scores; None as in interval().

    found, other: iou.Ratios of the scores, for the same images and labels.
    """
    if found.images < 2:
        return None
    left, right = _Linear.of(found), _Linear.of(other)
    influence = left.total_influence() - right.total_influence()
    own = _own_variance(left.influence - right.influence, left.corrected_influence() - right.corrected_influence(),
                        (left.share + right.share) / 2)
    weight = (left.weight + right.weight) / 2
    low, high = _around(left.centre() - right.centre(), influence, weight ** 2 @ own, found.images, level)
    return [max(min(low, score), -1.0), min(max(high, score), 1.0)]


def _own_variance(influence, corrected_influence, share):
    """(K,): by how much the shrunk variance of each class exceeds the sum of its squared influences."""
    _, shrunk = _shrunk(influence, share, (influence ** 2).sum(axis=0), MOST_VARIANCE)
    return np.maximum(shrunk - (corrected_influence ** 2).sum(axis=0), 0)


def _shrunk(influence, share, sums, otherwise=0.0):
    """(effective images (K,), sums shrunk towards their mean over the classes (K,)).

    sums: (K,), squared influences, or their products with the shares. Both decrease as 1 / effective images and are too
    small by the factor 1 - 1 / effective images. otherwise: the mean if no class has ENOUGH images.
    """
    parts = (share ** 2).sum(axis=0)  # 1 / effective images (Kish 1965)
    free = np.maximum(1 / parts - 1, 0)
    enough = 1 / parts >= ENOUGH
    unit = np.where(enough, sums / parts / np.maximum(1 - parts, 1e-9), 0)  # per image
    trust = np.where(enough, np.minimum(free, 10), 0)
    mean = trust @ unit / trust.sum() if trust.any() else otherwise
    drawn = np.where(enough, (free * unit + PRIOR * mean) / (free + PRIOR), mean)
    return 1 / parts, drawn * parts


def _around(centre, influence, more, images, level):
    """(low, high). influence: (images,), of each image on the score, total_influence(). more: additional variance."""
    squares = influence ** 2
    total, spread = squares.sum(), (squares ** 2).sum() - squares.sum() ** 2 / images
    variance = (images - 1) / images * total + more  # the jackknife's
    freedom = 2 * total ** 2 / spread if spread > 0 else images - 1
    from scipy.special import stdtrit  # takes 60 ms; --help does without
    reach = float(stdtrit(np.clip(freedom, 1, images - 1), (1 + level) / 2) * np.sqrt(variance))
    return centre - reach, centre + reach


SAMPLES, SEED = 1000, 0
BLOCK = 1 << 20  # swaps x images that are computed at a time: 8 MB
TIE = 1e-12      # smaller differences are rounding errors


def paired_test(protocol, one, other, ids=None, samples=SAMPLES):
    """Paired permutation test of two Sums: {name of a score: {"one", "other", "difference", "interval", "p"}}.

    protocol: a module of fcn/metrics/protocols. one, other: Sums of the same images in the same order. ids: of the
    classes in the means; None for all. difference: one - other. interval: of interval_of_difference(). p: two-sided, (1
    + number of swaps with at least this difference) / (1 + number of swaps).
    """
    images = len(one.true_positives)
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
                       "interval": interval_of_difference(difference, terms[0][name], terms[1][name]),
                       "p": (1 + extreme) / (1 + samples)}
    return found


def random_swaps(images, samples=SAMPLES, seed=SEED):
    """Yield blocks of float64 (B, images): 1 if the two matrices of an image are swapped, with probability 0.5."""
    random = np.random.default_rng(seed)
    size = max(1, BLOCK // max(images, 1))
    for start in range(0, samples, size):
        yield random.integers(2, size=(min(size, samples - start), images)).astype(np.float64)


def swapped_differences(compute, one, other, swaps, ids=None):
    """{name: float64 (B,)}: differences of scores after swapping images. swaps: (B, images) of 0 and 1."""
    both = Sums(one.ids, *(np.concatenate(pair) for pair in zip(one.of(), other.of(), strict=True)))
    kept = 1 - swaps
    left = compute(both, np.hstack([kept, swaps]), ids)
    right = compute(both, np.hstack([swaps, kept]), ids)
    return {name: left[name] - right[name] for name in left}


def _joined(blocks):
    """Concatenate the arrays of several {name: array}."""
    blocks = list(blocks)
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def mean_loss(sums, pixels):
    """(mean, standard error) of a per-pixel loss.

    sums: loss of each batch, summed over pixels. pixels: labelled pixels of each batch, or sums of class weights. For a
    loss with several terms, each entry is a list with a number per term, and the mean is the sum of the terms' means.

    mean = sum of sums / sum of pixels. The error is that of a ratio of two sums (Cochran, Sampling Techniques, section
    6.4), from the squared residuals sum_i - mean * pixels_i times k / (k - 1). The mean is NaN without labelled pixels;
    the error is NaN for fewer than two batches with labelled pixels.
    """
    terms = list(zip(_columns(sums), _columns(pixels), strict=True))
    totals = [sum(column) for _, column in terms]
    if not totals or not all(totals):
        return math.nan, math.nan
    mean, residuals = 0.0, [0.0] * len(sums)
    for (of_term, column), total in zip(terms, totals, strict=True):
        ratio = sum(of_term) / total
        mean += ratio
        residuals = [r + (s - ratio * p) * (totals[0] / total)
                     for r, s, p in zip(residuals, of_term, column, strict=True)]
    count = sum(1 for p in terms[0][1] if p)
    if count < 2:
        return mean, math.nan
    return mean, math.sqrt(count / (count - 1) * sum(r ** 2 for r in residuals)) / totals[0]


def _columns(numbers):
    """A list per term, from a number or a list of numbers per batch."""
    return np.reshape(numbers, (len(numbers), -1)).T.tolist() if len(numbers) else []
