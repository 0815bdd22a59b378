"""Every rule by hand, by its formula in float64, and against Keras; what it remembers is in the checkpoint."""

import json
import math
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from nets_help import fresh, start, values

from fcn.models.tf_compat import tf
from fcn.training import weight_update
from fcn.training.optimizers import radam

OPTIMIZERS = ("adam", "adamw", "momentum", "radam", "rmsprop")
RATES = [0.1, 0.1, 0.02, 0.05, 0.01] * 4
GRADS = np.random.default_rng(5).normal(size=(len(RATES), 5)) * [1, 1e-3, 1e-5, 10, 0.1]  # 1e-5 is where epsilon tells


def lines(optimizer, rates, names=("w",), pixels=4.0, **options):
    """[{name: value}, ...] after each step of variables from 5, each with a loss of 3 w^2 / 2 over so many pixels.

    So the gradient of a step is 3 w / pixels.
    """
    with fresh() as session:
        found = {n: tf.get_variable(n, (), initializer=tf.constant_initializer(5.0)) for n in names}
        loss = tf.add_n([1.5 * w * w for w in found.values()])
        step = weight_update.build(loss, tf.constant(pixels), weight_update.Rule(optimizer, **options))
        start(session)
        history = []
        for rate in rates:
            session.run(step.update, {step.learning_rate: rate})
            history.append(session.run(found))
        return history


def line(optimizer, rates, name="w", **options):
    """The values of one such variable."""
    return [float(found[name]) for found in lines(optimizer, rates, (name,), **options)]


def followed(optimizer, rates=RATES, grads=GRADS, weight_decay=0.0):
    """The values of a kernel from ones after each of these gradients."""
    with fresh() as session:
        kernel = tf.get_variable("a/kernel", grads[0].shape, initializer=tf.ones_initializer())
        gradient, rate = tf.placeholder(tf.float32, kernel.shape), tf.placeholder(tf.float32, ())
        update = weight_update.apply(weight_update.Rule(optimizer, weight_decay=weight_decay), [(gradient, kernel)],
                                     rate)
        start(session)
        return np.array([session.run(update, {gradient: g, rate: r}) or session.run(kernel)
                         for g, r in zip(grads, rates, strict=True)])


def adam_reference(rates, decay=0.0, w=5.0):
    """Kingma & Ba (2015), section 2, the faster order of computation, for 3 w / 4; decay: L2, in the gradient."""
    m, v, found = 0.0, 0.0, []
    for t, rate in enumerate(rates, 1):
        g = 3 * w / 4 + decay * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= rate * math.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t) * m / (math.sqrt(v) + 1e-8)
        found.append(w)
    return found


def radam_reference(rates, grads, decay=0.0, epsilon=1e-8):
    """Liu et al. (2020), algorithm 2, line by line in float64, from ones; decay: L2. [w, ...] and [rho, ...]."""
    w, m, v, found, rhos = np.ones(grads.shape[1:]), 0.0, 0.0, [], []
    rho_inf = 2 / (1 - 0.999) - 1
    for t, (rate, g) in enumerate(zip(rates, grads, strict=True), 1):
        g = g + decay * w
        v = 0.999 * v + (1 - 0.999) * g ** 2
        m = 0.9 * m + (1 - 0.9) * g
        corrected = m / (1 - 0.9 ** t)
        rhos.append(rho_inf - 2 * t * 0.999 ** t / (1 - 0.999 ** t))
        if rhos[-1] > 4:
            adaptive = math.sqrt(1 - 0.999 ** t) / (np.sqrt(v) + epsilon)
            rectification = math.sqrt((rhos[-1] - 4) * (rhos[-1] - 2) * rho_inf
                                      / ((rho_inf - 4) * (rho_inf - 2) * rhos[-1]))
            w = w - rate * rectification * corrected * adaptive
        else:
            w = w - rate * corrected
        found.append(w)
    return np.array(found), rhos


BY_KERAS = """
import json, sys
import numpy as np
import keras
rates, grads = json.load(sys.stdin)
found = {}
for name, rule in {"rmsprop": keras.optimizers.RMSprop(),
                   "adam": keras.optimizers.Adam(epsilon=1e-8),
                   "adamw": keras.optimizers.AdamW(weight_decay=0.5, epsilon=1e-8),
                   "momentum": keras.optimizers.SGD(momentum=0.9)}.items():
    kernel = keras.Variable(np.ones(len(grads[0]), np.float32))
    rule.build([kernel])
    found[name] = []
    for rate, gradient in zip(rates, grads):
        rule.learning_rate = rate
        rule.apply([np.array(gradient, np.float32)], [kernel])
        found[name].append(keras.ops.convert_to_numpy(kernel).tolist())
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def by_keras():
    """{rule: values after each of RATES and GRADS}: a process of its own, for Keras 3 needs eager mode."""
    pytest.importorskip("keras")
    done = subprocess.run([sys.executable, "-c", BY_KERAS], input=json.dumps([RATES, GRADS.tolist()]), text=True,
                          check=True, capture_output=True, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"})
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["rmsprop", "adam", "adamw", "momentum"])
def test_every_weight_moves_like_in_keras(by_keras, optimizer):
    found = followed(optimizer, weight_decay=0.5 if optimizer == "adamw" else 0.0)
    assert (np.abs(found[-1] - 1) > 1e-6).all()
    np.testing.assert_allclose(found, by_keras[optimizer], rtol=1e-5)


def test_momentum_by_hand():
    # g = 3.75, v = 0.4 * 3.75 = 1.5, w = 5 - 1.5 = 3.5; g = 2.625, v = 0.9 * 1.5 + 0.2 * 2.625 = 1.875, w = 1.625
    assert line("momentum", [0.4, 0.2]) == pytest.approx([3.5, 1.625], rel=1e-6)
    # without momentum: w = 5 - 0.4 * 3.75 = 3.5; w = 3.5 - 0.4 * 2.625 = 2.45
    assert line("momentum", [0.4, 0.4], momentum=0.0) == pytest.approx([3.5, 2.45], rel=1e-6)


def test_decay_by_hand_is_in_the_velocity_of_kernels_only():
    # g = 3.75 + 0.5 * 5 = 6.25, v = 2.5, w = 2.5; g = 1.875 + 1.25 = 3.125, v = 0.9 * 2.5 + 1.25 = 3.5, w = -1
    assert line("momentum", [0.4, 0.4], "a/kernel", weight_decay=0.5) == pytest.approx([2.5, -1], rel=1e-6)
    assert line("momentum", [0.4, 0.2], "a/bias", weight_decay=0.5) == line("momentum", [0.4, 0.2])


def test_momentum_matches_tensorflow_at_a_constant_rate():
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


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "momentum"])
def test_setting_momentum_affects_only_momentum(optimizer):
    assert line(optimizer, [0.1, 0.1], momentum=0.0) == line(optimizer, [0.1, 0.1], momentum=0.99)


def test_adam_by_hand():
    expected = adam_reference([0.3, 0.3, 0.1])
    assert expected[0] == pytest.approx(4.7, abs=1e-5)  # the first step is the rate, whatever the gradient
    assert line("adam", [0.3, 0.3, 0.1]) == pytest.approx(expected, rel=1e-5)


def test_decay_of_adam_is_part_of_the_gradient():
    assert line("adam", [0.3, 0.3, 0.1], "a/kernel", weight_decay=0.5) == pytest.approx(
        adam_reference([0.3, 0.3, 0.1], 0.5), rel=1e-5)
    assert line("adam", [0.3], "a/kernel", weight_decay=0.5) == pytest.approx([4.7], abs=1e-5)
    assert line("adam", [0.3, 0.3], "a/bias", weight_decay=0.5) == line("adam", [0.3, 0.3])


def test_decay_of_adamw_is_decoupled_from_the_gradient():
    # Their algorithm 2, line 12, with the rate on both parts: w = w - rate (m / (sqrt(v) + eps) + decay w), hats on m
    # and v. First step: m / sqrt(v) = 1, so w = 5 - 0.1 (1 + 0.5 * 5) = 4.65. Second: g = 3.4875, m = 0.9 * 0.375 +
    # 0.34875 = 0.68625, over 0.19: 3.611842; v = 0.999 * 0.0140625 + 0.001 * 3.4875^2 = 0.0262111, over 0.001999:
    # 13.11211, its root 3.621064; w = 4.65 - 0.1 (0.997453 + 0.5 * 4.65) = 4.317755.
    found = line("adamw", [0.1, 0.1], "a/kernel", weight_decay=0.5)
    assert found == pytest.approx([4.65, 4.317755], abs=2e-6)


def test_adamw_without_decay_equals_adam():
    plain = line("adam", [0.3, 0.3, 0.1])
    assert line("adamw", [0.3, 0.3, 0.1], "a/kernel") == plain
    assert line("adamw", [0.3, 0.3, 0.1], "a/bias", weight_decay=0.5) == plain


def test_decay_of_adamw_scales_with_the_rate():
    (found,) = lines("adamw", [0.1], ("a/kernel", "b/kernel"), factor_of={"a/kernel": 1.0, "b/kernel": 2.0},
                     weight_decay=0.001)
    # 5 - 0.1 - 0.1 * 0.001 * 5 and 5 - 0.2 - 0.2 * 0.001 * 5
    assert (found["a/kernel"], found["b/kernel"]) == pytest.approx((4.8995, 4.799), abs=1e-4)


def test_rmsprop_by_hand():
    # The example in Keras's documentation: 10 with gradient 10 becomes 9.683772, for s = 0.1 * 100 and 10 / sqrt(s) =
    # 3.162278. Then, at half the rate, s = 0.9 * 10 + 0.1 * 4 = 9.4 and 2 / sqrt(s) = 0.6523281.
    found = 9 + followed("rmsprop", [0.1, 0.05], np.array([[10.0], [2.0]]))
    assert found[:, 0] == pytest.approx([9.683772, 9.683772 - 0.05 * 0.6523281], abs=1e-6)


def test_epsilon_of_rmsprop_is_inside_the_root():
    # s = 0.1 * 1e-12, far below 1e-7, so w = 1 - 1e-6 / sqrt(1e-7) = 1 - 0.0031623; beside the root it were 1 - 2.4
    assert followed("rmsprop", [1.0], np.array([[1e-6]]))[0] == pytest.approx(1 - 0.0031623, abs=1e-6)


def test_decay_of_rmsprop_and_radam_is_part_of_the_gradient():
    # the first step of RMSprop is rate / sqrt(0.1), whatever the gradient; of RAdam it is the gradient itself
    assert line("rmsprop", [0.1], "a/kernel", weight_decay=0.5) == pytest.approx([5 - 0.1 * math.sqrt(10)], rel=1e-6)
    assert line("radam", [0.1], "a/kernel", weight_decay=0.5) == pytest.approx([5 - 0.1 * (3.75 + 2.5)], rel=1e-6)
    assert line("radam", [0.1], "a/bias", weight_decay=0.5) == pytest.approx([5 - 0.1 * 3.75], rel=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_rectified_adam_matches_algorithm_2_over_50_steps(decay):
    rng = np.random.default_rng(2)
    rates = rng.uniform(0.01, 0.1, 50)
    grads = 0.3 + rng.normal(size=(50, 6)) * [1, 1, 1e-3, 1e-3, 5, 0.1]
    expected, rhos = radam_reference(rates, grads, decay)
    assert [rho > 4 for rho in rhos] == [False] * 4 + [True] * 46
    np.testing.assert_allclose(followed("radam", rates, grads, decay), expected, rtol=1e-5, atol=1e-6)


def test_rectified_adam_adds_epsilon_beside_the_root_like_adam():
    grads = np.full((8, 1), 1e-7)  # sqrt(v) is then about as large as epsilon
    with_it, without = (radam_reference([1.0] * 8, grads, epsilon=epsilon)[0] for epsilon in (1e-8, 0.0))
    assert np.abs(with_it - without).max() > 0.003
    np.testing.assert_allclose(followed("radam", [1.0] * 8, grads), with_it, atol=1e-5)


def test_rectification_is_exact_from_step_1_to_a_million():
    beta = Fraction(999, 1000)
    with fresh() as session:
        t = tf.placeholder(tf.float64, ())
        both = radam.rectified(t)
        for step in (1, 2, 3, 4, 5, 6, 7, 50, 1000):
            power, most = beta ** step, 1999
            rho = most - 2 * step * power / (1 - power)
            expected = 1 / (1 - Fraction(9, 10) ** step)
            if rho > 4:
                expected *= math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho) * (1 - power))
            is_rectified, size = session.run(both, {t: step})
            assert is_rectified == (rho > 4) == (step >= 5)
            assert size == pytest.approx(float(expected), rel=1e-8), step
        assert session.run(both, {t: 1_000_000}) == (True, pytest.approx(1, rel=1e-12))  # Adam by then


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_factor_multiplies_the_rate_of_its_variable(optimizer):
    factor_of, rates = {"a/kernel": 0.5, "b/kernel": 2.0, "b/bias": 4.0}, [0.04, 0.02]
    found = lines(optimizer, rates, factor_of, factor_of=factor_of)
    for name, factor in factor_of.items():
        alone = line(optimizer, [rate * factor for rate in rates])
        assert [float(step[name]) for step in found] == pytest.approx(alone, rel=1e-6), name


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_keeps_gradients_of_two_variables_apart(optimizer):
    both = lines(optimizer, RATES[:7], ("a/kernel", "b/kernel"), weight_decay=0.1)
    assert [float(step["b/kernel"]) for step in both] == line(optimizer, RATES[:7], "a/kernel", weight_decay=0.1)


@pytest.mark.parametrize(("optimizer", "slots"), [
    ("momentum", {"a/kernel/Momentum"}), ("rmsprop", {"a/kernel/RMSProp"}),
    ("adam", {"a/kernel/Adam", "a/kernel/Adam_1", "beta1_power", "beta2_power"}),
    ("adamw", {"a/kernel/Adam", "a/kernel/Adam_1", "beta1_power", "beta2_power"}),
    ("radam", {"a/kernel/RAdam", "a/kernel/RAdam_1", "radam_step"})])
def test_optimizer_slots_have_these_names(optimizer, slots):
    with fresh() as session:
        kernel = tf.get_variable("a/kernel", (2,))
        step = weight_update.build(tf.reduce_sum(kernel), tf.constant(1.0),
                                   weight_update.Rule(optimizer, weight_decay=0.5))
        start(session)
        assert {v.op.name for v in tf.global_variables()} == {"a/kernel"} | slots
        assert tf.trainable_variables() == [kernel]
        before = values()
        session.run(step.update, {step.learning_rate: 0.1})
        after = values()
    assert all((after[name] != before[name]).all() for name in before)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_saved_and_restored_run_continues_exactly(optimizer, tmp_path):
    def built():
        kernel = tf.get_variable("a/kernel", (), initializer=tf.constant_initializer(5.0))
        return kernel, weight_update.build(1.5 * kernel * kernel, tf.constant(4.0),
                                           weight_update.Rule(optimizer, weight_decay=0.1))
    undisturbed = line(optimizer, RATES[:8], "a/kernel", weight_decay=0.1)
    for stop in (3, 6):  # RAdam is rectified from the 5th step on
        with fresh() as session:
            _, step = built()
            start(session)
            for rate in RATES[:stop]:
                session.run(step.update, {step.learning_rate: rate})
            tf.train.Saver(tf.global_variables()).save(session, str(tmp_path / f"{stop}"))
        with fresh() as session:
            kernel, step = built()
            tf.train.Saver(tf.global_variables()).restore(session, str(tmp_path / f"{stop}"))
            session.run(tf.local_variables_initializer())
            for rate in RATES[stop:8]:
                session.run(step.update, {step.learning_rate: rate})
            assert float(session.run(kernel)) == undisturbed[-1]
