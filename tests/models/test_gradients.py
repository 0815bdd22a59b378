"""Gradients that are written out here, against those that TensorFlow derives, and when they are used."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.core import machine
from fcn.models import convolution, gradients, tf_compat
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


@pytest.mark.parametrize("has_gpu", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 0.02)])
def test_gradient_of_a_bias_equals_that_of_tensorflow(has_gpu, dtype, tolerance, monkeypatch):
    monkeypatch.setattr(tf_compat, "has_gpu", lambda: has_gpu)
    with tf.Graph().as_default() as graph:
        x, bias = (tf.cast(one, dtype) for one in (_random(2, 5, 3, 4), _random(4, seed=1)))
        ways = gradients.bias_add(x, bias), tf.nn.bias_add(x, bias)
        weights = tf.cast(_random(2, 5, 3, 4, seed=2), dtype)
        tensors = [tf.cast(one, tf.float32) for y in ways for one in (y, *tf.gradients(y, [x, bias], weights))]
        assert any(op.type == "BiasAddGrad" and "BiasAdd_grad" in op.name for op in graph.get_operations()) != has_gpu
        found = _evaluate(*tensors)
    for own, expected in zip(found[:3], found[3:], strict=True):
        np.testing.assert_allclose(own, expected, atol=tolerance * max(1, abs(expected).max()))


def test_gradient_of_a_bias_by_hand(monkeypatch):
    """Its sum over 300 ones is 300. A GPU that added in bfloat16, which has 8 bits, would stop at 256."""
    monkeypatch.setattr(tf_compat, "has_gpu", lambda: True)
    with tf.Graph().as_default() as graph:
        bias = tf.zeros(1, tf.bfloat16)
        y = gradients.bias_add(tf.zeros((1, 300, 1, 1), tf.bfloat16), bias)
        gradient, = _evaluate(tf.cast(tf.gradients(y, bias)[0], tf.float32))
        assert [op.inputs[0].dtype for op in graph.get_operations() if op.type == "Sum"] == [tf.float32]
    assert gradient == [300]


@pytest.mark.parametrize("is_first", [False, True])
def test_gradient_of_a_bias_can_be_computed_first(is_first):
    with tf.Graph().as_default():
        x, bias = _random(1, 2, 2, 3), _random(3, seed=1)
        to_x, to_bias = tf.gradients(gradients.bias_add(x, bias, is_first), [x, bias], _random(1, 2, 2, 3, seed=2))
        assert (to_bias.op in to_x.op.control_inputs) == is_first
        found = _evaluate(to_x, to_bias)
    np.testing.assert_allclose(found[1], found[0].sum((0, 1, 2)), rtol=1e-6)


@pytest.mark.parametrize("has_few_rows", [True, False, None])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 0.02)])
def test_product_and_its_gradients_equal_those_of_tensorflow(has_few_rows, dtype, tolerance):
    with tf.Graph().as_default():
        x, kernel = (tf.cast(one, dtype) for one in (_random(5, 16), _random(16, 3, seed=1)))
        few = None if has_few_rows is None else tf.constant(has_few_rows)
        ways, weights = (gradients.product(x, kernel, few), tf.matmul(x, kernel)), tf.cast(_random(5, 3, seed=2), dtype)
        found = _evaluate(*(tf.cast(one, tf.float32) for y in ways
                            for one in (y, *tf.gradients(y, [x, kernel], weights))))
    for own, expected in zip(found[:3], found[3:], strict=True):
        np.testing.assert_allclose(own, expected, atol=tolerance * abs(expected).max())


def test_product_by_hand():
    with tf.Graph().as_default():
        x, kernel = tf.constant([[1.0, 2, 3, 4, 5, 6, 7, 8]]), tf.constant([[10.0]] * 4 + [[1.0]] * 4)
        y = gradients.product(x, kernel, tf.constant(True))
        found = _evaluate(y, *tf.gradients(y, [x, kernel], tf.constant([[2.0]])))
    assert found[0] == [[10 * (1 + 2 + 3 + 4) + 5 + 6 + 7 + 8]]
    assert found[1].tolist() == [[20] * 4 + [2] * 4] and found[2].ravel().tolist() == [2, 4, 6, 8, 10, 12, 14, 16]


@pytest.mark.parametrize("shape, dtype, chosen, expected", [
    ((16, 4), "float32", None, "pieces"), ((16, 16), "float32", None, "pieces"),
    ((4, 16), "float32", None, "tf.matmul"),  # wide, as deconv3
    ((16, 3), "float32", None, "tf.matmul"),  # small
    ((20, 4), "float32", None, "whole"), ((16, 4), "bfloat16", None, "whole"),
    ((16, 4), "float32", "product", "tf.matmul"), ((16, 4), "float32", "conv2d_transpose", "tf.matmul")])  # exports
def test_which_products_use_pieces(shape, dtype, chosen, expected, monkeypatch):
    monkeypatch.setattr(convolution, "LARGE_KERNEL", 64)
    monkeypatch.setattr(tf_compat, "has_gpu", lambda: False)
    with tf.Graph().as_default() as graph:
        if chosen:
            convolution.use_implementation(chosen)
        convolution.product(tf.zeros((1, shape[0]), dtype), tf.zeros(shape, dtype), tf.constant(1))
        kinds = {op.type for op in graph.get_operations()}
    assert expected == ("pieces" if "Switch" in kinds else "whole" if "IdentityN" in kinds else "tf.matmul")


def test_images_have_the_same_products_alone_and_in_batches(monkeypatch):
    """Seven images of 12 x 10 px have more rows than FEW_PIXELS, one has fewer; one of 12 x 11 px has more."""
    monkeypatch.setattr(convolution, "LARGE_KERNEL", 64)
    monkeypatch.setattr(gradients, "_sum_of_pieces", lambda x, kernel: [-tf.matmul(x, kernel)])
    with tf.Graph().as_default(), new_session() as session:
        x = tf.placeholder(tf.float32, (None, None, None, 8))
        y = convolution.convolve_as_matmul(x, tf.ones((1, 1, 8, 8)), convolution.Window(1))
        signs = [np.unique(session.run(y, {x: np.ones(shape, np.float32)})).tolist() for shape in
                 ((1, 12, 10, 8), (7, 12, 10, 8), (1, 12, 11, 8))]
    assert signs == [[-8], [-8], [8]]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), classes=st.integers(1, 40), spread=st.sampled_from([0.1, 5.0, 1e4]))
def test_cross_entropy_equals_the_definition(seed, classes, spread):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, spread, (2, 3, 4, classes)).astype(np.float32)
    labels, weights = generator.integers(0, classes, (2, 3, 4)), generator.random((2, 3, 4))
    with tf.Graph().as_default():
        x = tf.constant(logits)
        losses = gradients.cross_entropy(x, tf.constant(labels, tf.int32))
        found = _evaluate(losses, tf.gradients(losses, x, tf.constant(weights, tf.float32))[0])
    moved = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    shares = np.exp(moved) / np.exp(moved).sum(-1, keepdims=True)
    expected = np.log(np.exp(moved).sum(-1)) - np.take_along_axis(moved, labels[..., None], -1)[..., 0]
    np.testing.assert_allclose(found[0], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[1], (shares - np.eye(classes)[labels]) * weights[..., None], atol=1e-6)


@pytest.mark.parametrize("has_gpu", [False, True])
@pytest.mark.parametrize(("logits", "loss"), [
    ([0.0, 0.0], np.log(2)), ([0.0, np.log(3)], np.log(4)), ([-1e30, 1e30], 2e30), ([1e30, -1e30], 0),
    ([88.0, -200.0], 0), ([-200.0, 88.0], 288), ([np.nan, 0.0], np.nan), ([0.0, np.nan], np.nan)])
def test_cross_entropy_of_the_first_channel_by_hand(logits, loss, has_gpu, monkeypatch):
    monkeypatch.setattr(tf_compat, "has_gpu", lambda: has_gpu)
    with tf.Graph().as_default() as graph:
        found, = _evaluate(gradients.cross_entropy(tf.constant([logits], tf.float32), tf.constant([0])))
        kinds = {op.type for op in graph.get_operations()}
    assert ("SparseSoftmaxCrossEntropyWithLogits" in kinds) == has_gpu
    np.testing.assert_allclose(found, [loss], rtol=1e-6)


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
