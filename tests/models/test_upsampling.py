"""Upsampling by 2 with a 3 x 3 kernel: every implementation against TensorFlow's operations, with gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_help import fresh

from fcn.models import convolution, upsampling, variables
from fcn.models.tf_compat import tf

RNG = np.random.default_rng(7)


def value_and_gradients(session, y, sources, x, images):
    weights = tf.constant(np.random.default_rng(1).normal(size=session.run(tf.shape(y), {x: images})), tf.float32)
    return session.run([y, *tf.gradients(tf.reduce_sum(y * y * weights), sources)], {x: images})


@pytest.mark.slow
@pytest.mark.parametrize("height_width", [(1, 1), (3, 4)])
@pytest.mark.parametrize("skip_channels", [0, 2])
def test_convolution_of_an_upsampled_map_equals_its_blocks(height_width, skip_channels):
    images, (height, width) = RNG.normal(size=(2, *height_width, 3)), height_width
    with fresh() as session:
        x = tf.placeholder(tf.float32, (None, None, None, 3))
        kernel = tf.constant(RNG.normal(size=(3, 3, 3 + skip_channels, 4)), tf.float32)
        skip = tf.constant(RNG.normal(size=(2, 2 * height, 2 * width, skip_channels)), tf.float32)
        upsampled = tf.reshape(tf.tile(x[:, :, None, :, None], (1, 1, 2, 1, 2, 1)), (2, 2 * height, 2 * width, 3))
        plain = tf.nn.conv2d(tf.concat([upsampled, skip], axis=3), kernel, 1, "SAME")
        skip = skip if skip_channels else None
        ways = [plain]
        for name in (convolution.PRODUCT, convolution.CONV2D_TRANSPOSE):
            convolution.use_implementation(name)
            ways.append(upsampling.convolve_upsampled(x, skip, kernel))
        sources = [x, kernel] + [skip] * bool(skip_channels)
        expected, *found = [value_and_gradients(session, y, sources, x, images) for y in ways]
    for way in found:
        for one, other in zip(way, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(one).max())


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**31))
def test_transposed_convolution_is_the_same_in_three_forms(height, width, depth, channels, seed):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(2, height, width, depth)).astype(np.float32)
    with fresh() as session:
        x = tf.placeholder(tf.float32, (None, None, None, depth))
        kernel = tf.get_variable("kernel", initializer=rng.normal(size=(3, 3, channels, depth)).astype(np.float32))
        session.run(tf.global_variables_initializer())
        ways = [way(x, kernel, lambda k: 2 * k) for way in (
            upsampling.upconvolve_as_conv2d_transpose, upsampling.upconvolve_as_convolutions,
            upsampling.upconvolve_as_product)]
        expected, *found = [value_and_gradients(session, y, [x, kernel], x, images) for y in ways]
    assert expected[0].shape == (2, 2 * height, 2 * width, channels)
    for way in found:
        for one, other in zip(way, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


@pytest.mark.parametrize(("channels", "size", "final", "operation"), [
    (8, 3, False, "MatMul"), (8, 3, True, "Conv2D"), (7, 3, False, "Conv2DBackpropInput"),
    (8, 4, False, "Conv2DBackpropInput")])
def test_wide_kernels_do_not_use_conv2d_transpose(channels, size, final, operation, monkeypatch):
    monkeypatch.setattr(upsampling, "LEAST_CHANNELS", 8)
    with fresh() as session:
        convolution.use_implementation(convolution.PRODUCT)
        if final:
            variables.keep_prepared()
        kernel = tf.get_variable("kernel", (size, size, channels, 2))
        y = upsampling.upconvolve(tf.zeros((1, 3, 4, 2)), kernel)
        assert y.shape[3] == channels
        used = {op.type for op in session.graph.get_operations()}
    assert used & {"MatMul", "Conv2D", "Conv2DBackpropInput"} == {operation}
