"""The loss and the prediction by hand, and both as graph_builder.build() joins them to a net."""

import math

import numpy as np
import pytest
from nets_help import THIN, fresh, randomise, start

from fcn.core import registry
from fcn.data import label_policy
from fcn.data.label_policy import LabelPolicy
from fcn.models import batch_loss, blocks, graph_builder
from fcn.models.architecture import Architecture
from fcn.models.batch_loss import LossSettings
from fcn.models.losses import cross_entropy
from fcn.models.tf_compat import tf
from fcn.training import validation

# Two classes, one image of 2 x 2. Cross entropy of logits (0, z) is ln(1 + e^z) for class 0, ln(1 + e^-z) for 1.
LOGITS = np.array([[[[0, 0], [0, 1]], [[0, 2], [0, -3]]]], np.float32)
LABELS = np.array([[[0, 1], [0, 1]]], np.uint8)
BY_PIXEL = (math.log(2), math.log(1 + math.exp(-1)), math.log(1 + math.exp(2)), math.log(1 + math.exp(3)))


def loss_of(logits, labels, ignored=(), class_weights=None):
    """(losses, weights, gradient of the sum of losses)."""
    with fresh() as session:
        z = tf.constant(logits, tf.float32)
        losses, weights = batch_loss.weighted(cross_entropy.per_pixel, z, tf.constant(labels),
                                              LabelPolicy(ignored_in_loss=ignored), class_weights)
        return session.run([losses, weights, tf.gradients(tf.reduce_sum(losses), z)[0]])


def test_every_pixel_has_its_cross_entropy_and_weight_one():
    losses, weights, _ = loss_of(LOGITS, LABELS)
    np.testing.assert_allclose(losses, np.reshape(BY_PIXEL, (1, 2, 2)), rtol=1e-6)
    assert weights.tolist() == [[[1, 1], [1, 1]]]
    assert losses.dtype == weights.dtype == np.float32


def test_loss_gradient_is_probability_minus_one_hot():
    _, _, gradient = loss_of(LOGITS, LABELS)
    probability = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=3, keepdims=True)
    np.testing.assert_allclose(gradient, probability - np.eye(2)[LABELS], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ignored", [255, 2, 7])
def test_ignored_pixels_have_no_weight_and_no_gradient(ignored):
    labels = np.array([[[0, ignored], [ignored, 1]]], np.uint8)
    losses, weights, gradient = loss_of(LOGITS, labels, (ignored,))
    np.testing.assert_allclose(losses, [[[BY_PIXEL[0], 0], [0, BY_PIXEL[3]]]], rtol=1e-6)
    assert weights.tolist() == [[[1, 0], [0, 1]]]
    assert not gradient[labels == ignored].any()
    assert gradient[labels != ignored].all()


def test_ignored_id_among_the_classes_has_no_weight():
    losses, weights, gradient = loss_of(LOGITS, LABELS, (0, 255))
    np.testing.assert_allclose(losses, [[[0, BY_PIXEL[1]], [0, BY_PIXEL[3]]]], rtol=1e-6)
    assert weights.tolist() == [[[0, 1], [0, 1]]]
    assert not gradient[LABELS == 0].any()


def test_unnamed_label_beyond_the_classes_has_no_weight():
    losses, weights, gradient = loss_of(LOGITS, np.array([[[0, 2], [77, 1]]], np.uint8))
    np.testing.assert_allclose(losses, [[[BY_PIXEL[0], 0], [0, BY_PIXEL[3]]]], rtol=1e-6)
    assert weights.tolist() == [[[1, 0], [0, 1]]]
    assert not gradient[0, [0, 1], [1, 0]].any()


def test_unlabelled_image_has_no_loss_weight_or_gradient():
    losses, weights, gradient = loss_of(np.concatenate([LOGITS, LOGITS]),
                                        np.concatenate([np.full((1, 2, 2), 255, np.uint8), LABELS]), (255,))
    assert not losses[0].any() and not weights[0].any() and not gradient[0].any()
    assert losses[1].all() and weights[1].all() and gradient[1].all()


def test_class_weight_scales_loss_and_gradient_of_its_pixels():
    losses, weights, gradient = loss_of(LOGITS, LABELS, (), (3, 0.5))
    np.testing.assert_allclose(losses, [[[3 * BY_PIXEL[0], 0.5 * BY_PIXEL[1]], [3 * BY_PIXEL[2], 0.5 * BY_PIXEL[3]]]],
                               rtol=1e-6)
    assert weights.tolist() == [[[3, 0.5], [3, 0.5]]]
    plain = loss_of(LOGITS, LABELS)[2]
    np.testing.assert_allclose(gradient, plain * np.array((3, 0.5))[LABELS][..., None], rtol=1e-6)


def test_ignored_pixels_have_no_weight_in_any_class():
    _, weights, gradient = loss_of(LOGITS, np.array([[[0, 255], [9, 1]]], np.uint8), (0, 255), (3, 0.5))
    assert weights.tolist() == [[[0, 0], [0, 0.5]]]
    assert np.argwhere(gradient.any(axis=3)).tolist() == [[0, 1, 1]]


def test_equal_class_weights_change_no_mean():
    one, two = loss_of(LOGITS, LABELS), loss_of(LOGITS, LABELS, (), (4, 4))
    assert one[0].sum() / one[1].sum() == pytest.approx(two[0].sum() / two[1].sum(), rel=1e-6)


def test_extreme_scores_neither_overflow_nor_underflow():
    losses, _, gradient = loss_of(np.array([[[[1000, -1000], [-1000, 1000]]]]), np.array([[[1, 1]]], np.uint8))
    assert losses.tolist() == [[[2000, 0]]]
    np.testing.assert_allclose(gradient, [[[[1, -1], [0, 0]]]])


# Losses of an image with 3 labelled pixels, one with 1, and one with none.
LOSSES = np.array([[[1, 2], [3, 0]], [[4, 0], [0, 0]], [[0, 0], [0, 0]]], np.float32)
WEIGHTS = np.array([[[1, 1], [1, 0]], [[1, 0], [0, 0]], [[0, 0], [0, 0]]], np.float32)


def reduced(reduction, losses, weights):
    with fresh() as session:
        return list(session.run(batch_loss.reduce(tf.constant(losses), tf.constant(weights), reduction)))


@pytest.mark.parametrize(("reduction", "objective", "normalizer"), [
    ("mean", 1 + 2 + 3 + 4, 4), ("sum", 1 + 2 + 3 + 4, 2), ("mean-per-image", (1 + 2 + 3) / 3 + 4 / 1, 2)])
def test_three_reductions_of_two_images_by_hand(reduction, objective, normalizer):
    assert reduced(reduction, LOSSES[:2], WEIGHTS[:2]) == [objective, normalizer]


@pytest.mark.parametrize(("reduction", "objective", "normalizer", "alone"), [
    ("mean", 10, 4, 0), ("sum", 10, 3, 1), ("mean-per-image", 6, 2, 0)])
def test_unlabelled_image_counts_only_in_the_sum_of_caffe(reduction, objective, normalizer, alone):
    assert reduced(reduction, LOSSES, WEIGHTS) == [objective, normalizer]
    assert reduced(reduction, LOSSES[2:], WEIGHTS[2:]) == [0, alone]


@pytest.mark.parametrize(("reduction", "objective", "normalizer"), [
    ("mean", 2 + 4 + 1.5 + 2, 2 + 2 + 0.5 + 0.5), ("sum", 9.5, 2), ("mean-per-image", 7.5 / 4.5 + 2 / 0.5, 2)])
def test_means_divide_by_weights_and_a_sum_by_images(reduction, objective, normalizer):
    weights = np.array([[[2, 2], [0.5, 0]], [[0.5, 0], [0, 0]]], np.float32)
    assert reduced(reduction, LOSSES[:2] * weights, weights) == pytest.approx([objective, normalizer])


def test_prediction_is_the_argmax_without_ignored_ids():
    logits = np.array([[[[9, 1, 2], [9, 3, 2]], [[9, 8, 9.5], [-1, -2, -3]]]])
    with fresh() as session:
        every, without_0, without_0_and_2 = session.run(
            [graph_builder.predict(blocks.plain(tf.constant(logits, tf.float32)), ids)
             for ids in ((255,), (0, 255), (0, 2))])
    np.testing.assert_array_equal(every, [[[0, 0], [2, 0]]])
    np.testing.assert_array_equal(without_0, [[[2, 1], [2, 1]]])
    assert (without_0_and_2 == 1).all()
    assert every.dtype == np.uint8


@pytest.fixture(scope="module")
def small():
    """A thin fcn8s_atonce with random weights: (session, TrainingGraph). Id 3 of 4 classes is ignored."""
    with fresh() as session:
        graph = graph_builder.build(Architecture("fcn8s_atonce", 4, THIN, (120.0, 110.0, 100.0)),
                                    label_policy.of_net((3, 255), 4))
        randomise(session, gains={"score_pool4": 10, "score_pool3": 300})
        yield session, graph


@pytest.mark.slow
def test_whole_net_never_predicts_an_ignored_id(small):
    session, graph = small
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), np.uint8)
    logits, prediction = session.run([graph.logits, graph.prediction], {graph.images: images})
    assert (logits.argmax(axis=3) == 3).any()
    np.testing.assert_array_equal(prediction, logits[..., :3].argmax(axis=3))


BARE_ENCODER = """
from fcn.models.encoders.vgg import preprocess

FEATURES = (("images", 1, 3),)


def build(images, settings):
    return {"images": images}
"""
BARE_NET = """
ENCODER = "bare"


def decode(features, num_classes, settings):
    return features["images"]
"""


@pytest.fixture
def bare_net(tmp_path):
    """The net "bare", a plugin whose logits are what enters it."""
    for kind, text in (("encoders", BARE_ENCODER), ("nets", BARE_NET)):
        folder = tmp_path / "plugins" / kind
        folder.mkdir(parents=True)
        (folder / "bare.py").write_text(text)
    registry.use([tmp_path / "plugins"])
    yield "bare"
    registry.use()


def test_the_mean_colour_is_subtracted_from_images(bare_net):
    with fresh() as session:
        graph = graph_builder.build(Architecture(bare_net, 3, mean_rgb=(10.0, 20.0, 30.0)))
        photo = np.array([[[[10, 20, 30], [0, 255, 31]]]], np.uint8)
        np.testing.assert_array_equal(session.run(graph.logits, {graph.images: photo}), [[[[0, 0, 0], [-10, 235, 1]]]])


@pytest.mark.slow
def test_reduction_is_for_training_and_the_mean_is_shown(bare_net):
    images = np.zeros((2, 2, 2, 3), np.uint8)  # so every pixel's loss is ln 3, before its class weighs
    labels = np.array([[[0, 1], [1, 255]], [[255, 255], [2, 255]]], np.uint8)
    one = math.log(3)
    cases = (("mean", 5.5 * one, 5.5), ("sum", 5.5 * one, 2), ("mean-per-image", 2 * one, 2))
    for reduction, objective, normalizer in cases:
        with fresh() as session:
            graph = graph_builder.build(Architecture(bare_net, 3), LabelPolicy((255,)), LossSettings(
                reduction=reduction, class_weights=(2, 1, 1.5)))
            found = session.run([graph.objective, graph.normalizer, graph.loss_sum, graph.pixels],
                                {graph.images: images, graph.labels: labels})
        assert found == pytest.approx([objective, normalizer, 5.5 * one, 5.5], rel=1e-6)
        assert graph.num_classes == 3


@pytest.mark.parametrize("labels, weights, score", [
    ([[255, 255]], None, None), ([[255, 2]], (1, 1, 0), 0.0)], ids=["no labels", "a class of weight 0"])
def test_validation_without_labelled_pixels_has_no_loss(bare_net, labels, weights, score):
    batches = [(np.zeros((2, 1, 2, 3), np.uint8), np.array([labels, labels], np.uint8))] * 2
    with fresh() as session:
        graph = graph_builder.build(Architecture(bare_net, 3), LabelPolicy((255,)), LossSettings(class_weights=weights))
        numbers, samples = validation.validate(session, graph, batches, LabelPolicy((255,), (255,)))
    assert numbers["val_loss"] is None and len(samples) == 3
    assert {numbers[f"val_{name}"] for name in ("mean_iou", "pixel_accuracy", "f_score")} == {score}
    assert numbers.get("unlabelled_images") == (4 if score is None else None)


@pytest.mark.slow
def test_unset_options_use_the_defaults_of_the_net():
    def logits(net, variant):
        with fresh() as session:
            graph = graph_builder.build(Architecture(net, 2, THIN, variant=variant))
            randomise(session)
            return session.run(graph.logits, {graph.images: np.full((1, 9, 9, 3), 200, np.uint8)})
    own = logits("fcn8s_atonce", {})
    np.testing.assert_array_equal(logits("fcn8s_atonce", {"pool_scaling": None, "fc": "random"}), own)
    unscaled = logits("fcn8s_atonce", {"pool_scaling": False})
    assert (unscaled != own).any()
    np.testing.assert_array_equal(logits("fcn8s", {}), unscaled)


def test_validation_weighs_every_labelled_pixel_equally(bare_net):
    photos = np.zeros((1, 1, 3, 3), np.uint8)
    photos[0, 0, :, 1] = (0, 1, 2)  # the scores of class 1, against 0 and 0
    labels = np.array([[[1, 0, 1]]], np.uint8)
    unlabelled = np.full((1, 1, 1), 255, np.uint8)
    batches = [(photos, labels), (photos[:, :, :1], unlabelled), (photos[:, :, 2:], labels[:, :, 2:])]
    with fresh() as session:
        graph = graph_builder.build(Architecture(bare_net, 3), LabelPolicy((255,)),
                                    LossSettings(reduction="mean-per-image"))
        start(session)
        numbers, samples = validation.validate(session, graph, batches, LabelPolicy((255,), (255,)))
        assert validation.validate(session, graph, batches, LabelPolicy((255,), (255,)), stopped=lambda: True) is None
    assert [(photo.shape, label.tolist(), prediction.tolist()) for photo, label, prediction in samples] == [
        ((1, 3, 3), [[1, 0, 1]], [[0, 1, 1]]), ((1, 1, 3), [[255]], [[0]]), ((1, 1, 3), [[1]], [[1]])]
    one, e, e2 = math.log(3), math.log(2 + math.e), math.log(2 + math.e ** 2)
    assert numbers["val_loss"] == pytest.approx((one + e + 2 * (e2 - 2)) / 4, rel=1e-5)
    assert numbers["val_pixel_accuracy"] == 0.5  # (0, 0, 0) is called 0, the other three are called 1
    assert numbers["val_mean_iou"] == pytest.approx((0 + 2 / 4) / 2)
    assert numbers["val_f_score"] == pytest.approx((0 + 4 / 6) / 2)
