"""Transposed convolution: one matrix product against TensorFlow's operation, and pixels in the order of blocks."""

import nets_help
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_help import fresh

from fcn.data.label_policy import LabelPolicy
from fcn.models import batch_loss, blocks, convolution, graph_builder, layers, tf_compat, variables
from fcn.models.architecture import Architecture
from fcn.models.blocks import Blocks
from fcn.models.losses import cross_entropy
from fcn.models.tf_compat import tf

RNG = np.random.default_rng(7)


def plainly(x, kernel, factor):
    """The transposed convolution as TensorFlow has it, whole: (N, factor (H + 1), factor (W + 1), out)."""
    shape = tf.shape(x)
    whole = tf.stack([shape[0], factor * (shape[1] + 1), factor * (shape[2] + 1), tf.shape(kernel)[2]])
    return tf.nn.conv2d_transpose(x, kernel, whole, factor, "VALID")


def value_and_gradients(session, y, sources, x, images):
    weights = tf.constant(np.random.default_rng(1).normal(size=session.run(tf.shape(y), {x: images})), tf.float32)
    return session.run([y, *tf.gradients(tf.reduce_sum(y * y * weights), sources)], {x: images})


@pytest.mark.slow
@pytest.mark.parametrize("factor", [2, 8, 16, 32])
@pytest.mark.parametrize("height_width", [(1, 1), (2, 3), (5, 4)])
def test_transposed_convolution_equals_one_matrix_product(factor, height_width):
    images, weights = RNG.normal(size=(2, *height_width, 3)), RNG.normal(size=(2 * factor, 2 * factor, 4, 3))
    with fresh() as session:
        x, kernel = tf.placeholder(tf.float32, (None, None, None, 3)), tf.constant(weights, tf.float32)
        product = blocks.to_pixels(convolution.transposed_as_matmul(x, kernel, factor), factor)
        ways = (plainly(x, kernel, factor), product)
        found = [value_and_gradients(session, y, [x, kernel], x, images) for y in ways]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(one).max())


@pytest.mark.slow
@pytest.mark.parametrize("factor", [2, 8, 16, 32])
@pytest.mark.parametrize("height_width", [(1, 1), (3, 4)])
def test_bilinear_upsampling_equals_a_full_transposed_kernel(factor, height_width):
    images = RNG.normal(size=(2, *height_width, 3))
    with fresh() as session:
        x = tf.placeholder(tf.float32, (None, None, None, 3))
        kernel = convolution.bilinear_kernel((2 * factor, 2 * factor, 3, 3), None)
        ways = (plainly(x, kernel, factor), blocks.to_pixels(convolution.bilinear_as_matmul(x, factor), factor))
        found = [value_and_gradients(session, y, [x], x, images) for y in ways]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6 * np.abs(one).max())


def in_blocks(images, factor, offset):
    """Blocks of these scores (N, H, W, C), with 1000 in every pixel outside of the image."""
    _, height, width, channels = images.shape
    below, right = ((-offset - side) % factor for side in (height, width))
    padded = np.pad(images, ((0, 0), (offset, below), (offset, right), (0, 0)), constant_values=1000)
    return Blocks(tf.nn.space_to_depth(tf.constant(padded, tf.float32), factor) if factor > 1
                  else tf.constant(padded, tf.float32), factor, channels, offset, (height, width))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.sampled_from([(1, 0), (2, 1), (8, 4), (8, 31), (32, 19)]), st.integers(1, 40), st.integers(1, 40),
       st.integers(1, 3), st.integers(0, 2**31))
def test_block_order_can_be_inverted_and_keeps_the_loss(form, height, width, channels, seed):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(2, height, width, channels)).astype(np.float32)
    labels = rng.integers(0, channels, images.shape[:3])
    with fresh() as session:
        found = in_blocks(images, *form)
        arranged = found.arrange(tf.constant(labels, tf.int32), outside=channels)
        in_rows, in_order = (batch_loss.weighted(cross_entropy.per_pixel, *pair, LabelPolicy()) for pair in (
            (tf.constant(images), tf.constant(labels)), (found.listed(), arranged)))
        pixels, again, expected, got, losses = session.run(
            [found.pixels(), found.restore(arranged), *[[tf.reduce_sum(part) for part in way]
                                                        for way in (in_rows, in_order)], found.restore(in_order[0])])
        whole = session.run(in_rows[0])
    np.testing.assert_array_equal(pixels, images)
    np.testing.assert_array_equal(again, labels)
    np.testing.assert_allclose(losses, whole, rtol=1e-6, atol=1e-7)
    assert got == pytest.approx(expected, rel=1e-5, abs=1e-5)  # sum of losses, number of pixels


def test_blocks_of_two_are_contiguous_in_memory():
    x = np.arange(1, 17).reshape(1, 4, 4, 1)
    with fresh() as session:
        found = Blocks(blocks.to_blocks(tf.constant(x, tf.float32), 2), 2, 1, 0, (4, 4))
        listed, arranged = session.run([found.listed()[..., 0], found.arrange(tf.constant(x[..., 0]), 0)])
    by_hand = [[[1, 2, 5, 6, 3, 4, 7, 8], [9, 10, 13, 14, 11, 12, 15, 16]]]
    np.testing.assert_array_equal(listed, by_hand)
    np.testing.assert_array_equal(arranged, by_hand)


def both_ways(build, images, dtype=tf.float32):
    """[(pixels, gradients to x and to every variable)] of build(x) -> Blocks, by either implementation."""
    found = []
    for name in (convolution.PRODUCT, convolution.CONV2D_TRANSPOSE):
        with fresh() as session:
            layers.use_implementation(name)
            x = tf.placeholder(tf.float32, (None, None, None, images.shape[3]))
            made = build(tf.cast(x, dtype))
            assert made.factor == (2 if name == convolution.PRODUCT else 1)
            height, width = (2 * side - cut for side, cut in zip(images.shape[1:3], (0, 1), strict=True))
            pixels = tf.cast(made.crop((height, width), 1).pixels(), tf.float32)
            nets_help.start(session)
            nets_help.randomise(session, 5)
            sources = [x, *tf.trainable_variables()]
            found.append(value_and_gradients(session, pixels, sources, x, images))
            assert found[-1][0].shape[1:3] == (height, width)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kernel_init", [layers.FIXED_BILINEAR, layers.bilinear_kernel], ids=["fixed", "learned"])
@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_both_implementations_have_equal_pixels_and_gradients(dtype, kernel_init, bias):
    found = both_ways(lambda x: layers.conv2d_transpose(x, "up", 2, kernel_init=kernel_init, bias=bias),
                      RNG.normal(size=(2, 3, 4, 3)), dtype)
    assert len(found[0]) == 2 + (kernel_init != layers.FIXED_BILINEAR) + bias  # pixels, gradients
    tolerance = 1e-5 if dtype == tf.float32 else 0.03  # bfloat16 has 8 bits
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(one).max())


def test_gradient_of_an_upsampling_bias_is_computed_first():
    with fresh() as session:
        y = layers.conv2d_transpose(tf.ones((1, 2, 2, 3)), "up", 2, kernel_init=layers.zeros, bias=True)
        tf.gradients(y.tensor, tf.trainable_variables())
        assert "BiasAddGrad" not in {op.type for op in session.graph.get_operations()}


def test_graph_uses_conv2d_transpose_if_chosen_or_on_a_gpu(monkeypatch):
    def built(choose=None):
        with fresh() as session:
            if choose:
                layers.use_implementation(choose)
            layers.conv2d_transpose(tf.zeros((1, 2, 2, 3)), "up", 2, kernel_init=layers.zeros)
            return "Conv2DBackpropInput" in {op.type for op in session.graph.get_operations()}
    monkeypatch.setattr(tf_compat, "has_gpu", lambda: False)
    assert (built(), built("conv2d_transpose"), built("product")) == (False, True, False)
    monkeypatch.setattr(tf_compat, "has_gpu", lambda: True)
    assert (built(), built("conv2d_transpose"), built("product")) == (True, True, False)
    with pytest.raises(ValueError, match="'deconv' is neither"):
        built("deconv")


@pytest.mark.slow
@pytest.mark.parametrize("net", ["fcn8s", "fcn8s_tutorial"])
def test_both_implementations_predict_and_learn_alike(net):
    photos = RNG.integers(0, 256, (2, 37, 51, 3), np.uint8)
    labels, found = RNG.integers(0, 3, (2, 37, 51)).astype(np.uint8), []
    for name in (convolution.PRODUCT, convolution.CONV2D_TRANSPOSE):
        with fresh() as session:
            layers.use_implementation(name)
            graph = graph_builder.build(Architecture(net, 3, nets_help.THIN, (100.0, 110.0, 120.0)))
            gradients = tf.gradients(graph.objective, tf.trainable_variables())
            nets_help.start(session)
            nets_help.randomise(session, 3)
            fetches = [graph.logits, graph.loss_sum, graph.pixels, *(g for g in gradients if g is not None)]
            found.append(session.run(fetches, {graph.images: photos, graph.labels: labels}))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-5 * np.abs(one).max())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_prepared_weights_predict_the_same(precision):
    architecture = Architecture("fcn8s_tutorial", 3, nets_help.THIN, (100.0, 110.0, 120.0), precision=precision)
    photo, found, kept = RNG.integers(0, 256, (1, 40, 70, 3), np.uint8), [], []
    for prepared in (False, True):
        with fresh() as session:
            net = graph_builder.inference(architecture, prepared=prepared)
            nets_help.randomise(session, 3)
            for step in variables.preparation([net.logits]):
                session.run(step)
            found.append(session.run(net.logits, {net.images: photo}))
            kept.append(tf.local_variables())
    np.testing.assert_array_equal(*found)
    assert kept[0] == []
    arranged, converted = 3, 16 + 2 + 3  # deconv1 to deconv3; and the convolutions, fc6 and fc7
    assert len(kept[1]) == (arranged if precision == "float32" else converted)


@pytest.mark.parametrize("precision, size, kept", [("bfloat16", 7, (3, 196)), ("bfloat16", 1, (3, 4)),
                                                   ("bfloat16", 3, (3, 3, 4, 3)), ("float32", 7, None)])
def test_large_final_kernels_are_kept_transposed(precision, size, kept, monkeypatch):
    monkeypatch.setattr(convolution, "LARGE_KERNEL", 12)
    monkeypatch.setattr(tf_compat, "has_gpu", lambda: False)
    x, found = RNG.normal(size=(2, 9, 8, 4)), []
    for final in (False, True):
        with fresh() as session:
            if final:
                layers.keep_prepared()
            y = layers.conv(tf.constant(x, precision), "fc6", size, 3)
            nets_help.randomise(session, 3)
            for step in variables.preparation([y]):
                session.run(step)
            found.append(session.run(tf.cast(y, tf.float32)))
            shapes = [tuple(variable.shape) for variable in tf.local_variables()]
    assert shapes.count(kept) == (kept is not None)
    np.testing.assert_allclose(*found, rtol=0, atol=np.abs(found[0]).max() / 128)


def test_variables_that_only_prepared_weights_need_are_freed():
    with fresh() as session:
        layers.keep_prepared()
        names = "once", "twice", "read", "unused"
        once, twice, read, _ = (tf.get_variable(name, (5 << 20,), initializer=tf.ones_initializer()) for name in names)
        x = tf.zeros((), tf.bfloat16)  # prepared weights of 10 MB, each in a step of its own
        y = sum(tf.reduce_max(tf.cast(variables.in_type(variable, x, change), tf.float32)) for variable, change in (
            (once, lambda k: k + 1), (twice, lambda k: k + 3), (twice, lambda k: k + 7), (read, lambda k: k + 15)))
        y += tf.reduce_max(read)
        session.run(tf.global_variables_initializer())
        steps = variables.preparation([y])
        assert len(steps) == 4
        alive = [set(names)]
        for step in steps:
            session.run(step)
            lost = session.run(tf.report_uninitialized_variables(tf.global_variables())).tolist()
            alive.append(set(names) - {name.decode() for name in lost})
        assert alive == [set(names), *[set(names) - {"once"}] * 2, *[set(names) - {"once", "twice"}] * 2]
        assert session.run(y) == 2 + 4 + 8 + 16 + 1
