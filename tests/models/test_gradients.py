"""Gradients that are written out here, against those that TensorFlow derives, and when they are used."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.core import machine
from fcn.models import convolution, gradients
from fcn.models.tf_compat import new_session, tf


def _evaluate(*tensors):
    with new_session(tf.get_default_graph()) as session:
        return session.run(tensors)


def _random(*shape, seed=0, mean=0.0):
    return tf.constant(np.random.default_rng(seed).normal(mean, 1, shape).astype(np.float32))


@settings(max_examples=15, deadline=None)
@given(size=st.integers(1, 4), height=st.integers(4, 7), width=st.integers(4, 7), depth=st.integers(1, 3),
       channels=st.integers(1, 3), padding=st.sampled_from(["SAME", "VALID"]))
def test_kernel_gradient_equals_that_of_tensorflow(size, height, width, depth, channels, padding):
    with tf.Graph().as_default():
        x, kernel = _random(2, height, width, depth), _random(size, size, depth, channels, seed=1)
        ways = gradients.conv2d(x, kernel, padding), tf.nn.conv2d(x, kernel, 1, padding)
        weights = _random(*ways[1].shape, seed=2)
        (own, expected) = _evaluate(*([y, *tf.gradients(y, [x, kernel], weights)] for y in ways))
    for one, other in zip(own, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_kernel_gradient_of_one_pixel_is_a_product():
    x = np.zeros((1, 3, 3, 1), np.float32)
    x[0, 0, 1] = 5
    dy = np.zeros((1, 3, 3, 1), np.float32)
    dy[0, 1, 1] = 2  # the centre of the kernel is at (1, 1), so that number (0, 1) of it met the 5
    with tf.Graph().as_default():
        found, = _evaluate(gradients.kernel_gradient(tf.constant(x), tf.constant(dy), 3, "SAME"))
    assert found[..., 0, 0].tolist() == [[0, 10, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_gradient_equals_the_derived_one(training):
    with tf.Graph().as_default():
        x, gamma, beta = _random(3, 4, 5, 2, mean=2), _random(2, seed=1), _random(2, seed=2)
        mean, variance = tf.nn.moments(x, (0, 1, 2)) if training else (_random(2, seed=3), tf.constant([0.5, 2.0]))
        factor = tf.math.rsqrt(variance + 1e-3)
        ways = (gradients.batch_normalised(x, gamma, beta, mean, factor, tf.constant(training)),
                (x - mean) * factor * gamma + beta)
        weights = _random(3, 4, 5, 2, seed=4)
        own, expected = _evaluate(*([y, *tf.gradients(y, [x, gamma, beta], weights)] for y in ways))
    for one, other in zip(own, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("shape, dtype, has_avx512, own", [
    ((3, 3, 16, 256), "float32", False, True), ((3, 3, 15, 256), "float32", False, False),
    ((3, 3, 16, 257), "float32", False, False), ((1, 1, 16, 16), "float32", False, False),
    ((3, 3, 16, 16), "bfloat16", False, False), ((3, 3, 16, 16), "float32", True, False)])
def test_own_gradient_is_for_some_kernels_and_processors(shape, dtype, has_avx512, own, monkeypatch):
    monkeypatch.setattr(machine, "instructions", lambda: {"avx512f"} if has_avx512 else {"avx2"})
    with tf.Graph().as_default():
        convolution.use_implementation(convolution.PRODUCT)
        y = convolution.conv2d(tf.zeros((1, 8, 8, shape[2]), dtype), tf.zeros(shape, dtype), "SAME")
    assert ("_gradient_op_type" in y.op.node_def.attr) == own
