"""The paired permutation test, against SciPy and against all swaps of a few images."""

import itertools

import numpy as np
import pytest
import scipy.stats
from sums_help import sums

from fcn.metrics import confidence
from fcn.metrics.confusion import Sums
from fcn.metrics.protocols import benchmark, berkeley, per_image


def accuracy_of(hits, labelled, axis=-1):
    return hits.sum(axis=axis) / labelled.sum(axis=axis)


def test_permutations_are_computed_in_bounded_blocks(monkeypatch):
    monkeypatch.setattr(confidence, "BLOCK", 100)
    assert [len(block) for block in confidence.random_swaps(30, 10)] == [3, 3, 3, 1]
    assert [len(block) for block in confidence.random_swaps(1000, 2)] == [1, 1]


def test_single_image_has_no_interval_of_a_difference():
    assert confidence.paired_test(benchmark, sums(1, 1), sums(1, 2))["mean_iou"]["interval"] is None


@pytest.mark.parametrize("protocol", [benchmark, berkeley, per_image])
def test_few_images_use_all_permutations(protocol):
    one, other = sums(7, 1), sums(7, 2, quality=0.6)
    every = np.array(list(itertools.product([0.0, 1.0], repeat=7)))
    found = confidence.paired_test(protocol, one, other, samples=20_000)
    exact = confidence.swapped_differences(protocol.compute, one, other, every)
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


def test_p_value_matches_scipys_permutation_test():
    """Pixel accuracy per image is a mean of differences, which SciPy swaps in all 2^10 ways."""
    one, other = sums(10, 1), sums(10, 4, quality=0.66)
    each = [accuracy_of(s.true_positives, s.target_pixels) for s in (one, other)]
    theirs = scipy.stats.permutation_test(each, lambda a, b, axis: np.mean(a - b, axis=axis), vectorized=True,
                                          permutation_type="samples", n_resamples=np.inf)
    made = confidence.paired_test(per_image, one, other, samples=20_000)["pixel_accuracy"]
    assert made["difference"] == pytest.approx(theirs.statistic)
    assert made["p"] == pytest.approx(theirs.pvalue, abs=0.012)


def test_evaluation_against_itself_is_not_significant():
    made = confidence.paired_test(benchmark, sums(9, 1), sums(9, 1))["mean_iou"]
    assert (made["difference"], made["interval"], made["p"]) == (0, [0, 0], 1)


def test_p_value_is_never_0_and_symmetric():
    one, other = sums(40, 1, quality=0.9), sums(40, 2, quality=0.5)
    there, back = (confidence.paired_test(benchmark, *pair, samples=99)["mean_iou"]
                   for pair in ((one, other), (other, one)))
    assert there["p"] == back["p"] == 0.01
    assert there["difference"] == -back["difference"]
    assert there["interval"] == pytest.approx([-bound for bound in reversed(back["interval"])])
    assert there["interval"][0] > 0


def test_p_values_are_uniform_under_the_null():
    """Two nets that are alike: p <= 0.1 in about 10 of 100 comparisons."""
    pairs = [(sums(12, 2 * k), sums(12, 2 * k + 1)) for k in range(150)]
    found = [confidence.paired_test(benchmark, *pair, samples=199)["mean_iou"]["p"] for pair in pairs]
    assert 0.04 <= np.mean(np.array(found) <= 0.1) <= 0.17
