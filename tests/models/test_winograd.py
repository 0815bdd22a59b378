"""Winograd convolutions against tf.nn.conv2d: outputs, gradients, sizes, and when they are used."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.core import machine
from fcn.models import convolution, winograd
from fcn.models.tf_compat import new_session, tf


def random(*shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def both(shape, channels, dynamic=False):
    """[output, gradient to x, to the kernel] of convolve() and of tf.nn.conv2d."""
    values = random(*shape, seed=0)
    with tf.Graph().as_default(), new_session() as session:
        x = tf.placeholder(tf.float32, (None, None, None, shape[3])) if dynamic else tf.constant(values)
        kernel = tf.constant(random(3, 3, shape[3], channels, seed=1))
        weights = tf.constant(random(*shape[:3], channels, seed=2))
        ways = winograd.convolve(x, kernel), tf.nn.conv2d(x, kernel, 1, "SAME")
        return session.run([[y, *tf.gradients(y, [x, kernel], weights)] for y in ways], {x: values} if dynamic else {})


@pytest.mark.slow
@pytest.mark.parametrize("least", [0, 10 ** 9])
@settings(max_examples=12, deadline=None)
@given(count=st.integers(1, 2), height=st.integers(1, 13), width=st.integers(1, 13), depth=st.integers(1, 3),
       channels=st.integers(1, 3))
def test_outputs_and_gradients_equal_conv2d(least, count, height, width, depth, channels):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "LEAST_TILES", least)
        own, expected = both((count, height, width, depth), channels)
    for one, other in zip(own, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=3e-5 * max(1, abs(other).max()))


def test_size_may_be_known_at_run_time_only():
    own, expected = both((2, 30, 21, 4), 5, dynamic=True)  # 2 x 8 x 6 tiles
    for one, other in zip(own, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * abs(other).max())


@pytest.mark.parametrize(("shape", "fast"), [
    ((1, 28, 28), True), ((9, 25, 28), True), ((9, 24, 28), False),  # 49, 49 and 42 tiles in an image
    ((1, 9, 64), True), ((1, 1, 400), False), ((1, 190, 2), False)])  # pixels: 3/4, 1/4, 0.49 of those of the tiles
def test_size_of_an_image_decides(shape, fast, monkeypatch):
    """Winograd's form has the other sign here."""
    monkeypatch.setattr(winograd, "_convolved", lambda x, kernel: [-tf.nn.conv2d(x, kernel, 1, "SAME")])
    with tf.Graph().as_default(), new_session() as session:
        y = session.run(winograd.convolve(tf.ones((*shape, 1)), tf.ones((3, 3, 1, 1))))
    assert abs(y).max() == 9 - 6 * (1 in shape[1:]) - 3 * (2 in shape[1:])
    assert (y.max() < 0) == fast


def test_shapes_known_at_run_time_only():
    """The gradient to the output, and the depth of the input."""
    values, weights = random(1, 28, 29, 3, seed=0), random(1, 28, 29, 5, seed=2)
    with tf.Graph().as_default(), new_session() as session:
        x, dy, kernel = (tf.placeholder(tf.float32, (None,) * 4), tf.placeholder(tf.float32),
                         tf.constant(random(3, 3, 3, 5, seed=1)))
        ways = winograd.convolve(x, kernel), tf.nn.conv2d(x, kernel, 1, "SAME")
        own, expected = session.run([[y, *tf.gradients(y, [x, kernel], dy)] for y in ways], {x: values, dy: weights})
    for one, other in zip(own, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * abs(other).max())


def test_one_pixel_by_hand(monkeypatch):
    """A single 5 at (2, 1) copies the kernel, turned by 180 degrees, around it."""
    monkeypatch.setattr(winograd, "LEAST_TILES", 0)
    x, kernel = np.zeros((1, 6, 5, 1), np.float32), np.arange(9, dtype=np.float32).reshape(3, 3, 1, 1)
    x[0, 2, 1, 0] = 5
    with tf.Graph().as_default(), new_session() as session:
        y = session.run(winograd.convolve(tf.constant(x), tf.constant(kernel)))[0, ..., 0]
    expected = np.zeros((6, 5))
    expected[1:4, 0:3] = 5 * np.arange(8, -1, -1).reshape(3, 3)
    np.testing.assert_allclose(y, expected, atol=1e-4)


@pytest.mark.parametrize(("shape", "padding", "instructions", "chosen", "used"), [
    ((3, 3, 128, 256), "SAME", {"avx512f"}, None, True), ((3, 3, 256, 128), "SAME", {"avx512f"}, None, True),
    ((3, 3, 127, 256), "SAME", {"avx512f"}, None, False), ((3, 3, 128, 255), "SAME", {"avx512f"}, None, False),
    ((3, 3, 128, 256), "VALID", {"avx512f"}, None, False), ((3, 3, 128, 256), "SAME", {"avx2"}, None, False),
    ((1, 1, 128, 256), "SAME", {"avx512f"}, None, False),
    ((3, 3, 128, 256), "SAME", {"avx512f"}, "product", False),  # as in exported graphs
    ((3, 3, 128, 256), "SAME", {"avx512f"}, "conv2d_transpose", False)])
def test_which_convolutions_use_it(shape, padding, instructions, chosen, used, monkeypatch):
    monkeypatch.setattr(machine, "instructions", lambda: frozenset(instructions))
    with tf.Graph().as_default() as graph:
        if chosen:
            convolution.use_implementation(chosen)
        convolution.conv2d(tf.zeros((1, 9, 9, shape[2])), tf.zeros(shape), padding)
        assert used == any(op.type == "IdentityN" for op in graph.get_operations())
