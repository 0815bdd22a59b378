"""One weight update: batches joined pixel by pixel, the rules by hand, and what stops an update."""

import math

import numpy as np
import pytest
from nets_help import fresh, start, values

from fcn import layers, optimize
from fcn.losses import cross_entropy
from fcn.tf1 import errors as tf_errors
from fcn.tf1 import tf

RNG = np.random.default_rng(11)
IMAGES = RNG.normal(size=(6, 4, 5, 2)).astype(np.float32)
LABELS = RNG.integers(0, 3, (6, 4, 5), np.uint8)
LABELS[0, :3] = 255  # images hold 5, 20, 12, 20, 0 and 20 labelled pixels
LABELS[2, :, 3:] = 255
LABELS[4] = 255
PARTS = ((slice(0, 1), slice(1, 4), slice(4, 5)), (slice(3, 4), slice(5, 6), slice(0, 3)))  # of two steps
RATE = 0.1


class Classifier:
    """A pixel classifier with a Step: the smallest thing that has all that a net has."""

    def __init__(self, optimizer, batches_per_step):
        self.images = tf.placeholder(tf.float32, (None, None, None, 2))
        self.labels = tf.placeholder(tf.uint8, (None, None, None))
        logits = layers.conv(layers.conv(self.images, "hidden", 3, 4, relu=True), "score", 1, 3)
        self.factor = tf.placeholder_with_default(1.0, ())  # on the loss, to spoil it
        loss_sum, self.pixels = cross_entropy.build(logits, self.labels, (255,))
        self.loss_sum = loss_sum * self.factor
        self.step = optimize.build(self.loss_sum, self.pixels, optimizer, batches_per_step)

    def run(self, session, op, images, labels, factor=1):
        return session.run(op, {self.images: images, self.labels: labels, self.factor: factor,
                                self.step.learning_rate: RATE})


def trained(optimizer, steps):
    """{variable: value} after steps, each a list of slices of IMAGES, one a batch."""
    with fresh() as session:
        net = Classifier(optimizer, len(steps[0]))
        start(session)
        before = values()
        for parts in steps:
            for part in parts[:-1]:
                net.run(session, net.step.collect, IMAGES[part], LABELS[part])
            net.run(session, net.step.update, IMAGES[parts[-1]], LABELS[parts[-1]])
        after = values()
    assert (before["hidden/kernel"] != after["hidden/kernel"]).any()
    return {name: value for name, value in after.items() if not name.startswith("sum/")}


def joined(parts):
    return np.concatenate([np.arange(len(IMAGES))[part] for part in parts])


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_a_step_of_small_batches_is_the_step_of_one_large_one(optimizer):
    several = trained(optimizer, PARTS)
    one = trained(optimizer, [[joined(parts)] for parts in PARTS])
    assert several.keys() == one.keys()
    for name, value in one.items():
        np.testing.assert_allclose(several[name], value, rtol=1e-6, atol=1e-6 * np.abs(value).max(), err_msg=name)


def test_a_mean_of_the_means_of_batches_would_be_another_step():
    with fresh() as session:
        net = Classifier("momentum", 1)
        start(session)
        kernel = tf.trainable_variables()[0]
        gradient = tf.gradients(net.loss_sum, kernel)[0]

        def mean(part):
            total, pixels = net.run(session, [gradient, net.pixels], IMAGES[part], LABELS[part])
            return total / max(pixels, 1)
        ours = mean(joined(PARTS[0]))
        theirs = np.mean([mean(part) for part in PARTS[0]], axis=0)
    assert np.abs(ours - theirs).max() > 0.05 * np.abs(ours).max()


def test_collecting_changes_no_weight_and_an_update_clears_the_sums():
    with fresh() as session:
        net = Classifier("adam", 2)
        start(session)
        before = values()
        net.run(session, net.step.collect, IMAGES[:2], LABELS[:2])
        between = values()
        changed = {name for name, value in before.items() if (between[name] != value).any()}
        assert changed == {name for name in before if name.startswith("sum/")}
        assert between["sum/pixels"] == 25
        net.run(session, net.step.update, IMAGES[2:3], LABELS[2:3])
        after = values()
        assert not any(after[name].any() for name in after if name.startswith("sum/"))
        assert not {name for name in before if name.startswith("sum/")} & {v.op.name for v in tf.global_variables()}


def test_a_step_of_one_batch_needs_no_sums():
    with fresh():
        net = Classifier("adam", 1)
        assert net.step.collect is None
        assert tf.local_variables() == []
        assert [v for _, v in net.step.grads] == tf.trainable_variables()


def line(optimizer, rates, pixels=4.0, momentum=0.9):
    """Values of w, from 5, whose loss_sum is 3 w^2 / 2 over so many pixels: the gradient of a step is 3 w / pixels."""
    with fresh() as session:
        w = tf.get_variable("w", (), initializer=tf.constant_initializer(5.0))
        step = optimize.build(1.5 * w * w, tf.constant(pixels), optimizer, 1, momentum)
        start(session)
        found = []
        for rate in rates:
            session.run(step.update, {step.learning_rate: rate})
            found.append(float(session.run(w)))
        return found


def test_momentum_by_hand():
    # g = 3.75, v = 3.75, w = 5 - 0.4 * 3.75 = 3.5; g = 2.625, v = 0.9 * 3.75 + 2.625 = 6, w = 3.5 - 0.2 * 6 = 2.3
    assert line("momentum", [0.4, 0.2]) == pytest.approx([3.5, 2.3], rel=1e-6)
    # without momentum: w = 5 - 0.4 * 3.75 = 3.5; w = 3.5 - 0.4 * 2.625 = 2.45
    assert line("momentum", [0.4, 0.4], momentum=0.0) == pytest.approx([3.5, 2.45], rel=1e-6)


def test_adam_by_its_formula():
    w, m, v, expected = 5.0, 0.0, 0.0, []
    for t, rate in enumerate([0.3, 0.3, 0.1], 1):  # Kingma & Ba (2015), section 2, the faster order of computation
        g = 3 * w / 4
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= rate * math.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t) * m / (math.sqrt(v) + 1e-8)
        expected.append(w)
    assert expected[0] == pytest.approx(4.7, abs=1e-5)  # the first step is the rate, whatever the gradient
    assert line("adam", [0.3, 0.3, 0.1]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
@pytest.mark.parametrize("batches_per_step", [1, 2])
def test_a_loss_that_is_not_finite_changes_no_weight_and_no_slot(optimizer, batches_per_step):
    with fresh() as session:
        net = Classifier(optimizer, batches_per_step)
        start(session)
        for _ in range(batches_per_step - 1):
            net.run(session, net.step.collect, IMAGES, LABELS)
        net.run(session, net.step.update, IMAGES, LABELS)  # so that slots hold something
        before = values()
        for bad in (np.nan, np.inf):
            with pytest.raises(tf_errors.InvalidArgumentError, match="the loss is not finite"):
                net.run(session, net.step.update, IMAGES, LABELS, bad)
        after = values()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def test_a_gradient_that_is_not_finite_stops_the_update_though_the_loss_is():
    with fresh() as session:
        w = tf.get_variable("w", (2,), initializer=tf.constant_initializer([0.0, 1.0]))
        step = optimize.build(tf.reduce_sum(tf.sqrt(w)), tf.constant(1.0), "adam")  # its slope at 0 is infinite
        start(session)
        with pytest.raises(tf_errors.InvalidArgumentError, match="the gradient is not finite"):
            session.run(step.update, {step.learning_rate: RATE})
        np.testing.assert_array_equal(session.run(w), [0, 1])


def test_a_loss_that_is_not_finite_is_met_in_its_own_batch_not_at_the_end_of_the_step():
    with fresh() as session:
        net = Classifier("adam", 2)
        start(session)
        with pytest.raises(tf_errors.InvalidArgumentError, match="the loss is not finite"):
            net.run(session, net.step.collect, IMAGES, LABELS, np.nan)


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_a_step_without_a_labelled_pixel_leaves_the_weights(optimizer):
    with fresh() as session:
        net = Classifier(optimizer, 1)
        start(session)
        before = values()
        net.run(session, net.step.update, IMAGES[4:5], LABELS[4:5])
        after = values()
    for name in ("hidden/kernel", "hidden/bias", "score/kernel", "score/bias"):
        np.testing.assert_array_equal(after[name], before[name])


def test_a_fixed_rate_stays_and_a_polynomial_one_falls_to_nothing():
    assert [optimize.learning_rate(0.5, "fixed", step, 10) for step in (0, 9)] == [0.5, 0.5]
    rates = [optimize.learning_rate(0.5, "poly", step, 4, power=2) for step in range(4)]
    assert rates == [0.5, 0.5 * 0.75 ** 2, 0.125, 0.03125]
    assert optimize.learning_rate(1, "poly", 5, 10) == pytest.approx(0.5 ** 0.9)


def test_the_sums_of_a_step_are_cleared_only_after_the_weights_have_moved():
    with fresh():  # the order is that of the graph: a race would pass any test of values most of the time
        net = Classifier("adam", 2)
        clearing = [op for op in net.step.update.control_inputs if op.type == "AssignVariableOp"]
        assert len(clearing) == len(tf.local_variables())
        (applied,) = set(net.step.update.control_inputs) - set(clearing)
        assert all(waits_for(op, applied) for op in clearing)


def waits_for(op, other):
    """Whether the graph lets `op` run only after `other`."""
    before = [*op.control_inputs, *(tensor.op for tensor in op.inputs)]
    return other in before or any(waits_for(one, other) for one in before)
