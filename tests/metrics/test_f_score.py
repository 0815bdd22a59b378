"""F-score and precision against hand-computed values, and against the conventions of segmentation_models."""

import numpy as np
import pytest

from fcn.metrics import confusion, iou, protocols
from fcn.metrics.protocols import benchmark, berkeley, per_image

# Two images of six pixels: foreground true positives, false positives, false negatives are 2, 1, 1 and 0, 0, 3.
IMAGES = [([1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 0, 0]), ([1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0])]


def sums(images, classes=2):
    counting = confusion.Counting(classes)
    for number, (label, prediction) in enumerate(images):
        counting.add(str(number), np.array(label, np.uint8), np.array(prediction, np.uint8))
    return counting.done().sums(())


def score(protocol, images, name, classes=2, ids=None):
    return float(protocol.compute(sums(images, classes), np.ones((1, len(images))), ids)[name][0])


def test_f_score_of_a_data_set_is_from_summed_pixels():
    assert score(benchmark, IMAGES, "mean_f_score", ids=[1]) == pytest.approx(2 * 2 / (2 * 2 + 1 + 4))
    assert score(benchmark, IMAGES, "mean_f_score") == pytest.approx((4 / 9 + 2 * 5 / (2 * 5 + 4 + 1)) / 2)
    assert score(benchmark, IMAGES, "mean_precision", ids=[1]) == pytest.approx(2 / 3)


def test_f_score_per_image_is_the_mean_over_images():
    assert score(per_image, IMAGES, "mean_f_score", ids=[1]) == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize(("each_image", "protocol"), [(False, berkeley), (True, per_image)])
def test_scores_match_segmentation_models(each_image, protocol):
    """sm.metrics.IOUScore and FScore of one batch, with per_image and without, from their definition with smooth 0."""
    label, prediction = (np.array([image[k] for image in IMAGES], float) for k in (0, 1))
    axes = 1 if each_image else None
    both = (label * prediction).sum(axes)
    union, total = label.sum(axes) + prediction.sum(axes) - both, label.sum(axes) + prediction.sum(axes)
    assert score(protocol, IMAGES, "mean_iou", ids=[1]) == pytest.approx(np.mean(both / union))
    assert score(protocol, IMAGES, "mean_f_score", ids=[1]) == pytest.approx(np.mean(2 * both / total))


def test_class_without_prediction_has_no_precision():
    image = [([0, 0, 1, 2], [0, 0, 1, 1])]
    assert score(berkeley, image, "mean_precision", classes=4) == pytest.approx((1 + 1 / 2) / 2)
    assert score(benchmark, image, "mean_precision", classes=4) == pytest.approx((1 + 1 / 2) / 4)


@pytest.mark.parametrize("absent", ["zero", "nan"])
def test_ratios_add_up_to_the_scores(absent):
    random = np.random.default_rng(0)
    found = sums([(random.integers(0, 4, 40), random.integers(2, 5, 40)) for _ in range(5)], 7)
    scores = iou.numbers(*found.weighted(np.ones((1, 5))), absent=absent)
    for name, terms in iou.ratios(*found.of(), absent=absent).items():
        total = (terms.weight * terms.above.sum(axis=0) / terms.below.sum(axis=0)).sum()
        assert total == pytest.approx(scores[name][0]), name
    assert set(scores) == {*iou.NAMES, *iou.MORE_NAMES}


def test_every_protocol_of_classes_has_the_f_score():
    found = protocols.computed(_matrices(), _matrices(), ())
    assert {name for name, (module, of) in found.items() if "mean_f_score" in module.compute(of, np.ones((1, 2)))} == {
        "benchmark", "berkeley", "per_image", "tutorial"}


def _matrices():
    counting = confusion.Counting(2)
    for number, pair in enumerate(IMAGES):
        counting.add(str(number), *map(np.array, pair))
    return counting.done()
