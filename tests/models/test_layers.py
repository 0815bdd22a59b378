"""fcn/models/layers.py against definitions written out in NumPy."""

import gc
import weakref

import nets_help
import numpy as np
import pytest
from nets_help import THIN, fresh, start

from fcn.config.variants import Variants
from fcn.models import convolution, gradients, layers, published_nets, variables
from fcn.models.encoders import _vgg_graph
from fcn.models.tf_compat import tf

RNG = np.random.default_rng(3)


def upsampled(x, factor, output_hw, learn=False):
    with fresh() as session:
        kernel = layers.bilinear_kernel if learn else layers.FIXED_BILINEAR
        y = layers.conv2d_transpose(tf.constant(x, tf.float32), "up", factor, kernel_init=kernel)
        y = y.crop(output_hw, factor // 2).pixels()
        start(session)
        return session.run(y)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "pad", "height_width"), [
    (1, 0, (2, 3)), (3, 1, (1, 1)), (3, 1, (8, 9)), (7, 3, (1, 2)), (7, 3, (2, 3)), (7, 3, (8, 9)),
    (3, 0, (8, 9)), (3, 100, (1, 2)), (7, 0, (7, 8)), (7, 0, (8, 9)), (7, 5, (1, 2)),
])
@pytest.mark.parametrize("least", [0, convolution.LARGE_KERNEL], ids=["large", "plain"])
def test_convolution_and_its_matrix_product_match_scipy(size, pad, height_width, least, monkeypatch):
    monkeypatch.setattr(convolution, "LARGE_KERNEL", least)  # from this size on, the product and its gradient are ours
    images, weights = RNG.normal(size=(2, *height_width, 3)), RNG.normal(size=(size, size, 3, 4))
    window = layers.Window(size, padding=pad)
    with fresh() as session:
        x, kernel = tf.placeholder(tf.float32, (None, None, None, 3)), tf.constant(weights, tf.float32)
        plain, product = (session.run([y, *tf.gradients(tf.reduce_sum(y * y), [x, kernel])], {x: images}) for y in
                          (convolution.convolve_as_conv2d(x, kernel, window),
                           convolution.convolve_as_matmul(x, kernel, window)))
    for ours, theirs in zip(plain, product, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())
    for i in range(2):
        by_hand = nets_help.conv(images[i], weights, np.zeros(4), pad)
        np.testing.assert_allclose(plain[0][i], by_hand, rtol=1e-4, atol=1e-4)


def test_silu_and_its_gradient_equal_the_definition():
    x = np.array([-40.0, -2.0, 0.0, 1.5, 40.0])
    s = 1 / (1 + np.exp(-x))
    with fresh() as session:
        given = tf.constant(x, tf.float32)
        y = layers.silu(given)
        found = session.run([y, *tf.gradients(3 * tf.reduce_sum(y), [given])])
    np.testing.assert_allclose(found[0], x * s, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(found[1], 3 * (s + x * s * (1 - s)), rtol=1e-5, atol=1e-12)


def test_graph_with_a_gradient_of_ours_is_freed():
    with tf.Graph().as_default() as graph:
        x = tf.zeros((2, 3))
        tf.gradients(layers.silu(gradients.product(x, tf.zeros((3, 3)))), [x])
    seen = weakref.ref(graph)
    del graph, x
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize(("window", "side"), [
    (3, 4), (7, 4), (1, 4), (layers.Window(3, padding=100), 202), (layers.Window(7, padding=3), 4)], ids=str)
def test_layer_keeps_the_size_unless_padded_and_adds_its_bias(window, side):
    with fresh() as session:
        y = layers.conv(tf.zeros((1, 4, 4, 3)), "conv", window, 2)
        start(session)
        tf.trainable_variables()[1].load([5.0, -6.0], session)
        found = session.run(y)
    assert found.shape == (1, side, side, 2)
    assert (found == [5.0, -6.0]).all()  # a layer has no ReLU of its own


def test_a_convolution_with_its_centre_alone_is_the_identity():
    x = np.array([[[[-1.0], [2.0]], [[3.0], [-4.0]]]])

    def centre(shape, seed):
        kernel = np.zeros(shape)
        kernel[1, 1] = 1
        return kernel
    with fresh() as session:
        y = layers.conv(tf.constant(x, tf.float32), "conv", 3, 1, centre)
        start(session)
        np.testing.assert_array_equal(session.run(y), x)


def test_pools_round_odd_sizes_up():
    x = np.arange(15.0).reshape(1, 3, 5, 1)
    with fresh() as session:
        largest, mean = session.run([layers.max_pool(tf.constant(x, tf.float32)),
                                     layers.avg_pool(tf.constant(x, tf.float32))])
    np.testing.assert_array_equal(largest[0, :, :, 0], [[6, 8, 9], [11, 13, 14]])
    # (0 + 1 + 5 + 6) / 4, (2 + 3 + 7 + 8) / 4, (4 + 9) / 2; (10 + 11) / 2, (12 + 13) / 2, 14
    np.testing.assert_array_equal(mean[0, :, :, 0], [[3, 5, 6.5], [10.5, 12.5, 14]])
    np.testing.assert_array_equal(nets_help.pool(x[0]), largest[0])
    np.testing.assert_array_equal(nets_help.pool(x[0], np.nanmean), mean[0])


def test_features_are_cropped_to_the_given_size():
    x = np.arange(20.0).reshape(1, 4, 5, 1)
    with fresh() as session:
        corner, inside = session.run([layers.cut(tf.constant(x), (2, 3)), layers.cut(tf.constant(x), (2, 3), 1)])
    np.testing.assert_array_equal(corner[0, :, :, 0], [[0, 1, 2], [5, 6, 7]])
    np.testing.assert_array_equal(inside[0, :, :, 0], [[6, 7, 8], [11, 12, 13]])


def test_bilinear_kernel_of_size_4_has_quarters():
    line = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_allclose(published_nets.bilinear_2d(4), np.outer(line, line))
    np.testing.assert_allclose(published_nets.bilinear_2d(3), np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]))


@pytest.mark.parametrize("factor", [2, 8])
def test_constant_stays_constant_inside_the_border(factor):
    y = upsampled(np.full((1, 4, 5, 2), 3.0), factor, (4 * factor, 5 * factor))
    edge = factor // 2
    np.testing.assert_allclose(y[:, edge:-edge, edge:-edge], 3, rtol=1e-6)
    assert y[0, 0, 0, 0] < 3  # outside of the map is zero


@pytest.mark.slow
@pytest.mark.parametrize("factor", [2, 8])
@pytest.mark.parametrize("cut", [0, 1, 3])
def test_ramp_is_upsampled_in_alignment_with_its_input(factor, cut):
    height, width = 5 * factor - cut % factor, 6 * factor - cut // 2
    rows, columns = np.mgrid[:5, :6].astype(float)
    y = upsampled(np.stack([rows, columns], axis=-1)[None], factor, (height, width))[0]
    assert y.shape == (height, width, 2)
    row, column = ((np.arange(n) + 0.5) / factor - 0.5 for n in (height, width))  # half-pixel centres
    inside = np.ix_((row >= 0) & (row <= 4), (column >= 0) & (column <= 5))
    grid = np.stack(np.meshgrid(row, column, indexing="ij"), axis=-1)
    np.testing.assert_allclose(y[inside], grid[inside], atol=1e-5)


@pytest.mark.parametrize("factor", [2, 8])
def test_impulse_keeps_its_weight_place_and_channel(factor):
    x = np.zeros((1, 5, 5, 3))
    x[0, 2, 1, 1] = 1
    y = upsampled(x, factor, (5 * factor, 5 * factor))[0]
    assert not y[..., [0, 2]].any()
    rows, columns = np.mgrid[:5 * factor, :5 * factor]
    assert y.sum() == pytest.approx(factor ** 2)
    assert (y[..., 1] * rows).sum() / y.sum() == pytest.approx(2.5 * factor - 0.5)
    assert (y[..., 1] * columns).sum() / y.sum() == pytest.approx(1.5 * factor - 0.5)


@pytest.mark.parametrize("factor", [2, 8])
def test_learned_upsampling_starts_as_the_bilinear_kernel(factor):
    x, size = RNG.normal(size=(2, 3, 4, 3)), (3 * factor - 1, 4 * factor - 1)
    fixed, learned = upsampled(x, factor, size), upsampled(x, factor, size, learn=True)
    np.testing.assert_allclose(fixed, learned, rtol=1e-5, atol=1e-6)
    for i in range(2):
        by_hand = nets_help.scatter(x[i], nets_help.bilinear(factor, 3), factor, size)
        np.testing.assert_allclose(fixed[i], by_hand, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
def test_learned_upsampling_scatters_its_kernel_and_bias(factor):
    x, bias = RNG.normal(size=(2, 3, 2, 4)), np.array([1.0, -2.0, 0.5])
    kernel = RNG.normal(size=(2 * factor, 2 * factor, 3, 4))
    with fresh() as session:
        y = layers.conv2d_transpose(tf.constant(x, tf.float32), "up", factor, 3, lambda shape, seed: kernel, bias=True)
        y = y.pixels()
        start(session)
        tf.trainable_variables()[1].load(bias, session)
        found = session.run(y)
    for i in range(2):
        np.testing.assert_allclose(found[i], nets_help.spread(x[i], kernel, factor) + bias, rtol=1e-4, atol=1e-4)


def test_dropout_is_a_function_of_its_seed_and_keeps_the_mean():
    with fresh() as session:
        x, seed = tf.ones((40, 50, 5, 1)) * 3, tf.placeholder(tf.int32, (2,))
        y = layers.dropout(x, 0.6, seed)
        first, again, other = (session.run(y, {seed: s}) for s in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_allclose(np.unique(first), [0, 3 / 0.6], rtol=1e-6)
    assert first.mean() == pytest.approx(3, rel=0.05)  # 10,000 draws: a standard error of 0.8 %


def test_dropout_that_keeps_everything_does_nothing():
    x = RNG.normal(size=(2, 3, 3, 5)).astype(np.float32)
    with fresh() as session:
        np.testing.assert_array_equal(session.run(layers.dropout(tf.constant(x), 1.0, tf.constant([5, 6]))), x)


@pytest.mark.slow
def test_dropout_masks_have_distinct_seeds(monkeypatch):
    used = []
    monkeypatch.setattr(layers, "dropout", lambda x, keep_prob, seed: used.append(seed) or x)
    with fresh() as session:
        run_and_batch = tf.placeholder(tf.int32, (2,))
        _vgg_graph.build(tf.zeros((1, 4, 4, 3)), THIN, 0.5, run_and_batch, Variants())
        drawn = [tuple(seed) for number in range(5) for seed in session.run(used, {run_and_batch: (3, number)})]
    assert len(set(drawn)) == len(drawn) == 10


def vgg_variables(seed, detour=False):
    with fresh(seed) as session:
        if detour:
            layers.conv(tf.zeros((1, 2, 2, 3)), "something_else", 3, 2)
        _vgg_graph.build(tf.zeros((1, 4, 4, 3)), THIN, 1.0, tf.constant([0, 0]), Variants())
        start(session)
        return {name: value for name, value in nets_help.values().items() if name.startswith(("conv", "fc"))}


@pytest.mark.slow
def test_fresh_weights_depend_only_on_seed_and_layer_name():
    once, again, other = vgg_variables(5), vgg_variables(5, detour=True), vgg_variables(6)
    assert len(once) == 2 * 18
    for name, value in once.items():
        np.testing.assert_array_equal(value, again[name])
        assert name.endswith("bias") or (value != other[name]).any()


def test_layers_of_equal_shape_start_differently():
    with fresh() as session:
        for name in ("score_pool3", "score_pool4"):
            layers.conv(tf.zeros((1, 2, 2, 3)), name, 3, 2)
        start(session)
        found = nets_help.values()
    assert not (found["score_pool3/kernel"] == found["score_pool4/kernel"]).any()


def test_he_initialisation_has_its_variance_and_truncation():
    with fresh() as session:
        kernel = session.run(layers.he((3, 3, 64, 50), (1, 2)))
    deviation = np.sqrt(2 / (9 * 64))
    assert np.abs(kernel).max() <= 2 * deviation
    # A normal cut at two deviations has 0.8796 of its deviation left.
    assert kernel.std() == pytest.approx(0.8796 * deviation, rel=0.02)


def test_layers_compute_in_the_input_type_with_float32_variables():
    with fresh():
        x = tf.zeros((1, 4, 4, 3), tf.bfloat16)
        y = layers.dropout(layers.max_pool(layers.conv(x, "conv", 3, 2)), tf.constant(0.5), tf.constant([0, 0]))
        up = layers.conv2d_transpose(y, "up", 2, 2, layers.zeros, bias=True).tensor
        assert (y.dtype, up.dtype) == (tf.bfloat16, tf.float32)
        assert {v.dtype.base_dtype for v in tf.trainable_variables()} == {tf.float32}


# --- stride, dilation, padding, depthwise convolution, batch normalisation ---

def convolved(x, kernel, window):
    """A convolution by its definition, in loops: x (h, w, in), kernel (size, size, in, out). Padding SAME is that of
    TensorFlow: ceil(n / stride) outputs, and the odd pixel of zeros at the end.
    """
    span = (window.size - 1) * window.dilation + 1
    before, counts = [], []
    for n in x.shape[:2]:
        total = 0 if window.padding == "VALID" else 2 * window.padding if isinstance(window.padding, int) else max(
            (-(-n // window.stride) - 1) * window.stride + span - n, 0)
        before.append(total // 2)
        counts.append((n + total - span) // window.stride + 1)
    wide = np.zeros((x.shape[0] + 2 * span + 9, x.shape[1] + 2 * span + 9, x.shape[2]))
    wide[before[0]:before[0] + x.shape[0], before[1]:before[1] + x.shape[1]] = x
    y = np.zeros((*counts, kernel.shape[3]))
    for i, j in np.ndindex(*counts):
        for a, b in np.ndindex(window.size, window.size):
            at = i * window.stride + a * window.dilation, j * window.stride + b * window.dilation
            y[i, j] += wide[at] @ kernel[a, b]
    return y


WINDOWS = [layers.Window(3, 2), layers.Window(7, 2), layers.Window(2, 2), layers.Window(1, 2), layers.Window(5, 3),
           layers.Window(3, 2, padding="VALID"), layers.Window(7, 2, padding=3), layers.Window(3, padding="VALID"),
           layers.Window(7), layers.Window(3, dilation=2), layers.Window(3, dilation=3, padding=4)]


@pytest.mark.slow
@pytest.mark.parametrize("height_width", [(8, 9), (11, 14)])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_convolution_sums_over_its_kernel_at_any_size(window, height_width):
    images, weights = RNG.normal(size=(2, *height_width, 3)), RNG.normal(size=(window.size, window.size, 3, 2))
    with fresh() as session:
        x = tf.placeholder(tf.float32, (None, None, None, 3))
        y = layers.conv(x, "conv", window, 2, lambda shape, seed: weights, bias=False)
        start(session)
        assert [v.op.name for v in tf.global_variables()] == ["conv/kernel"]
        found, gradient = session.run([y, *tf.gradients(tf.reduce_sum(y), x)], {x: images})
    assert gradient.shape == images.shape  # with a dilation the CPU has one only by a detour
    for image, row in zip(images, found, strict=True):
        np.testing.assert_allclose(row, convolved(image, weights, window), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("window", [w for w in WINDOWS if w.size > 1], ids=str)
def test_depthwise_convolution_treats_each_channel_alone(window):
    images, weights = RNG.normal(size=(2, 9, 8, 3)), RNG.normal(size=(window.size, window.size, 3, 1))
    with fresh() as session:
        y = layers.depthwise_conv(tf.constant(images, tf.float32), "conv", window, lambda shape, seed: weights)
        start(session)
        tf.trainable_variables()[1].load([1.0, 2.0, 3.0], session)
        found = session.run(y)
    for image, row in zip(images, found, strict=True):
        for c in range(3):
            by_hand = convolved(image[..., c:c + 1], weights[:, :, c:c + 1], window)[..., 0] + (1 + c)
            np.testing.assert_allclose(row[..., c], by_hand, rtol=1e-4, atol=1e-4)


def test_fresh_depthwise_kernel_has_a_fan_in_of_one_channel():
    with fresh() as session:
        layers.depthwise_conv(tf.zeros((1, 4, 4, 5000)), "conv", 3)
        start(session)
        kernel = nets_help.values()["conv/kernel"]
    assert kernel.shape == (3, 3, 5000, 1)
    assert kernel.std() == pytest.approx(0.8796 * np.sqrt(2 / 9), rel=0.02)


def test_max_pool_may_overlap_and_ignores_padding():
    x = -np.arange(1.0, 17).reshape(1, 4, 4, 1)
    with fresh() as session:
        found = session.run(layers.max_pool(tf.constant(x, tf.float32), layers.Window(3, 2, padding=1)))
    np.testing.assert_array_equal(found[0, :, :, 0], [[-1, -2], [-5, -6]])


GAMMA, BETA, MEAN, VARIANCE = ([2.0, 0.5], [1.0, -1.0], [3.0, 4.0], [9.0, 0.25])


def batch_norm_by_hand(x, mean, variance):
    return (x - mean) / np.sqrt(np.array(variance) + 1e-3) * GAMMA + BETA


def normalised(training, batches, as_tensor, momentum=0.99):
    """(results for the batches, values of the variables after): update operations run with every batch."""
    with fresh() as session:
        x = tf.placeholder(tf.float32, (None, None, None, 2))
        y = layers.batch_norm(x, "bn", tf.constant(training) if as_tensor else training, momentum)
        assert [v.op.name for v in tf.trainable_variables()] == ["bn/gamma", "bn/beta"]
        start(session)
        assert {name: list(array) for name, array in nets_help.values().items()} == {
            "bn/gamma": [1, 1], "bn/beta": [0, 0], "bn/moving_mean": [0, 0], "bn/moving_variance": [1, 1]}
        nets_help.put(session, {"bn/gamma": GAMMA, "bn/beta": BETA, "bn/moving_mean": MEAN,
                                "bn/moving_variance": VARIANCE})
        updates = variables.apply_changes()
        return [session.run([y, *updates], {x: batch})[0] for batch in batches], nets_help.values()


@pytest.mark.parametrize("as_tensor", [False, True])
def test_batch_norm_uses_batch_moments_and_updates_its_averages(as_tensor):
    batches = RNG.normal(2, 3, size=(2, 2, 3, 5, 2))
    found, held = normalised(True, batches, as_tensor, momentum=0.9)
    mean, variance = np.array(MEAN), np.array(VARIANCE)
    for batch, row in zip(batches, found, strict=True):
        np.testing.assert_allclose(row, batch_norm_by_hand(batch, batch.mean((0, 1, 2)), batch.var((0, 1, 2))),
                                   rtol=1e-4, atol=1e-5)
        mean, variance = 0.9 * mean + 0.1 * batch.mean((0, 1, 2)), 0.9 * variance + 0.1 * batch.var((0, 1, 2))
    np.testing.assert_allclose(held["bn/moving_mean"], mean, rtol=1e-5)
    np.testing.assert_allclose(held["bn/moving_variance"], variance, rtol=1e-5)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_batch_norm_uses_its_averages_outside_training(as_tensor):
    batch = RNG.normal(size=(2, 3, 5, 2))
    found, held = normalised(False, [batch], as_tensor)
    np.testing.assert_allclose(found[0], batch_norm_by_hand(batch, MEAN, VARIANCE), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(held["bn/moving_mean"], np.float32(MEAN))
    np.testing.assert_array_equal(held["bn/moving_variance"], np.float32(VARIANCE))


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_batch_norm_in_half_precision_has_moments_in_float32(dtype):
    with fresh() as session:
        x = tf.constant(np.full((1, 40, 50, 1), 3.0) + np.arange(50)[:, None] / 100, dtype)
        y = layers.batch_norm(x, "bn", True)
        update = variables.apply_changes()
        start(session)
        session.run(update)
        exact = session.run(tf.cast(x, tf.float64)).mean()
        assert y.dtype == dtype
        assert nets_help.values()["bn/moving_mean"][0] == pytest.approx(0.01 * exact, rel=1e-5)
