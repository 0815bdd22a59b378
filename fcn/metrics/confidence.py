"""How sure a score is: a confidence interval over images, of one evaluation or of the difference of two; and the
standard error of a mean loss over batches.

Images, not pixels, are what a data set is a sample of: pixels of an image are alike. The intervals say how much a score
depends on which images were evaluated. They do not say how much another training run, with another seed, would differ.

The classes are held fixed: an interval is about the classes that are labelled in these images. A class that no image
shows is counted as the protocol counts it (0, or not at all), and nothing can be said about its score.

Method. A score is a weighted sum of ratios R_k = sum_i a_ik / sum_i b_ik over images i (iou.Ratios). Each image has an
influence on it, (a_ik - R_k b_ik) / B_k with B_k = sum_i b_ik, and the variance is the sum of squared influences: the
linearised variance of a ratio (Cochran, Sampling Techniques, 3rd ed. 1977, section 6.4). Rare classes need three
corrections, without which the interval of a mean over many of them misses the truth (benchmarks/coverage.py):
  bias      the ratio of a class in few images is biased, most often downwards. The second-order term, -sum_i b_ik (a_ik
            - R_k b_ik) / B_k^2 (Cochran, 6.8), is estimated and removed from the centre of the interval.
  leverage  an image that holds most of a class pulls R_k to its own ratio, so that its influence looks small; it is
            divided by 1 - b_ik / B_k, as leaving the image out would (HC3: MacKinnon & White 1985).
  sharing   bias and spread of a class cannot be computed from one image, and hardly from a few. Both are drawn
            towards their means over all classes, the more the fewer images a class has (as Smyth 2004 for genes).
The quantile is Student's t with the degrees of freedom of the influences (Satterthwaite 1946). An interval is widened
to hold the score itself where the corrections would exclude it.
"""

import dataclasses
import math

import numpy as np
from scipy.special import stdtrit

from fcn.metrics.confusion import Sums

LEVEL = 0.95
PRIOR = 2.0             # images that the mean over all classes is worth when it is drawn into a class's own estimate
ENOUGH = 2.0            # effective images from which on a class has estimates of its own
MOST_VARIANCE = 0.25    # of a number in [0, 1]: assumed where no class has enough images
MOST_LEVERAGE = 0.75    # an influence is at most multiplied by 4
# --average-loss auto: the mean of so few batches whose standard error is at most this share of it.
AUTO_SHARE, AUTO_FIRST, AUTO_MOST = 0.02, 10, 1280
METHOD = "linearised over images, bias-corrected, classes held fixed (fcn/metrics/confidence.py)"


@dataclasses.dataclass(frozen=True)
class _Linear:
    """A score and what each image adds to it. K: the classes that have labelled pixels.

    ratios (K,); influence (images, K): of each image on each ratio; share (images, K): b_ik / B_k; weight (K,);
    besides (images,): influence on the weights.
    """

    ratios: np.ndarray
    influence: np.ndarray
    share: np.ndarray
    weight: np.ndarray
    besides: np.ndarray

    @classmethod
    def of(cls, found):
        """Of iou.Ratios."""
        total = found.below.sum(axis=0)
        ratios = found.above.sum(axis=0) / total
        return cls(ratios, (found.above - ratios * found.below) / total, found.below / total, found.weight,
                   found.besides)

    def centre(self):
        """The score less its estimated bias."""
        _, shared = _shared(self.influence, self.share, (self.share * self.influence).sum(axis=0))
        return float(self.weight @ np.clip(self.ratios + shared, 0, 1))

    def raised(self):
        """The influences as if each image had been left out of its own ratio."""
        return self.influence / (1 - np.minimum(self.share, MOST_LEVERAGE))


def interval(score, found, level=LEVEL):
    """[low, high] that holds a score in [0, 1]; found: its iou.Ratios. None for fewer than two images with labelled
    pixels.
    """
    if found.images < 2:
        return None
    part = _Linear.of(found)
    own = _own_variance(part.influence, part.raised(), part.share)
    influence = part.raised() @ part.weight + part.besides
    low, high = _around(part.centre(), influence, part.weight ** 2 @ own, found.images, level)
    return [max(min(low, score), 0.0), min(max(high, score), 1.0)]


def interval_of_difference(score, found, other, level=LEVEL):
    """[low, high] that holds a difference of two scores; found, other: their iou.Ratios, of the same images and labels.
    None as in one().
    """
    if found.images < 2:
        return None
    left, right = _Linear.of(found), _Linear.of(other)
    influence = (left.raised() @ left.weight + left.besides) - (right.raised() @ right.weight + right.besides)
    own = _own_variance(left.influence - right.influence, left.raised() - right.raised(),
                        (left.share + right.share) / 2)
    weight = (left.weight + right.weight) / 2
    low, high = _around(left.centre() - right.centre(), influence, weight ** 2 @ own, found.images, level)
    return [max(min(low, score), -1.0), min(max(high, score), 1.0)]


def _own_variance(influence, raised, share):
    """(K,): by how much the variance of each class exceeds what its influences show, because few images show it."""
    _, shared = _shared(influence, share, (influence ** 2).sum(axis=0), MOST_VARIANCE)
    return np.maximum(shared - (raised ** 2).sum(axis=0), 0)


def _shared(influence, share, sums, otherwise=0.0):
    """(effective images (K,), sums drawn towards their mean over the classes (K,)).

    sums (K,): squared influences, or their products with the shares; both fall as 1 / effective images, and are too
    small by the factor 1 - 1 / effective images. otherwise: the mean where no class has ENOUGH.
    """
    parts = (share ** 2).sum(axis=0)  # 1 / effective images (Kish 1965)
    free = np.maximum(1 / parts - 1, 0)
    enough = 1 / parts >= ENOUGH
    unit = np.where(enough, sums / parts / np.maximum(1 - parts, 1e-9), 0)  # of one image
    trust = np.where(enough, np.minimum(free, 10), 0)
    mean = trust @ unit / trust.sum() if trust.any() else otherwise
    drawn = np.where(enough, (free * unit + PRIOR * mean) / (free + PRIOR), mean)
    return 1 / parts, drawn * parts


def _around(centre, influence, more, images, level):
    """(low, high). influence (images,): of each image on the score, raised(); more: variance besides theirs."""
    squares = influence ** 2
    total, spread = squares.sum(), (squares ** 2).sum() - squares.sum() ** 2 / images
    variance = (images - 1) / images * total + more  # the jackknife's
    freedom = 2 * total ** 2 / spread if spread > 0 else images - 1
    reach = float(stdtrit(np.clip(freedom, 1, images - 1), (1 + level) / 2) * np.sqrt(variance))
    return centre - reach, centre + reach


SAMPLES, SEED = 1000, 0
BLOCK = 1 << 20  # swaps of images at a time: 8 MB, whatever the number of images
TIE = 1e-12      # smaller differences are rounding


def paired_test(protocol, one, other, ids=None, samples=SAMPLES):
    """{name: {"one", "other", "difference", "interval", "p"}}: two Sums of the same images, in the same order.

    protocol: a module of fcn/metrics. difference: one - other, with its interval (interval_of_difference).
    p: two-sided, (1 + swaps that differ as much) / (1 + swaps). ids: classes that the means are over, all by default.
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
                       "interval": interval_of_difference(difference, terms[0][name], terms[1][name]),
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


def mean_loss(sums, pixels):
    """(mean, standard error) of a per-pixel loss from each batch's sum and number of labelled pixels.

    mean = sum of sums / sum of pixels. The error is that of a ratio of two sums (Cochran, Sampling Techniques,
    section 6.4): k/(k-1) times the squared residuals sum_i - mean * pixels_i. NaN for fewer than two batches with
    labelled pixels, as is the mean for none: of these alone, files and screen say that there were no labelled pixels.
    pixels may be fractions: sums of class weights. Of a loss with several terms, entries of both are lists with a
    number for each; its mean is the sum of the terms' means.
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
    """A list for each term, of a number or a list of numbers a batch."""
    return np.reshape(numbers, (len(numbers), -1)).T.tolist() if len(numbers) else []


def mean_of_enough(sums, pixels):
    """(mean, standard error, batches) of the last 10, 20, 40, ... 1280 batches: of so few that the error is at most
    2 % of the mean, or else of all. The window doubles, so that no lucky small one is chosen among a thousand.
    """
    count = AUTO_FIRST
    while True:
        mean, error = mean_loss(sums[-count:], pixels[-count:])
        if error <= AUTO_SHARE * abs(mean) or count >= len(sums):
            return mean, error, min(count, len(sums))
        count *= 2
