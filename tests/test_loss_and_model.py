"""The loss and the prediction by hand, and both as model.build() joins them to a net."""

import math
import types

import numpy as np
import pytest
from nets_help import THIN, fresh, randomise, start

from fcn import evaluate, model, shelf
from fcn.losses import cross_entropy
from fcn.tf1 import tf

# Two classes, one image of 2 x 2. Cross entropy of logits (0, z) is ln(1 + e^z) for class 0, ln(1 + e^-z) for 1.
LOGITS = np.array([[[[0, 0], [0, 1]], [[0, 2], [0, -3]]]], np.float32)
LABELS = np.array([[[0, 1], [0, 1]]], np.uint8)
BY_PIXEL = (math.log(2), math.log(1 + math.exp(-1)), math.log(1 + math.exp(2)), math.log(1 + math.exp(3)))


def loss_of(logits, labels, ignored=()):
    """(loss_sum, pixels, gradient of loss_sum)."""
    with fresh() as session:
        z = tf.constant(logits, tf.float32)
        loss_sum, pixels = cross_entropy.build(z, tf.constant(labels), ignored)
        return session.run([loss_sum, pixels, tf.gradients(loss_sum, z)[0]])


def test_the_loss_is_the_sum_of_cross_entropies_and_comes_with_their_number():
    loss_sum, pixels, _ = loss_of(LOGITS, LABELS)
    assert loss_sum == pytest.approx(sum(BY_PIXEL), rel=1e-6)
    assert pixels == 4


def test_a_loss_gradient_is_the_probability_less_the_truth():
    _, _, gradient = loss_of(LOGITS, LABELS)
    probability = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=3, keepdims=True)
    np.testing.assert_allclose(gradient, probability - np.eye(2)[LABELS], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ignored", [255, 2, 7])
def test_ignored_pixels_weigh_nothing_and_send_no_gradient(ignored):
    labels = np.array([[[0, ignored], [ignored, 1]]], np.uint8)
    loss_sum, pixels, gradient = loss_of(LOGITS, labels, (ignored,))
    assert loss_sum == pytest.approx(BY_PIXEL[0] + BY_PIXEL[3], rel=1e-6)
    assert pixels == 2
    assert not gradient[labels == ignored].any()
    assert gradient[labels != ignored].all()


def test_an_ignored_id_among_the_classes_weighs_nothing_either():
    loss_sum, pixels, gradient = loss_of(LOGITS, LABELS, (0, 255))
    assert loss_sum == pytest.approx(BY_PIXEL[1] + BY_PIXEL[3], rel=1e-6)
    assert pixels == 2
    assert not gradient[LABELS == 0].any()


def test_a_label_beyond_the_classes_weighs_nothing_though_nobody_named_it():
    loss_sum, pixels, gradient = loss_of(LOGITS, np.array([[[0, 2], [77, 1]]], np.uint8))
    assert loss_sum == pytest.approx(BY_PIXEL[0] + BY_PIXEL[3], rel=1e-6)
    assert pixels == 2
    assert not gradient[0, [0, 1], [1, 0]].any()


def test_without_a_labelled_pixel_the_loss_is_zero_over_zero_pixels():
    loss_sum, pixels, gradient = loss_of(LOGITS, np.full((1, 2, 2), 255, np.uint8), (255,))
    assert (loss_sum, pixels) == (0, 0)
    assert not gradient.any()


def test_scores_far_apart_neither_overflow_nor_vanish():
    loss_sum, _, gradient = loss_of(np.array([[[[1000, -1000], [-1000, 1000]]]]), np.array([[[1, 1]]], np.uint8))
    assert loss_sum == 2000
    np.testing.assert_allclose(gradient, [[[[1, -1], [0, 0]]]])


def test_a_prediction_is_the_best_class_that_is_not_ignored():
    logits = np.array([[[[9, 1, 2], [9, 3, 2]], [[9, 8, 9.5], [-1, -2, -3]]]])
    with fresh() as session:
        every, without_0, without_0_and_2 = session.run(
            [model.predict(tf.constant(logits, tf.float32), ids) for ids in ((255,), (0, 255), (0, 2))])
    np.testing.assert_array_equal(every, [[[0, 0], [2, 0]]])
    np.testing.assert_array_equal(without_0, [[[2, 1], [2, 1]]])
    assert (without_0_and_2 == 1).all()
    assert every.dtype == np.uint8


@pytest.fixture(scope="module")
def small():
    """A thin fcn8s with random weights: (session, SegModel). Id 3 of 4 classes is ignored."""
    with fresh() as session:
        graph = model.build(shelf.pick("nets", "fcn8s"), cross_entropy, 4, (3, 255), THIN, (120.0, 110.0, 100.0))
        randomise(session, gains={"score_pool4": 10, "score_pool3": 300})
        yield session, graph


def test_a_whole_net_predicts_no_ignored_id_though_it_has_a_channel_for_it(small):
    session, graph = small
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), np.uint8)
    logits, prediction = session.run([graph.logits, graph.prediction], {graph.images: images})
    assert (logits.argmax(axis=3) == 3).any()
    np.testing.assert_array_equal(prediction, logits[..., :3].argmax(axis=3))


def test_the_mean_colour_is_subtracted_from_images():
    net = types.SimpleNamespace(build=lambda images, *_: images)  # logits are what enters the net
    with fresh() as session:
        graph = model.build(net, cross_entropy, 3, (), {}, (10.0, 20.0, 30.0))
        photo = np.array([[[[10, 20, 30], [0, 255, 31]]]], np.uint8)
        np.testing.assert_array_equal(session.run(graph.logits, {graph.images: photo}), [[[[0, 0, 0], [-10, 235, 1]]]])


def test_dropout_is_off_unless_it_is_asked_for_and_follows_the_seed_that_is_fed(small):
    session, graph = small
    feed = {graph.images: np.random.default_rng(0).integers(0, 256, (1, 40, 50, 3), np.uint8)}
    plain, again = session.run(graph.logits, feed), session.run(graph.logits, feed | {graph.dropout_seed: (3, 4)})
    np.testing.assert_array_equal(plain, again)
    first, second, other = (session.run(graph.logits, feed | {graph.keep_prob: 0.5, graph.dropout_seed: seed})
                            for seed in ((3, 4), (3, 4), (3, 6)))
    np.testing.assert_array_equal(first, second)
    assert (first != plain).any()
    assert (first != other).any()


def test_the_gradient_of_the_whole_net_is_that_of_finite_differences(small):
    session, graph = small
    rng = np.random.default_rng(2)
    feed = {graph.images: rng.integers(0, 256, (1, 33, 35, 3), np.uint8),
            graph.labels: rng.choice([0, 1, 2, 3, 255], (1, 33, 35)).astype(np.uint8)}
    variables = {v.op.name: v for v in tf.trainable_variables()}
    for name, at in (("score_fr/bias", (2,)), ("score_pool4/kernel", (0, 0, 1, 0)), ("score_pool3/bias", (1,)),
                     ("score_fr/kernel", (0, 0, 1, 3))):
        variable = variables[name]
        gradient = session.run(tf.gradients(graph.loss_sum, variable)[0], feed)[at]
        value, losses, width = session.run(variable), [], 0.02
        for side in (width, -width):
            moved = value.copy()
            moved[at] += side
            variable.load(moved, session)
            losses.append(float(session.run(graph.loss_sum, feed)))
        variable.load(value, session)
        assert (losses[0] - losses[1]) / (2 * width) == pytest.approx(gradient, rel=0.02, abs=0.05), name


def test_validation_joins_batches_so_that_every_labelled_pixel_weighs_the_same():
    net = types.SimpleNamespace(build=lambda images, *_: images / 10)
    photos = np.zeros((1, 1, 3, 3), np.uint8)
    photos[0, 0, :, 1] = (0, 10, 20)  # scores of class 1: 0, 1, 2 against 0 and 0
    labels = np.array([[[1, 0, 1]]], np.uint8)
    unlabelled = np.full((1, 1, 1), 255, np.uint8)
    batches = [(photos, labels), (photos[:, :, :1], unlabelled), (photos[:, :, 2:], labels[:, :, 2:])]
    with fresh() as session:
        graph = model.build(net, cross_entropy, 3, (255,), {}, (0.0, 0.0, 0.0))
        start(session)
        numbers = evaluate.validate(session, graph, batches, 3, (255,))
    one, e, e2 = math.log(3), math.log(2 + math.e), math.log(2 + math.e ** 2)
    assert numbers["val_loss"] == pytest.approx((one + e + 2 * (e2 - 2)) / 4, rel=1e-5)
    assert numbers["val_pixel_accuracy"] == 0.5  # (0, 0, 0) is called 0, the other three are called 1
    assert numbers["val_mean_iou"] == pytest.approx((0 + 2 / 4) / 2)


def test_a_prediction_for_a_photo_has_the_size_of_the_photo(small):
    session, graph = small
    photo = np.random.default_rng(0).integers(0, 256, (23, 31, 3), np.uint8)
    found = evaluate.predict(session, graph, photo, (16, 24))
    assert (found.shape, found.dtype) == ((23, 31), np.uint8)
