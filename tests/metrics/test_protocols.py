"""Protocols against scorers written from their definitions, on pixels, which share nothing with the code."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fcn.data.label_formats import ids as encoding
from fcn.data.layouts import ade20k
from fcn.metrics import confusion, iou, protocols
from fcn.metrics.protocols import benchmark, berkeley, per_image, tutorial

LAW = settings(max_examples=60, deadline=None)
CLASSES = 7  # and 0, "other", which is ignored
IMAGES = st.lists(st.integers(1, 25).flatmap(lambda n: st.tuples(
    arrays.arrays(np.uint8, n, elements=st.sampled_from([0, 0, 1, 2, 3, 4, 6, 7, 255])),
    arrays.arrays(np.uint8, n, elements=st.integers(0, CLASSES)))), min_size=1, max_size=6)

# (label, prediction): what a formula may stumble over.
ADVERSARIAL = {
    "an image of ignored pixels only": ([0, 0, 255], [1, 2, 3]),
    "one class, all right": ([4, 4, 4], [4, 4, 4]),
    "one class, all wrong": ([4, 4, 4], [5, 5, 5]),
    "predictions of other only": ([1, 2, 3], [0, 0, 0]),
    "a class in predictions on ignored pixels only": ([1, 0, 0], [1, 7, 7]),
    "a single pixel": ([6], [6]),
}


def scores(protocol, images, ignored=(0, 255), num_classes=CLASSES + 1, subset=None):
    """{name: number} of a protocol over (label, prediction) pairs."""
    counting = confusion.Counting(num_classes)
    for index, (label, prediction) in enumerate(images):
        counting.add(str(index), np.asarray(label, np.uint8), np.asarray(prediction, np.uint8))
    sums = protocols.sums(protocol, counting.done(), ignored)
    return {name: value[0] for name, value in protocol.compute(sums, np.ones((1, len(images))), subset).items()}


def by_the_benchmark(images):
    """(pixel accuracy, mean IoU) as evaluationCode/utils_eval.py defines them, image by image, ids 1 to CLASSES."""
    inter, union, correct, labelled = np.zeros(CLASSES), np.zeros(CLASSES), 0, 0
    for label, prediction in images:
        label, prediction = np.where(np.asarray(label) == 255, 0, label).astype(int), np.asarray(prediction, int)
        correct, labelled = correct + ((prediction == label) & (label > 0)).sum(), labelled + (label > 0).sum()
        prediction = prediction * (label > 0)

        def area(ids):
            return np.histogram(ids, bins=CLASSES, range=(1, CLASSES))[0]
        found = area(prediction * (prediction == label))
        inter, union = inter + found, union + np.spacing(1) + area(prediction) + area(label) - found
    return correct / (np.spacing(1) + labelled), (inter / union).mean()


@pytest.mark.slow
@given(IMAGES)
@LAW
def test_benchmark_protocol_matches_the_official_code(images):
    made = scores(benchmark, images)
    np.testing.assert_allclose([made["pixel_accuracy"], made["mean_iou"]], by_the_benchmark(images), rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_benchmark_protocol_matches_on_adversarial_images(name):
    for images in ([ADVERSARIAL[name]], list(ADVERSARIAL.values()), [ADVERSARIAL[name]] * 3):
        made = scores(benchmark, images)
        np.testing.assert_allclose([made["pixel_accuracy"], made["mean_iou"]], by_the_benchmark(images), rtol=1e-15,
                                   atol=0)


def test_predicted_other_is_wrong_but_not_a_class():
    made = scores(benchmark, [([1, 1, 2, 2], [1, 0, 2, 2])])
    assert made["pixel_accuracy"] == 3 / 4
    assert made["mean_iou"] == pytest.approx((1 / 2 + 1) / CLASSES)
    assert made["mean_accuracy"] == pytest.approx((1 / 2 + 1) / CLASSES)
    assert made["frequency_weighted_iou"] == (2 * 1 / 2 + 2 * 1) / 4


def by_score_py(images, ids):
    """The scores by Berkeley's formulas, F-score and precision, from lists of pixels with a label in ids."""
    pixels = [(i, j) for label, prediction in images for i, j in zip(label, prediction, strict=True) if i in ids]
    accuracies, ious, f_scores, precisions, weighted = [], [], [], [], 0.0
    for c in ids:
        hits = sum(i == j == c for i, j in pixels)
        labelled, called = sum(i == c for i, _ in pixels), sum(j == c for _, j in pixels)
        if labelled:
            accuracies.append(hits / labelled)
            weighted += labelled / len(pixels) * hits / (labelled + called - hits)
        if labelled + called:
            ious.append(hits / (labelled + called - hits))
            f_scores.append(2 * hits / (labelled + called))
        if called:
            precisions.append(hits / called)
    return {"pixel_accuracy": sum(i == j for i, j in pixels) / max(len(pixels), 1),
            "mean_accuracy": sum(accuracies) / max(len(accuracies), 1), "mean_iou": sum(ious) / max(len(ious), 1),
            "frequency_weighted_iou": weighted, "mean_f_score": sum(f_scores) / max(len(f_scores), 1),
            "mean_precision": sum(precisions) / max(len(precisions), 1)}


def as_lists(images):
    return [(np.asarray(label).tolist(), np.asarray(prediction).tolist()) for label, prediction in images]


@pytest.mark.slow
@given(IMAGES)
@LAW
def test_berkeley_protocol_leaves_out_classes_without_a_value(images):
    assert scores(berkeley, images) == pytest.approx(by_score_py(as_lists(images), range(1, CLASSES + 1)))


@pytest.mark.slow
@given(IMAGES)
@LAW
def test_the_tutorial_protocol_counts_other_as_a_class(images):
    assert scores(tutorial, images) == pytest.approx(by_score_py(as_lists(images), range(CLASSES + 1)))


@pytest.mark.slow
@given(IMAGES)
@LAW
def test_per_image_protocol_averages_images_with_labelled_pixels(images):
    ids = range(1, CLASSES + 1)
    each = [by_score_py([pair], ids) for pair in as_lists(images) if any(i in ids for i in pair[0])]
    expected = {name: sum(one[name] for one in each) / max(len(each), 1)
                for name in (*iou.NAMES, *iou.MORE_NAMES)}
    assert scores(per_image, images) == pytest.approx(expected)


@pytest.mark.slow
@given(IMAGES, st.sets(st.integers(1, CLASSES), min_size=1))
@LAW
def test_subset_averages_its_classes_and_pixels(images, subset):
    subset = tuple(sorted(subset))
    made, whole = scores(benchmark, images, subset=subset), as_lists(images)
    pixels = [(i, j) for pair in whole for i, j in zip(*pair, strict=True) if i in subset]
    assert made["pixel_accuracy"] == pytest.approx(sum(i == j for i, j in pixels) / max(len(pixels), 1))
    assert made["mean_iou"] == pytest.approx(sum(benchmark_iou(whole, c) for c in subset) / len(subset))


def benchmark_iou(images, c):
    """IoU of a class over all scored pixels, 0 where it is absent."""
    pixels = [(i, j) for pair in images for i, j in zip(*pair, strict=True) if 0 < i <= CLASSES]
    union = sum(c in pair for pair in pixels)
    return sum(i == j == c for i, j in pixels) / union if union else 0.0


@pytest.mark.parametrize("protocol", [benchmark, berkeley, tutorial, per_image])
def test_repeated_images_count_twice(protocol):
    images = list(ADVERSARIAL.values())
    twice = scores(protocol, [*images, images[1], images[4]])
    counting = confusion.Counting(CLASSES + 1)
    for label, prediction in images:
        counting.add("", np.array(label), np.array(prediction))
    sums = protocols.sums(protocol, counting.done(), (0, 255))
    made = protocol.compute(sums, np.array([[1.0, 1, 1, 1, 1, 1], [1, 2, 1, 1, 2, 1]]))
    assert {name: value[1] for name, value in made.items()} == pytest.approx(twice)


def test_only_protocols_with_predictions_are_computed():
    counting = confusion.Counting(3)
    counting.add("a", np.array([1]), np.array([1]))
    made = counting.done()
    assert list(protocols.computed(made, None, (0,))) == ["benchmark", "berkeley", "per_image"]
    assert protocols.computed(made, made, (0,))["tutorial"][1].ids == (0, 1, 2)


def test_official_pairs_against_themselves_score_the_class_share(shared_file):
    """Three validation pairs with prediction = label: every class that occurs has IoU 1, the others 0."""
    root = shared_file("data/ade20k_samples/ADEChallengeData2016")
    pairs = ade20k.listing(root, "validation").pairs
    counting, seen = confusion.Counting(151), set()
    assert len(pairs) == 3
    for pair in pairs:
        label = encoding.read(pair.label, None)
        counting.add(pair.name, label, label)
        seen |= set(np.unique(label)) - {0}
    sums = protocols.sums(benchmark, counting.done(), (0,))
    made = benchmark.compute(sums, np.ones((1, 3)))
    assert made["mean_iou"][0] == made["mean_accuracy"][0] == len(seen) / 150
    assert made["pixel_accuracy"][0] == made["frequency_weighted_iou"][0] == 1
    assert math.isclose(berkeley.compute(sums, np.ones((1, 3)))["mean_iou"][0], 1)
