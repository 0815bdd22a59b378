"""One weight update: batches joined as one large one, the rules by hand, and what stops an update."""

import math

import numpy as np
import pytest
from nets_help import fresh, start, values

from fcn import errors, layers, model, optimize
from fcn.losses import cross_entropy
from fcn.tf1 import errors as tf_errors
from fcn.tf1 import tf

RNG = np.random.default_rng(11)
IMAGES = RNG.normal(size=(6, 4, 5, 2)).astype(np.float32)
LABELS = RNG.integers(0, 3, (6, 4, 5), np.uint8)
LABELS[0, :3] = 255  # images hold 5, 20, 12, 20, 0 and 20 labelled pixels
LABELS[2, :, 3:] = 255
LABELS[4] = 255
IN_TWO = ((slice(0, 1), slice(1, 5)), (slice(2, 5), slice(5, 6)))  # the batches of two steps
IN_THREE = ((slice(0, 1), slice(1, 4), slice(4, 5)), (slice(3, 4), slice(5, 6), slice(0, 3)))
RATE = 0.1
OPTIMIZERS = ("momentum", "adam", "adamw")


class Classifier:
    """A pixel classifier with a Step: the smallest thing that has all that a net has."""

    def __init__(self, optimizer, batches_per_step, reduction="mean", class_weights=None, **options):
        self.images = tf.placeholder(tf.float32, (None, None, None, 2))
        self.labels = tf.placeholder(tf.uint8, (None, None, None))
        logits = layers.conv(tf.nn.relu(layers.conv(self.images, "hidden", 3, 4)), "score", 1, 3)
        self.factor = tf.placeholder_with_default(1.0, ())  # on the loss, to spoil it
        losses, weights = cross_entropy.build(logits, self.labels, (255,), class_weights)
        self.objective, self.parts = model.reduce(losses * self.factor, weights, reduction)
        self.step = optimize.build(self.objective, self.parts, optimizer, batches_per_step, **options)

    def run(self, session, op, images, labels, factor=1):
        return session.run(op, {self.images: images, self.labels: labels, self.factor: factor,
                                self.step.learning_rate: RATE})


def trained(optimizer, steps, *reduction, **options):
    """{variable: value} after steps, each a list of slices of IMAGES, one a batch."""
    with fresh() as session:
        net = Classifier(optimizer, len(steps[0]), *reduction, **options)
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


def assert_close(found, expected, tolerance=1e-6):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance * np.abs(value).max(),
                                   err_msg=name)


@pytest.mark.parametrize(("optimizer", "steps"), [("momentum", IN_TWO), ("adam", IN_THREE)])
@pytest.mark.parametrize("class_weights", [None, (0.5, 3.0, 1.0)], ids=["", "class weights"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "mean-per-image"])
def test_a_step_of_small_batches_is_the_step_of_one_large_one(optimizer, steps, class_weights, reduction):
    several = trained(optimizer, steps, reduction, class_weights)
    one = trained(optimizer, [[joined(parts)] for parts in steps], reduction, class_weights)
    # A rate of 0.1 is large beside a sum's gradient, and Adam divides small gradients by their own size.
    assert_close(several, one, 1e-5)


def test_the_three_reductions_and_class_weights_are_different_steps():
    found = [trained("momentum", IN_TWO, *options)["hidden/kernel"] for options in (
        ("mean",), ("sum",), ("mean-per-image",), ("mean", (0.5, 3.0, 1.0)))]
    for i, one in enumerate(found):
        assert all(np.abs(one - other).max() > 0.001 for other in found[:i])


def test_a_mean_of_the_means_of_batches_would_be_another_step():
    with fresh() as session:
        net = Classifier("momentum", 1)
        start(session)
        kernel = tf.trainable_variables()[0]
        gradient = tf.gradients(net.objective, kernel)[0]

        def mean(part):
            total, pixels = net.run(session, [gradient, net.parts], IMAGES[part], LABELS[part])
            return total / max(pixels, 1)
        ours = mean(joined(IN_THREE[0]))
        theirs = np.mean([mean(part) for part in IN_THREE[0]], axis=0)
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


def lines(optimizer, rates, names=("w",), pixels=4.0, **options):
    """[{name: value}, ...] after each step of variables from 5, each with a loss of 3 w^2 / 2 over so many pixels.

    So the gradient of a step is 3 w / pixels. Variables named "idle/..." have no part in the loss.
    """
    with fresh() as session:
        found = {n: tf.get_variable(n, (), initializer=tf.constant_initializer(5.0)) for n in names}
        loss = tf.add_n([1.5 * w * w for n, w in found.items() if not n.startswith("idle")])
        step = optimize.build(loss, tf.constant(pixels), optimizer, **options)
        start(session)
        history = []
        for rate in rates:
            session.run(step.update, {step.learning_rate: rate})
            history.append(session.run(found))
        return history


def line(optimizer, rates, name="w", **options):
    """The values of one such variable."""
    return [float(found[name]) for found in lines(optimizer, rates, (name,), **options)]


def adams(rates, decay=0.0, w=5.0, factor=1.0):
    """Kingma & Ba (2015), section 2, the faster order of computation, for 3 w / 4; decay: L2, in the gradient."""
    m, v, found = 0.0, 0.0, []
    for t, rate in enumerate(rates, 1):
        g = 3 * w / 4 + decay * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= factor * rate * math.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t) * m / (math.sqrt(v) + 1e-8)
        found.append(w)
    return found


def test_momentum_by_hand():
    # g = 3.75, v = 0.4 * 3.75 = 1.5, w = 5 - 1.5 = 3.5; g = 2.625, v = 0.9 * 1.5 + 0.2 * 2.625 = 1.875, w = 1.625
    assert line("momentum", [0.4, 0.2]) == pytest.approx([3.5, 1.625], rel=1e-6)
    # without momentum: w = 5 - 0.4 * 3.75 = 3.5; w = 3.5 - 0.4 * 2.625 = 2.45
    assert line("momentum", [0.4, 0.4], momentum=0.0) == pytest.approx([3.5, 2.45], rel=1e-6)


def test_decay_by_hand_is_in_the_velocity_and_on_kernels_alone():
    # g = 3.75 + 0.5 * 5 = 6.25, v = 2.5, w = 2.5; g = 1.875 + 1.25 = 3.125, v = 0.9 * 2.5 + 1.25 = 3.5, w = -1
    assert line("momentum", [0.4, 0.4], "a/kernel", weight_decay=0.5) == pytest.approx([2.5, -1], rel=1e-6)
    assert line("momentum", [0.4, 0.2], "a/bias", weight_decay=0.5) == line("momentum", [0.4, 0.2])


def test_momentum_is_tensorflows_own_until_the_rate_changes():
    def tensorflows(rates):
        with fresh() as session:
            w, rate = tf.get_variable("w", (), initializer=tf.constant_initializer(5.0)), tf.placeholder(tf.float32)
            update = tf.train.MomentumOptimizer(rate, 0.9).minimize(1.5 * w * w / 4)
            start(session)
            return [session.run(update, {rate: value}) or float(session.run(w)) for value in rates]
    assert line("momentum", [0.4, 0.4, 0.4]) == pytest.approx(tensorflows([0.4, 0.4, 0.4]), rel=1e-6)
    # w = 3.5 as above; then v = 0.9 * 3.75 + 2.625 = 6 and w = 3.5 - 0.2 * 6: the whole past at the new rate
    assert tensorflows([0.4, 0.2]) == pytest.approx([3.5, 2.3], rel=1e-6)
    assert line("momentum", [0.4, 0.2])[1] == pytest.approx(1.625, rel=1e-6)


def test_adam_by_its_formula():
    expected = adams([0.3, 0.3, 0.1])
    assert expected[0] == pytest.approx(4.7, abs=1e-5)  # the first step is the rate, whatever the gradient
    assert line("adam", [0.3, 0.3, 0.1]) == pytest.approx(expected, rel=1e-5)


def test_decay_of_adam_is_part_of_the_gradient_so_that_its_size_counts_for_little():
    assert line("adam", [0.3, 0.3, 0.1], "a/kernel", weight_decay=0.5) == pytest.approx(
        adams([0.3, 0.3, 0.1], 0.5), rel=1e-5)
    assert line("adam", [0.3], "a/kernel", weight_decay=0.5) == pytest.approx([4.7], abs=1e-5)
    assert line("adam", [0.3, 0.3], "a/bias", weight_decay=0.5) == line("adam", [0.3, 0.3])


def test_decay_of_adamw_is_apart_from_the_gradient_as_loshchilov_and_hutter_have_it():
    # Their algorithm 2, line 12, with the rate on both parts: w = w - rate (m / (sqrt(v) + eps) + decay w), hats on m
    # and v. First step: m / sqrt(v) = 1, so w = 5 - 0.1 (1 + 0.5 * 5) = 4.65. Second: g = 3.4875, m = 0.9 * 0.375 +
    # 0.34875 = 0.68625, over 0.19: 3.611842; v = 0.999 * 0.0140625 + 0.001 * 3.4875^2 = 0.0262111, over 0.001999:
    # 13.11211, its root 3.621064; w = 4.65 - 0.1 (0.997453 + 0.5 * 4.65) = 4.317755.
    found = line("adamw", [0.1, 0.1], "a/kernel", weight_decay=0.5)
    assert found == pytest.approx([4.65, 4.317755], abs=2e-6)


def test_adamw_without_decay_or_of_a_bias_is_adam():
    plain = line("adam", [0.3, 0.3, 0.1])
    assert line("adamw", [0.3, 0.3, 0.1], "a/kernel") == plain
    assert line("adamw", [0.3, 0.3, 0.1], "a/bias", weight_decay=0.5) == plain


def test_a_factor_multiplies_the_rate_of_all_that_its_pattern_fits():
    names, rates = ("a/kernel", "b/kernel", "b/bias"), [0.4, 0.2]
    for optimizer in OPTIMIZERS:
        found = lines(optimizer, rates, names, factors=[("*/kernel", 0.5), ("b/*", 4.0)])
        for name, factor in zip(names, (0.5, 2.0, 4.0), strict=True):
            alone = line(optimizer, [rate * factor for rate in rates])
            assert [float(step[name]) for step in found] == pytest.approx(alone, rel=1e-6), (optimizer, name)


def test_the_decay_of_adamw_has_the_factor_of_the_rate():
    (found,) = lines("adamw", [0.1], ("a/kernel", "b/kernel"), factors=[("b/*", 2.0)], weight_decay=0.001)
    # 5 - 0.1 - 0.1 * 0.001 * 5 and 5 - 0.2 - 0.2 * 0.001 * 5
    assert (found["a/kernel"], found["b/kernel"]) == pytest.approx((4.8995, 4.799), abs=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_factor_of_1_changes_nothing_to_the_bit(optimizer):
    plain = trained(optimizer, IN_TWO, weight_decay=0.01)
    same = trained(optimizer, IN_TWO, weight_decay=0.01, factors=[("*", 1.0), ("*/bias", 1.0)])
    assert plain.keys() == same.keys()
    for name, value in plain.items():
        np.testing.assert_array_equal(same[name], value, err_msg=name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_factor_of_0_freezes_to_the_bit_and_needs_no_slots(optimizer):
    with fresh() as session:
        net = Classifier(optimizer, 2, weight_decay=0.1, factors=[("hidden/*", 0.0), ("*/bias", 2.0)])
        start(session)
        before = values()
        for part in (slice(0, 1), slice(1, 2)):
            op = net.step.collect if part.start == 0 else net.step.update
            net.run(session, op, IMAGES[part], LABELS[part])
        after = values()
        assert [v.op.name for _, v in net.step.grads] == ["score/kernel", "score/bias"]
    assert {name for name in after if "hidden" in name} == {"hidden/kernel", "hidden/bias"}
    for name in ("hidden/kernel", "hidden/bias"):
        np.testing.assert_array_equal(after[name], before[name])
    for name in ("score/kernel", "score/bias"):
        assert (after[name] != before[name]).any()


def test_a_pattern_that_fits_nothing_is_answered_with_names_of_variables():
    with fresh(), pytest.raises(errors.UsageError) as caught:
        Classifier("adam", 1, factors=[("score/*", 2.0), ("scores/*", 0.0)])
    for word in ("--rate-factors", "'scores/*'", "score/kernel", "score/bias"):
        assert word in str(caught.value)


def test_a_run_in_which_everything_is_frozen_is_refused():
    with fresh(), pytest.raises(errors.UsageError, match="--rate-factors"):
        Classifier("adam", 1, factors=[("*", 0.0)])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_variable_that_the_loss_does_not_depend_on_is_left_alone(optimizer):
    found = lines(optimizer, [0.1, 0.1], ("a/kernel", "idle/kernel"), weight_decay=0.5)
    assert [float(step["idle/kernel"]) for step in found] == [5, 5]
    alone = lines(optimizer, [0.1, 0.1], ("a/kernel",), weight_decay=0.5)
    assert [step["a/kernel"] for step in found] == [step["a/kernel"] for step in alone]
    with fresh():
        idle = tf.get_variable("idle/kernel", ())
        net = Classifier(optimizer, 2, weight_decay=0.5, factors=[("idle/*", 3.0)])
        assert idle not in [v for _, v in net.step.grads]
        assert [n for n in (v.op.name for v in tf.global_variables() + tf.local_variables()) if "idle" in n] == [
            "idle/kernel"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batches_per_step", [1, 2])
def test_a_loss_that_is_not_finite_changes_no_weight_no_slot_and_no_sum(optimizer, batches_per_step):
    with fresh() as session:
        net = Classifier(optimizer, batches_per_step, weight_decay=0.1, factors=[("*/bias", 2.0)])
        start(session)
        for op in [net.step.collect] * (batches_per_step - 1) + [net.step.update]:  # so that slots hold something
            net.run(session, op, IMAGES, LABELS)
        ops = [net.step.update]
        if batches_per_step > 1:  # a step with good batches behind it, when the bad one comes
            net.run(session, net.step.collect, IMAGES, LABELS)
            ops.append(net.step.collect)
        before = values()
        for op in ops:
            for bad in (np.nan, np.inf):
                with pytest.raises(tf_errors.InvalidArgumentError, match="the loss is not finite"):
                    net.run(session, op, IMAGES, LABELS, bad)
        after = values()
    assert all(before[name].any() for name in before if name.startswith("sum/"))
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_gradient_that_is_not_finite_stops_the_update_though_the_loss_is(optimizer):
    with fresh() as session:
        w = tf.get_variable("w", (2,), initializer=tf.constant_initializer([0.0, 1.0]))
        step = optimize.build(tf.reduce_sum(tf.sqrt(w)), tf.constant(1.0), optimizer)  # its slope at 0 is infinite
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


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
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
