"""The first convolution of RGB weights for images of other channels: by hand, by its activations, and in files."""

import dataclasses

import numpy as np
import pytest
from formats_help import assert_same, thin_fcn
from nets_help import THIN, fresh, start

from fcn.data import images
from fcn.models import graph_builder
from fcn.models.architecture import Architecture
from fcn.weights import detection, initialize, input_channels, transfer
from fcn.weights.formats import dagnn, npz
from fcn.weights.formats._weights import Weights

KERNEL = np.array([[[[1.0], [2.0], [6.0]]]], np.float32)  # 1 x 1, three colours, one filter
BIAS = np.array([0.5], np.float32)
MEAN = (120.0, 110.0, 100.0)


@pytest.mark.parametrize("channels", [1, 4, 12])
@pytest.mark.parametrize("form", [npz, dagnn])
def test_written_net_of_other_channels_comes_back(tmp_path, channels, form):
    weights = thin_fcn("fcn8s")
    kernel, bias = weights.layers["conv1_1"]
    weights.layers["conv1_1"] = np.concatenate([kernel * 2 ** i for i in range(4)], axis=2)[:, :, :channels], bias
    weights = dataclasses.replace(weights, mean_rgb=np.arange(channels, dtype=np.float32))
    path = tmp_path / ("net.mat" if form is dagnn else "net.npz")
    form.write(path, weights)
    assert_same(detection.read_weights(path), weights.layers, weights.mean_rgb)


def fit(channels, how="mean", mean=None, bias=BIAS):
    needed = {"first/kernel": (1, 1, channels, 1), "second/kernel": (1, 1, 3, 1)}
    offsets = [np.negative(MEAN), np.negative(mean or [110.0] * channels)]
    fitted, texts = input_channels.fit({"first": (KERNEL, bias), "second": (KERNEL, BIAS)}, needed, offsets, how)
    assert set(fitted) <= {"first"} and set(texts) == set(fitted)  # the second layer reads three activations
    return (*fitted["first"], texts["first"]) if fitted else None


def test_further_channels_have_the_mean_of_the_rgb_filters():
    kernel, bias, text = fit(5)
    assert kernel.ravel().tolist() == [1, 2, 6, 3, 3] and bias is BIAS
    assert text == "input channels 4 to 5: mean of the RGB filters"


def test_further_channels_are_zeros_on_request():
    kernel, _, text = fit(4, "zeros")
    assert kernel.ravel().tolist() == [1, 2, 6, 0] and text == "input channel 4: zeros"


def test_one_channel_has_the_sum_of_the_rgb_filters():
    kernel, bias, text = fit(1)
    assert kernel.ravel().tolist() == [9] and text == "1 of 3 input channels: the sum of the RGB filters"
    # x of all colours: (x - 120) + 2 (x - 110) + 6 (x - 100) + 0.5 = 9 (x - 110) + 0.5 + 50
    assert bias.tolist() == [50.5]


def test_two_channels_share_the_sum():
    kernel, bias, _ = fit(2, mean=[110.0, 110.0])
    assert kernel.ravel().tolist() == [4.5, 4.5] and bias.tolist() == [50.5]


def test_layer_without_bias_and_rgb_images_stay():
    assert fit(1, bias=None)[1] is None
    assert fit(3) is None


def activations(architecture, weights, photo, how="mean"):
    """(loading report, pool1, logits) of a net that starts from `weights`, for one image."""
    with fresh() as session:
        graph = graph_builder.build(architecture)
        start(session)
        texts = initialize.fit_channels(weights, architecture, how)
        rows = initialize.load_weights(session, weights, ("a", "b"), 2, "name", None)
        rows = [transfer.explained(row, texts.get(row.layer)) for row in rows]
        return rows, *session.run([graph.features["pool1"], graph.logits], {graph.images: photo[None]})


def thin_vgg(mean):
    rng, depth, layers = np.random.default_rng(0), 3, {}
    for name, width in THIN.items():
        side = {"fc6": 7, "fc7": 1}.get(name, 3)
        layers[name] = rng.normal(0, (2 / side ** 2 / depth) ** 0.5, (side, side, depth, width)).astype(np.float32), \
            rng.normal(0, 1, width).astype(np.float32)
        depth = width
    return Weights(layers, np.array(mean, np.float32), ())


def of_channels(channels, mean):
    return Architecture("fcn32s", 2, THIN, tuple(mean) if channels == 3 else (float(np.mean(mean)),))


@pytest.mark.slow
@pytest.mark.parametrize("mean, border", [((110.0, 110.0, 110.0), 0), (MEAN, 2)])
def test_grey_image_equals_its_rgb_repetition(mean, border):
    """With unequal means, RGB images are padded with another colour: pixels that its border reaches differ."""
    grey = np.random.default_rng(1).integers(0, 256, (40, 48, 1), np.uint8)
    _, expected, _ = activations(of_channels(3, mean), thin_vgg(mean), images.as_rgb(grey))
    rows, found, _ = activations(of_channels(1, mean), thin_vgg(mean), grey)
    inside = np.s_[:, border:-border or None, border:-border or None]
    assert expected[inside].std() > 1
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-4, atol=1e-3)
    report = {row.layer: (row.fate, row.shape, row.why) for row in rows}
    assert report["conv1_1"] == ("reshaped", (3, 3, 1, 2), "1 of 3 input channels: the sum of the RGB filters")
    assert report["conv1_2"][0] == "copied"


@pytest.mark.slow
def test_zeros_ignore_the_further_channels_at_the_start():
    photo = np.random.default_rng(1).integers(0, 256, (40, 48, 5), np.uint8)
    _, expected, _ = activations(of_channels(3, MEAN), thin_vgg(MEAN), photo[..., :3])
    wide = Architecture("fcn32s", 2, THIN, (*MEAN, 90.0, 30.0))
    _, found, _ = activations(wide, thin_vgg(MEAN), photo, "zeros")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    rows, other, _ = activations(wide, thin_vgg(MEAN), photo)
    assert np.abs(other - expected).max() > 1
    assert "input channels 4 to 5: mean of the RGB filters" in transfer.report_text(rows)
