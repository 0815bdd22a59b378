"""Bootstrap intervals and the permutation test, against SciPy and against all resamples and swaps of a few images."""

import itertools
import time

import numpy as np
import pytest
import scipy.stats

from fcn import intervals
from fcn.matrices import Sums
from fcn.metrics import benchmark, berkeley, per_image


def sums(images, seed, classes=4, quality=0.7):
    """Sums of images whose labels depend on nothing but their number, for paired ones."""
    labelled = np.random.default_rng(99).integers(20, 200, (images, classes)).astype(float)
    random = np.random.default_rng(seed)
    hits = random.binomial(labelled.astype(int), np.clip(quality + random.normal(0, 0.1, (images, 1)), 0, 1))
    return Sums(tuple(range(classes)), hits.astype(float), labelled, hits + random.integers(0, 40, hits.shape))


def accuracy_of(hits, labelled, axis=-1):
    return hits.sum(axis=axis) / labelled.sum(axis=axis)


def test_the_interval_is_that_of_scipys_percentile_bootstrap():
    made = sums(60, 1)
    low, high = intervals.bootstrap(benchmark.compute, made, samples=4000)["pixel_accuracy"]
    theirs = scipy.stats.bootstrap((made.hits.sum(axis=1), made.labelled.sum(axis=1)), accuracy_of, paired=True,
                                   vectorized=True, n_resamples=4000, method="percentile", rng=5)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert [low, high] == pytest.approx(theirs.confidence_interval, abs=0.05 * width)
    assert low < made.hits.sum() / made.labelled.sum() < high


def test_the_interval_of_three_images_reaches_from_the_worst_to_the_best_of_all_27_resamples():
    """Each of the 27 is as likely, 3.7 %, which is more than the 2.5 % beyond a bound."""
    made = sums(3, 2)
    every = np.array([np.bincount(drawn, minlength=3) for drawn in itertools.product(range(3), repeat=3)], float)
    all_27 = benchmark.compute(made, every)["mean_iou"]
    found = intervals.bootstrap(benchmark.compute, made, samples=20_000)["mean_iou"]
    assert found == pytest.approx([all_27.min(), all_27.max()], abs=1e-9)


def test_resamples_draw_as_many_images_as_there_are_and_are_the_same_at_every_call():
    one, other = (np.concatenate(list(intervals.resamples(50, 300))) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (300, 50) and (one.sum(axis=1) == 50).all()
    assert one.mean(axis=0) == pytest.approx(np.ones(50), abs=0.3) and one.var() == pytest.approx(1, abs=0.1)


def test_blocks_do_not_change_which_resamples_are_drawn_but_bound_their_number(monkeypatch):
    monkeypatch.setattr(intervals, "BLOCK", 100)
    assert [len(block) for block in intervals.resamples(30, 10)] == [3, 3, 3, 1]
    assert [len(block) for block in intervals.random_swaps(1000, 2)] == [1, 1]


def test_95_percent_intervals_of_normal_means_hold_the_truth_about_95_times_in_100():
    random, inside = np.random.default_rng(3), 0
    for _ in range(200):
        hits = random.binomial(100, random.beta(8, 2, 40)).astype(float)[:, None]
        of_a_set = Sums((0,), hits, np.full_like(hits, 100), hits)
        low, high = intervals.bootstrap(benchmark.compute, of_a_set, samples=300)["pixel_accuracy"]
        inside += low <= 0.8 <= high
    assert 0.88 <= inside / 200 <= 0.99


def test_resamples_without_any_labelled_pixel_are_left_out_not_counted_as_0():
    """Of eight images two have labels, with accuracies 0.5 and 0.75; one resample in ten draws neither."""
    labelled = np.array([[8.0], [8], [0], [0], [0], [0], [0], [0]])
    made = Sums((0,), labelled * [[0.5], [0.75], [0], [0], [0], [0], [0], [0]], labelled, labelled)
    for protocol in (benchmark, berkeley, per_image):
        assert intervals.bootstrap(protocol.compute, made)["pixel_accuracy"] == [0.5, 0.75]
    alone = Sums((0,), made.hits[1:], labelled[1:], labelled[1:])
    assert intervals.bootstrap(benchmark.compute, alone)["pixel_accuracy"] is None


def test_a_single_image_has_no_interval():
    found = intervals.bootstrap(benchmark.compute, sums(1, 1))
    assert set(found.values()) == {None}
    assert intervals.paired(benchmark.compute, sums(1, 1), sums(1, 2))["mean_iou"]["interval"] is None


@pytest.mark.parametrize("protocol", [benchmark, berkeley, per_image])
def test_the_p_value_of_a_few_images_is_that_of_all_swaps(protocol):
    one, other = sums(7, 1), sums(7, 2, quality=0.6)
    every = np.array(list(itertools.product([0.0, 1.0], repeat=7)))
    found = intervals.paired(protocol.compute, one, other, samples=20_000)
    exact = intervals.swapped_differences(protocol.compute, one, other, every)
    for name, row in found.items():
        by_hand = [swapped_by_loop(protocol, one, other, swap, name) for swap in every]
        assert exact[name] == pytest.approx(by_hand, abs=1e-12)
        p = np.mean(np.abs(by_hand) >= abs(row["difference"]) - 1e-12)
        assert row["p"] == pytest.approx(p, abs=0.012)
        assert row["difference"] == pytest.approx(by_hand[0], abs=1e-12)


def swapped_by_loop(protocol, one, other, swap, name):
    """The difference after swapping the images that `swap` names, one by one."""
    pairs = []
    for first, second in ((one, other), (other, one)):
        rows = [np.array([(second if swap[i] else first).of()[part][i] for i in range(len(swap))]) for part in range(3)]
        pairs.append(protocol.compute(Sums(one.ids, *rows), np.ones((1, len(swap))))[name][0])
    return pairs[0] - pairs[1]


def test_the_p_value_is_that_of_scipys_paired_permutation_test():
    """Pixel accuracy per image is a mean of differences, which SciPy swaps in all 2^10 ways."""
    one, other = sums(10, 1), sums(10, 4, quality=0.66)
    each = [accuracy_of(s.hits, s.labelled) for s in (one, other)]
    theirs = scipy.stats.permutation_test(each, lambda a, b, axis: np.mean(a - b, axis=axis), vectorized=True,
                                          permutation_type="samples", n_resamples=np.inf)
    made = intervals.paired(per_image.compute, one, other, samples=20_000)["pixel_accuracy"]
    assert made["difference"] == pytest.approx(theirs.statistic)
    assert made["p"] == pytest.approx(theirs.pvalue, abs=0.012)


def test_an_evaluation_against_itself_differs_by_nothing_and_is_not_significant():
    made = intervals.paired(benchmark.compute, sums(9, 1), sums(9, 1))["mean_iou"]
    assert (made["difference"], made["interval"], made["p"]) == (0, [0, 0], 1)


def test_a_p_value_is_never_0_and_the_other_way_round_the_same():
    one, other = sums(40, 1, quality=0.9), sums(40, 2, quality=0.5)
    there, back = (intervals.paired(benchmark.compute, *pair, samples=99)["mean_iou"]
                   for pair in ((one, other), (other, one)))
    assert there["p"] == back["p"] == 0.01
    assert there["difference"] == -back["difference"]
    assert there["interval"] == pytest.approx([-bound for bound in reversed(back["interval"])])
    assert there["interval"][0] > 0


def test_under_the_null_p_values_are_as_small_as_they_say():
    """Two nets that are alike: p <= 0.1 in about 10 of 100 comparisons."""
    pairs = [(sums(12, 2 * k), sums(12, 2 * k + 1)) for k in range(150)]
    found = [intervals.paired(benchmark.compute, *pair, samples=199)["mean_iou"]["p"] for pair in pairs]
    assert 0.04 <= np.mean(np.array(found) <= 0.1) <= 0.17


def test_a_thousand_resamples_of_ade20ks_validation_set_take_seconds_and_little_memory():
    random = np.random.default_rng(0)
    labelled = random.integers(0, 5000, (2000, 150)).astype(float) * (random.random((2000, 150)) < 0.07)
    made = Sums(tuple(range(1, 151)), np.floor(0.7 * labelled), labelled, labelled)
    began = time.process_time()
    intervals.bootstrap(benchmark.compute, made)
    assert time.process_time() - began < 10  # 1 s on two cores; a loop over resamples and classes takes minutes
