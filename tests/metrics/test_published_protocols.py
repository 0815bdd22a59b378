"""Scores from small cases by hand, and from random maps by scorers that share nothing with the code."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fcn.data.spec import DatasetSpec
from fcn.metrics import baselines, confusion, iou

LAW = settings(max_examples=50, deadline=None)
SCORES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou", "mean_accuracy_present",
          "mean_iou_present")
LABELS = st.sampled_from([0, 1, 2, 3, 4, 255])
MAPS = st.integers(0, 40).flatmap(lambda n: st.tuples(
    arrays.arrays(np.uint8, n, elements=LABELS), arrays.arrays(np.uint8, n, elements=st.integers(0, 4))))


def scored(matrix, ignored=()):
    """The numbers of the whole, by both conventions, and those of each class together."""
    counts = iou.counts(matrix, ignored)
    zero, nan = iou.numbers(*counts, absent="zero"), iou.numbers(*counts, absent="nan")
    ious, accuracies = iou.per_class(*counts)
    return {**zero, "mean_accuracy_present": nan["mean_accuracy"], "mean_iou_present": nan["mean_iou"],
            "iou": ious, "accuracy": accuracies, "pixels": counts[1]}


def test_entry_i_j_counts_label_i_predicted_j():
    label, prediction = np.array([[0, 0, 2], [1, 2, 2]]), np.array([[0, 1, 2], [1, 0, 0]])
    np.testing.assert_array_equal(confusion.matrix(label, prediction, 3), [[1, 1, 0], [0, 1, 0], [2, 0, 1]])


def test_ignored_pixels_are_not_counted():
    label, prediction = np.array([[0, 0], [1, 255]], np.uint8), np.array([[0, 1], [1, 1]], np.uint8)
    np.testing.assert_array_equal(confusion.matrix(label, prediction, 2, (255,)), [[1, 1], [0, 1]])
    np.testing.assert_array_equal(confusion.matrix(label, prediction, 2, (0, 255)), [[0, 0], [0, 1]])


def test_8_bit_ids_do_not_overflow_with_151_classes():
    matrix = confusion.matrix(np.full(3, 150, np.uint8), np.full(3, 149, np.uint8), 151)
    assert matrix[150, 149] == 3 == matrix.sum()


@given(MAPS, MAPS)
@LAW
def test_matrices_of_two_images_sum(one, other):
    five = {"num_classes": 5, "ignored_ids": (0,)}
    both = [np.concatenate(maps) for maps in zip(one, other, strict=True)]
    total = confusion.matrix(*one, **five) + confusion.matrix(*other, **five)
    assert total.dtype == np.int64
    np.testing.assert_array_equal(total, confusion.matrix(*both, **five))


def test_two_classes_by_hand():
    # class 0: 3 of 4 found, 3 / (4 + 4 - 3); class 1: 1 of 2 found, 1 / (2 + 2 - 1)
    scores = scored(np.array([[3, 1], [1, 1]]))
    np.testing.assert_allclose(scores["iou"], [3 / 5, 1 / 3])
    np.testing.assert_allclose(scores["accuracy"], [3 / 4, 1 / 2])
    np.testing.assert_array_equal(scores["pixels"], [4, 2])
    expected = (4 / 6, (3 / 4 + 1 / 2) / 2, (3 / 5 + 1 / 3) / 2, (4 * 3 / 5 + 2 * 1 / 3) / 6)
    np.testing.assert_allclose([scores[name] for name in SCORES[:4]], expected)


def test_absent_class_counts_0_in_mean_iou_but_not_among_present():
    scores = scored(np.array([[3, 1, 0], [1, 1, 0], [0, 0, 0]]))
    assert scores["mean_iou"] == pytest.approx((3 / 5 + 1 / 3 + 0) / 3)
    assert scores["mean_iou_present"] == pytest.approx((3 / 5 + 1 / 3) / 2)
    assert scores["mean_accuracy"] == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    assert scores["mean_accuracy_present"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert math.isnan(scores["iou"][2]) and math.isnan(scores["accuracy"][2])


def test_ignored_class_is_not_counted_in_labels_or_means():
    scores = scored(np.array([[9, 9], [1, 3]]), (0,))
    assert scores["iou"].tolist() == [3 / 4] == scores["accuracy"].tolist()
    assert scores["pixel_accuracy"] == scores["mean_iou"] == 3 / 4


def test_class_that_is_only_predicted_has_iou_0_and_no_accuracy():
    scores = scored(np.array([[2, 2], [0, 0]]))
    np.testing.assert_array_equal(scores["iou"], [0.5, 0])
    np.testing.assert_array_equal(scores["accuracy"], [0.5, np.nan])
    assert (scores["mean_iou_present"], scores["mean_accuracy_present"]) == (0.25, 0.5)


@given(st.sets(st.integers(0, 6), min_size=1))
@LAW
def test_perfect_prediction_scores_the_share_of_classes(classes):
    label = np.array(sorted(classes)).repeat(3)
    scores = scored(confusion.matrix(label, label, 7))
    for name in SCORES:
        share = len(classes) / 7 if name in ("mean_iou", "mean_accuracy") else 1
        assert scores[name] == pytest.approx(share), name


def test_scores_without_labelled_pixels_are_0_without_warning():
    label = np.full((2, 2), 255, np.uint8)
    scores = scored(confusion.matrix(label, label * 0, 3, (255,)), (255,))
    assert [scores[name] for name in SCORES] == [0] * 6


def by_sets(label, prediction, ids, ignored):
    """The scores in SCORES from sets of pixel numbers, class by class."""
    valid = {i for i in range(label.size) if label[i] not in ignored}
    of_label = {c: {i for i in valid if label[i] == c} for c in ids}
    of_prediction = {c: {i for i in valid if prediction[i] == c} for c in ids}
    hits = {c: len(of_label[c] & of_prediction[c]) for c in ids}
    ious = {c: hits[c] / len(of_label[c] | of_prediction[c]) for c in ids if of_label[c] | of_prediction[c]}
    found = {c: hits[c] / len(of_label[c]) for c in ids if of_label[c]}
    weighted = sum(len(of_label[c]) * ious.get(c, 0) for c in ids)
    pixels, total_found, total_iou = max(len(valid), 1), sum(found.values()), sum(ious.values())
    return (sum(hits.values()) / pixels, total_found / len(ids), total_iou / len(ids), weighted / pixels,
            total_found / max(len(found), 1), total_iou / max(len(ious), 1))


@given(MAPS, st.sampled_from([(255,), (0, 255), (2, 255), (0, 1, 2, 255)]))
@LAW
def test_scores_match_sets_of_pixels(maps, ignored):
    scores = scored(confusion.matrix(*maps, num_classes=5, ignored_ids=ignored), ignored)
    ids = [c for c in range(5) if c not in ignored]
    assert len(scores["iou"]) == len(ids)
    np.testing.assert_allclose([scores[name] for name in SCORES], by_sets(*maps, ids=ids, ignored=ignored),
                               atol=1e-12)


def benchmark(label, prediction, num_classes):
    """(pixel accuracy, mean IoU) as ADE20K's benchmark defines them, ids 1..num_classes; a label of 0 is ignored."""
    prediction = prediction * (label > 0)
    classes = np.arange(1, num_classes + 1)[:, None]
    area_label, area_prediction = (label == classes).sum(axis=1), (prediction == classes).sum(axis=1)
    area_inter = ((prediction == classes) & (prediction == label)).sum(axis=1)
    area_union = area_label + area_prediction - area_inter
    accuracy = ((prediction == label) & (label > 0)).sum() / (np.spacing(1) + (label > 0).sum())
    return accuracy, (area_inter / (np.spacing(1) + area_union)).mean()


@given(arrays.arrays(np.int64, (2, 30), elements=st.integers(0, 6)))
@LAW
def test_scores_match_the_ade20k_benchmark(maps):
    scores = scored(confusion.matrix(*maps, num_classes=7, ignored_ids=(0,)), (0,))
    np.testing.assert_allclose([scores["pixel_accuracy"], scores["mean_iou"]], benchmark(*maps, num_classes=6),
                               atol=1e-12)


def spec(classes, *ignored):
    return DatasetSpec(class_names=tuple(f"class {i}" for i in range(classes)), ignored_ids=ignored)


def test_ade20k_starts_at_5_017_nats():
    assert baselines.numbers(np.zeros(256), spec(151, 0))[0] == pytest.approx(5.017, abs=5e-4)


@given(st.integers(1, 200), st.integers(1, 10**9))
@LAW
def test_guessing_n_equal_classes_costs_log_n(classes, pixels):
    counts = np.zeros(256, np.int64)
    counts[:classes], counts[255] = pixels, 10**9
    uniform, prior, constant = baselines.numbers(counts, spec(classes, 255))
    assert prior == pytest.approx(uniform) == pytest.approx(math.log(classes))
    assert constant == pytest.approx(1 / classes)


def test_best_constant_prediction_is_the_most_frequent_class():
    counts = np.zeros(256, np.int64)
    counts[:4] = 1000, 1, 3, 0  # 0 is ignored
    uniform, prior, constant = baselines.numbers(counts, spec(4, 0))
    assert uniform == pytest.approx(math.log(4)) and constant == 0.75
    assert prior == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    assert "'class 2' for every pixel has pixel accuracy 0.750" in baselines.sentence(counts, spec(4, 0))
