"""Loss scaling for float16: what it saves, what a skipped step leaves as it was, and when it ends a run."""

import numpy as np
import pytest
from nets_help import fresh, start, values

from fcn.models import layers, variables
from fcn.models.tf_compat import tf, tf_errors
from fcn.training import loss_scale, weight_update

BATCHES = np.random.default_rng(3).normal(size=(12, 2, 3, 4, 2)).astype(np.float32)
SCALE = {"loss_scale", "loss_scale_good_steps"}
OPTIMIZERS = ("momentum", "adam", "adamw", "radam", "rmsprop")
AVERAGED = {"average": 0.9, "weight_decay": 0.01, "clip_norm": 1.0}


class Net:
    """A convolution with batch normalisation, whose loss is the mean square of its output times `factor`."""

    def __init__(self, batches_per_step=1, optimizer="momentum", loss_scaling=True, terms=1, **options):
        self.images, self.factor = tf.placeholder(tf.float32, (None, None, None, 2)), tf.placeholder(tf.float32, ())
        y = layers.batch_norm(layers.conv(self.images, "conv", 3, 3), "bn", True, momentum=0.5) + 1
        self.offset = tf.placeholder_with_default(0.0, ())
        loss = tf.reduce_sum(tf.square(y)) * self.factor + self.offset
        pixels = tf.cast(tf.size(y), tf.float32)
        rule = weight_update.Rule(optimizer, loss_scaling=loss_scaling, **options)
        if terms == 2:
            loss, pixels = tf.stack([loss, 2 * loss]), tf.stack([pixels, 3 * pixels])
        self.step = weight_update.build(loss, pixels, rule, batches_per_step)

    def batch(self, session, number, factor=1.0, offset=0.0):
        """Train on one batch; the loss scale."""
        op = self.step.collect if self.step.collect is not None and number % 2 == 0 else self.step.update
        session.run(op, {self.images: BATCHES[number], self.factor: factor, self.offset: offset,
                         self.step.learning_rate: 0.1})
        return values().get("loss_scale")


def trained(factors, **options):
    """Values of all variables after one batch for each of `factors`."""
    with fresh() as session:
        net = Net(**options)
        start(session)
        for number, factor in enumerate(factors):
            net.batch(session, number, factor)
        return {name: value for name, value in values().items() if name not in SCALE}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_scaling_changes_no_bit_of_a_float32_step(optimizer):
    assert_equal(trained([1, 1], optimizer=optimizer), trained([1, 1], optimizer=optimizer, loss_scaling=False))


@pytest.mark.slow
@pytest.mark.parametrize("terms", [1, 2])
def test_scaled_sums_of_batches_are_those_of_plain_ones(terms):
    """A batch is scaled by its own pixels first, which rounds once more."""
    found, expected = (trained([1] * 4, batches_per_step=2, terms=terms, loss_scaling=on) for on in (True, False))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_skipped_step_changes_nothing_but_the_scale(optimizer):
    with fresh() as session:
        net = Net(optimizer=optimizer, **AVERAGED)
        start(session)
        net.batch(session, 0)
        before = values()
        assert net.batch(session, 1, np.inf) == loss_scale.START / 2
        after = values()
    assert {name for name in before if (before[name] != after[name]).any()} == SCALE
    assert (before["loss_scale_good_steps"], after["loss_scale_good_steps"]) == (1, 0)


@pytest.mark.parametrize("batches_per_step", [1, 2])
def test_infinite_loss_with_a_finite_gradient_is_skipped(batches_per_step):
    with fresh() as session:
        net = Net(batches_per_step)
        start(session)
        before = values()
        for number in range(batches_per_step):
            net.batch(session, number, offset=np.inf if number == 0 else 0)
        after = values()
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert "loss_scale" in changed and not changed & {"conv/kernel", "bn/gamma"}


@pytest.mark.slow
@pytest.mark.parametrize("spoiled", [0, 1])
def test_overflow_in_a_batch_skips_its_step_and_no_other(spoiled):
    """Only the moving averages keep the sound batch of a skipped step."""
    with fresh() as session:
        net = Net(2, **AVERAGED)
        start(session)
        before = values()
        for number in (0, 1):
            net.batch(session, number, np.nan if number == spoiled else 1)
        between = values()
        changed = {name for name in before if (before[name] != between[name]).any()}
        assert changed == {"loss_scale"} | (set() if spoiled == 0 else {"bn/moving_mean", "bn/moving_variance"})
        for number in (2, 3):
            net.batch(session, number)
        after = values()
    assert all(np.isfinite(value).all() for value in after.values())
    assert (after["conv/kernel"] != before["conv/kernel"]).any()


def test_scale_doubles_after_so_many_good_steps(monkeypatch):
    monkeypatch.setattr(loss_scale, "INTERVAL", 3)
    monkeypatch.setattr(loss_scale, "MOST", 2.0 ** 16)
    with fresh() as session:
        net = Net()
        start(session)
        found = [net.batch(session, number, factor) for number, factor in enumerate(
            [1, 1, np.inf, 1, 1, 1, 1, 1, 1, 1, 1, 1])]
    assert [np.log2(scale) for scale in found] == [15, 15, 14, 14, 14, 15, 15, 15, 16, 16, 16, 16]


@pytest.mark.parametrize(("batches_per_step", "what"), [(1, "loss"), (2, "loss")])
def test_overflow_at_the_least_scale_ends_the_run(batches_per_step, what):
    with fresh() as session:
        net = Net(batches_per_step)
        start(session)
        next(v for v in tf.global_variables() if v.op.name == "loss_scale").load(loss_scale.LEAST, session)
        before = values()
        with pytest.raises(tf_errors.InvalidArgumentError, match=f"the {what} is not finite"):
            net.batch(session, 0, np.inf)
        after = values()
    assert all((before[name] == after[name]).all() for name in before)


@pytest.mark.parametrize(("loss_scaling", "expected"), [(False, 0.0), (True, 2.0 ** -26)])
def test_small_gradient_is_lost_in_float16_without_scaling(loss_scaling, expected):
    """d loss / d weight = 2^-26, below the smallest number of float16, 2^-24."""
    with fresh() as session:
        kernel = tf.get_variable("one/kernel", (), initializer=tf.ones_initializer())
        loss = tf.cast(tf.cast(kernel, tf.float16) * 2.0 ** -13, tf.float32) * 2.0 ** -13
        step = weight_update.build(loss, tf.constant(1.0), weight_update.Rule(loss_scaling=loss_scaling))
        start(session)
        assert session.run(step.grads[0][0]) == pytest.approx(expected, rel=1e-3)


def test_scale_is_saved_and_is_not_part_of_the_net():
    with fresh():
        Net(average=0.9)
        names = {v.op.name for v in tf.global_variables()}
        assert names >= SCALE
        assert {v.op.name for v in variables.of_net()} == {"conv/kernel", "conv/bias", "bn/gamma", "bn/beta",
                                                           "bn/moving_mean", "bn/moving_variance"}
