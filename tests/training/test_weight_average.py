"""Averages of the weights (--ema): their rule, where they are used, and what is swapped for a validation."""

import numpy as np
import pytest
from nets_help import fresh, start, values

from fcn.models import layers
from fcn.models.tf_compat import tf
from fcn.training import checkpoint, weight_update
from fcn.weights import checkpoint_reader

IMAGES = np.random.default_rng(4).normal(size=(4, 2, 3, 4, 2)).astype(np.float32)
AVERAGED = ("conv/kernel", "bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance")


def built(decay=0.9):
    """(placeholder of the images, Step) of a convolution with batch normalisation."""
    images = tf.placeholder(tf.float32, (None, None, None, 2))
    y = layers.batch_norm(layers.conv(images, "conv", 3, 3, bias=False), "bn", True, momentum=0.5)
    rule = weight_update.Rule("momentum", average=decay)
    return images, weight_update.build(tf.reduce_sum((y - 1) ** 2), tf.constant(100.0), rule)


def train(session, images, step, numbers):
    """The values of all variables before the first batch and after each batch."""
    found = [values()]
    for number in numbers:
        session.run(step.update, {images: IMAGES[number], step.learning_rate: 0.1})
        found.append(values())
    return found


@pytest.mark.parametrize("decay", [0.15, 0.999])
def test_averages_follow_the_rule_of_tensorflow(decay):
    """min(decay, (1 + n) / (10 + n)) with n updates before: 0.1, 2/11, 3/12, 4/13."""
    with fresh() as session:
        images, step = built(decay)
        start(session)
        session.run(step.average.start)
        found = train(session, images, step, range(4))
    for name in AVERAGED:
        expected = found[0][name].astype(np.float64)
        for ratio, after in zip((1 / 10, 2 / 11, 3 / 12, 4 / 13), found[1:], strict=True):
            rate = min(decay, ratio)
            expected = rate * expected + (1 - rate) * after[name]
            np.testing.assert_allclose(after[f"{name}/average"], expected, rtol=1e-5, atol=1e-6, err_msg=name)
    assert (found[4]["conv/kernel"] != found[4]["conv/kernel/average"]).all()


def test_averages_change_no_weight():
    with fresh() as session:
        images, step = built(0)
        start(session)
        plain = train(session, images, step, range(3))[-1]
    with fresh() as session:
        images, step = built(0.9)
        start(session)
        found = train(session, images, step, range(3))[-1]
    assert all((found[name] == plain[name]).all() for name in plain)
    assert found.keys() - plain.keys() == {"average_updates", *(f"{name}/average" for name in AVERAGED)}


def test_swapping_twice_gives_back_every_bit():
    with fresh() as session:
        images, step = built()
        start(session)
        before = train(session, images, step, range(2))[-1]
        session.run(step.average.swap)
        between = values()
        session.run(step.average.swap)
        after = values()
    for name in AVERAGED:
        np.testing.assert_array_equal(between[name], before[f"{name}/average"])
        np.testing.assert_array_equal(between[f"{name}/average"], before[name])
    assert all((after[name] == before[name]).all() for name in before)


@pytest.mark.slow
def test_checkpoint_has_weights_and_the_averages_a_net_gets(tmp_path):
    with fresh() as session:
        images, step = built()
        start(session)
        held = train(session, images, step, range(2))[-1]
        store = checkpoint.Store(tmp_path)
        path = store.save(session, {"step": 2, "score": None})
        session.run(tf.global_variables_initializer())
        store.restore(session, path)
        resumed = values()
    assert all((resumed[name] == held[name]).all() for name in held)
    read = checkpoint_reader.read_variables(path)
    assert read.keys() == set(AVERAGED)
    with fresh() as session:
        layers.batch_norm(layers.conv(tf.zeros((1, 2, 2, 2)), "conv", 3, 3, bias=False), "bn", False)
        checkpoint_reader.restore(session, path)
        restored = values()
    for name in AVERAGED:
        np.testing.assert_array_equal(read[name], held[f"{name}/average"])
        np.testing.assert_array_equal(restored[name], held[f"{name}/average"])
