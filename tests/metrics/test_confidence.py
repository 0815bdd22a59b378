"""Confidence intervals of scores, against textbook formulas, SciPy's bootstrap and simulated populations."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as some
from sums_help import single, sums

from fcn.metrics import confidence
from fcn.metrics.confusion import Sums
from fcn.metrics.protocols import benchmark, berkeley, per_image, tutorial

PROTOCOLS = [benchmark, berkeley, per_image, tutorial]


def scored(protocol, made, name="mean_iou"):
    """(score, [low, high]) by a protocol."""
    score = float(protocol.compute(made, np.ones((1, len(made.true_positives))))[name][0])
    return score, confidence.interval(score, protocol.ratios(made)[name])


def test_the_interval_of_a_plain_mean_is_the_t_interval():
    """per_image's pixel accuracy is the mean of one number an image: mean +- t s / sqrt(n)."""
    values = np.array([0.3, 0.4, 0.6, 0.7])
    found = confidence.interval(0.5, per_image.ratios(single(values))["pixel_accuracy"])
    standard_error = np.std(values, ddof=1) / 2
    # squares 0.04, 0.01, 0.01, 0.04: sum 0.1, sum of squares 0.0034, so 2 * 0.01 / (0.0034 - 0.0025) = 22 > n - 1
    assert found == pytest.approx([max(0, 0.5 - scipy.stats.t.ppf(0.975, 3) * standard_error),
                                   0.5 + scipy.stats.t.ppf(0.975, 3) * standard_error], abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou"])
def test_many_images_of_every_class_match_scipys_bootstrap(name):
    made = sums(150, 1)

    def score(index, axis=-1):
        return np.array([benchmark.compute(made, np.bincount(row, minlength=150)[None].astype(float))[name][0]
                         for row in np.atleast_2d(index).astype(int)]).squeeze()
    theirs = scipy.stats.bootstrap((np.arange(150),), score, vectorized=True, n_resamples=2000, method="BCa", rng=5)
    _, (low, high) = scored(benchmark, made, name)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert [low, high] == pytest.approx(theirs.confidence_interval, abs=0.12 * width)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.__name__[12:])
def test_ratios_of_a_protocol_sum_to_its_scores(protocol):
    made = sums(9, 3, classes=5)
    empty = Sums(made.ids, made.true_positives * [1, 1, 0, 1, 0], made.target_pixels * [1, 1, 0, 1, 0],
                 made.predicted_pixels * [1, 1, 0, 1, 1])
    for some_sums in (made, empty):
        scores = protocol.compute(some_sums, np.ones((1, 9)))
        for name, found in protocol.ratios(some_sums).items():
            assert found.weight @ (found.above.sum(axis=0) / found.below.sum(axis=0)) == pytest.approx(scores[name][0])


def test_influences_are_derivatives_by_the_image_weights():
    made, step = sums(7, 4), 1e-6
    for name, found in benchmark.ratios(made).items():
        part = confidence._Linear.of(found)
        moved = [benchmark.compute(made, np.ones((1, 7)) + step * sign * np.eye(7))[name] for sign in (1, -1)]
        slope = (moved[0] - moved[1]) / (2 * step)
        assert part.influence @ part.weight + part.weight_influence == pytest.approx(slope, abs=1e-8)


def rare(images=30, classes=50):
    """Each class in one image, as in small subsets of ADE20K; scores of 0.3 in the mean."""
    random, labelled = np.random.default_rng(0), np.zeros((images, classes))
    labelled[random.integers(images, size=classes), np.arange(classes)] = 100
    hits = np.floor(labelled * random.uniform(0, 0.6, classes))
    return Sums(tuple(range(classes)), hits, labelled, hits)


def test_score_is_inside_its_interval_with_one_image_per_class():
    """The percentile bootstrap gave 0.2998 in [0.1606, 0.2971]: a resample lacks a third of the classes."""
    score, (low, high) = scored(benchmark, rare())
    assert low <= score <= high
    # nothing is known of the spread of a class, so the most that a number in [0, 1] can have is taken: 0.5 / sqrt(50)
    assert high - low >= 2 * 1.96 * 0.5 / np.sqrt(50)


@pytest.mark.slow
@given(some.integers(2, 40), some.integers(1, 12), some.floats(0.02, 1), some.integers(0, 2**32 - 1))
def test_scores_and_differences_are_inside_their_intervals(images, classes, density, seed):
    random = np.random.default_rng(seed)
    labelled = random.integers(0, 50, (images, classes)) * (random.random((images, classes)) < density)
    nets = []
    for _ in range(2):
        hits = random.binomial(labelled, random.random())
        called = hits + random.integers(0, 9, hits.shape) * (random.random(hits.shape) < 0.3)
        nets.append(Sums(tuple(range(classes)), *(array.astype(float) for array in (hits, labelled, called))))
    for protocol in PROTOCOLS:
        one, other = (protocol.compute(net, np.ones((1, images))) for net in nets)
        left, right = (protocol.ratios(net) for net in nets)
        for name, found in left.items():
            between = confidence.interval(float(one[name][0]), found)
            assert between is None or 0 <= between[0] <= one[name][0] <= between[1] <= 1
            change = float(one[name][0] - other[name][0])
            between = confidence.interval_of_difference(change, found, right[name])
            assert between is None or -1 <= between[0] <= change <= between[1] <= 1


def zipf(images, random, classes=40, truth=0.5):
    """Images of classes that occur as 1 / k, each recognised with a share of its own around `truth`."""
    frequency = 0.8 / np.arange(1, classes + 1)
    labelled = np.ceil(random.lognormal(4, 1, (images, classes))) * (random.random((images, classes)) < frequency)
    hits = np.floor(labelled * random.beta(3 * truth, 3 * (1 - truth), (images, classes)))
    return Sums(tuple(range(classes)), hits, labelled, hits)


@pytest.mark.slow
@pytest.mark.parametrize("images", [60, 300])
def test_intervals_of_rare_classes_cover_95_percent(images):
    """Mean IoU over the labelled classes; at 60 images about 13 of 40 classes are in one or two, or in none."""
    random, inside = np.random.default_rng(images), []
    whole = zipf(30_000, np.random.default_rng(1))
    truth = whole.true_positives.sum(axis=0) / whole.target_pixels.sum(axis=0)
    for _ in range(200):
        made = zipf(images, random)
        there = made.target_pixels.sum(axis=0) > 0
        _, (low, high) = scored(berkeley, made)
        inside.append(low <= truth[there].mean() <= high)
    assert 0.90 <= np.mean(inside) <= 1


def test_intervals_of_a_frequent_class_cover_95_percent():
    random, inside, widths, means = np.random.default_rng(3), 0, [], []
    for _ in range(300):
        made = single(random.binomial(100, random.beta(8, 2, 40)) / 100)
        score, (low, high) = scored(benchmark, made, "pixel_accuracy")
        inside += low <= 0.8 <= high
        widths.append(high - low)
        means.append(score)
    assert 0.92 <= inside / 300 <= 0.98
    assert np.mean(widths) == pytest.approx(2 * 2.02 * np.std(means), rel=0.12)


def test_unlabelled_images_change_nothing():
    few = single([0.5, 0.6, 0.55, 0.52])
    more = Sums((0,), *(np.vstack([array, np.zeros((6, 1))]) for array in few.of()))
    for protocol in PROTOCOLS:
        for name in ("pixel_accuracy", "mean_iou"):
            (score, between), (same, as_between) = scored(protocol, few, name), scored(protocol, more, name)
            assert score == same and 0 < between[0] < between[1] < 1 and as_between == pytest.approx(between)


def test_fewer_than_two_labelled_images_have_no_interval():
    alone = Sums((0,), np.array([[4.0], [0]]), np.array([[8.0], [0]]), np.array([[8.0], [3]]))
    for protocol in PROTOCOLS:
        for made in (alone, sums(1, 1), Sums((0,), *np.zeros((3, 2, 1)))):
            assert {confidence.interval(0.0, found) for found in protocol.ratios(made).values()} == {None}


def test_perfect_net_is_certain_only_of_frequent_classes():
    assert scored(benchmark, single(np.ones(20)))[1] == [1, 1]
    score, (low, high) = scored(benchmark, Sums((0, 1), *[np.array([[9.0, 0], [0, 9]])] * 3))
    assert (score, high) == (1, 1) and low < 0.5


def test_pixels_weigh_equally_in_any_batch():
    # 1 pixel of loss 4 and 3 pixels of loss 2: mean 10 / 4; residuals 4 - 2.5 and 6 - 7.5; sqrt(2 / 1 * 4.5) / 4
    assert confidence.mean_loss([4, 6], [1, 3]) == (2.5, 0.75)


@given(some.lists(some.floats(0, 100), min_size=2, max_size=20), some.integers(1, 10**6))
@settings(max_examples=50, deadline=None)
def test_equal_batches_have_the_usual_standard_error(losses, pixels):
    mean, error = confidence.mean_loss([loss * pixels for loss in losses], [pixels] * len(losses))
    assert mean == pytest.approx(np.mean(losses), abs=1e-9)
    assert error == pytest.approx(np.std(losses, ddof=1) / math.sqrt(len(losses)), abs=1e-6)


def test_unlabelled_batch_adds_nothing_to_the_error_of_the_loss():
    assert confidence.mean_loss([4, 0, 6], [1, 0, 3]) == confidence.mean_loss([4, 6], [1, 3])
    mean, error = confidence.mean_loss([4, 0], [2, 0])
    assert mean == 2 and math.isnan(error)
    assert all(math.isnan(value) for value in confidence.mean_loss([0], [0]) + confidence.mean_loss([], []))



def test_mean_of_a_two_term_loss_is_the_sum_of_means():
    """Terms of 10 / 4 and 3 / 2; the residuals of a batch are added, each by its share of the term's total."""
    mean, error = confidence.mean_loss([[4, 2], [6, 1]], [[1, 1], [3, 1]])
    residual = (4 - 2.5 * 1) / 4 + (2 - 1.5 * 1) / 2
    assert mean == 4 and error == pytest.approx(math.sqrt(2 * 2 * residual ** 2))
    assert math.isnan(confidence.mean_loss([[4, 0]], [[1, 0]])[0])  # a term that nothing is counted in
