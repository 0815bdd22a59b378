"""Scores at thresholds against loops over pixels."""

import numpy as np
import pytest

from fcn.core import errors
from fcn.metrics import confusion, thresholds


def by_loop(labels, probabilities, threshold):
    """(F-score, IoU, precision, recall) of the foreground."""
    both = added = missed = 0
    for label, probability in zip(labels, probabilities, strict=True):
        predicted = probability >= threshold
        both += predicted and label
        added += predicted and not label
        missed += label and not predicted
    return (2 * both / (2 * both + added + missed), both / (both + added + missed), both / (both + added),
            both / (both + missed))


def counted(labels, probabilities, classes=(0, 1)):
    counting = confusion.Counting(thresholds.BINS)
    counting.add_matrix("a", thresholds.matrix(labels, thresholds.bins(probabilities), classes))
    return counting.done()


def test_curve_equals_a_loop_over_pixels_at_every_threshold():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200)
    probabilities = ((labels * 0.3 + random.random(200) * 0.7) * 0.99).astype(np.float32)
    found = thresholds.curve(counted(labels, probabilities).total())
    for k in (0, 39, 79, 99, 150):
        expected = by_loop(labels, probabilities, np.float32(found["threshold"][k]))
        assert [found[name][k] for name in thresholds.NAMES] == pytest.approx(expected)


def test_best_threshold_of_three_pixels():
    """Foreground 0.3 and 0.8, background 0.2: every threshold from 0.205 to 0.3 is right; 0.3 is nearest to 0.5."""
    made = counted(np.array([1, 1, 0]), np.array([0.3, 0.8, 0.2], np.float32))
    found = thresholds.summary(made, ["wall", "nail"], (0, 1))
    assert found["best"] == {"threshold": 0.3, "f_score": 1, "iou": 1, "precision": 1, "recall": 1}
    assert found["at_0.5"] == {"threshold": 0.5, "f_score": pytest.approx(2 / 3), "iou": 0.5, "precision": 1,
                               "recall": 0.5}
    assert found["name"] == "nail" and found["curve"]["precision"][-1] is None


def test_highest_f_score_and_highest_iou_have_one_threshold():
    random = np.random.default_rng(1)
    found = thresholds.curve(counted(random.integers(0, 2, 99), random.random(99).astype(np.float32)).total())
    assert found["iou"][thresholds.best(found)] == np.nanmax(found["iou"])


def test_foreground_ids_agree_with_the_counts():
    bins = thresholds.bins(np.array([0.0, 0.395, 0.4, 1.0], np.float32))
    assert thresholds.foreground(bins, 0.4, (3, 7)).tolist() == [3, 3, 7, 7]


def test_other_labels_do_not_count():
    made = counted(np.array([5, 2, 255, 0]), np.array([0.9, 0.9, 0.9, 0.9], np.float32), classes=(2, 5))
    assert made.total()[:2].sum(axis=1).tolist() == [1, 1] and made.total().sum() == 2


@pytest.mark.parametrize("classes, ignored, expected", [
    (2, (), (0, 1)), (3, (0,), (1, 2)), (3, (), None), (2, (0,), None), (2, (255,), (0, 1))])
def test_two_classes_are_those_that_are_not_ignored(classes, ignored, expected):
    assert thresholds.pair(classes, ignored) == expected


def test_threshold_for_three_classes_is_refused():
    with pytest.raises(errors.UsageError, match=r"for two classes.*this net has 3"):
        thresholds.check(0.4, 4, (0, 255))
    thresholds.check(None, 4, ())
