"""Small VGGs and FCNs for the tests of fcn/weights/formats: 4 to 6 channels, conv1_1 as published if it has 64."""

import numpy as np
import pytest

from fcn.core import errors
from fcn.models import published_nets
from fcn.weights import detection
from fcn.weights.formats import _heads, _published

MEAN = (120.5, 110.25, 100.125)


def thin_vgg(backbone="vgg19", first_width=64, seed=0):
    """{layer: (kernel, bias)} with the published numbers of conv1_1, as far as they are known, in 64 channels."""
    rng, channels, layers = np.random.default_rng(seed), 3, {}
    for name in (*published_nets.BACKBONES[backbone], "fc6", "fc7"):
        side, width = {"fc6": (7, 6), "fc7": (1, 5)}.get(name, (3, 4))
        width = first_width if name == "conv1_1" else width
        layers[name] = (rng.normal(size=(side, side, channels, width)).astype(np.float32),
                        rng.normal(size=width).astype(np.float32))
        channels = width
    if first_width == 64:
        known = _published.conv1_1(backbone)
        layers["conv1_1"] = np.where(np.isnan(known), layers["conv1_1"][0], known), layers["conv1_1"][1]
    return layers


def thin_fcn(net, backbone="vgg16", classes=3, learned=(), seed=1, first_width=64, **variant):
    """Weights of a whole FCN; `learned` names upsampling layers that are not plain."""
    rng, layers = np.random.default_rng(seed), thin_vgg(backbone, first_width)
    scores, factors = _heads.NETS[net]
    for name in scores:
        layers[name] = (rng.normal(size=(1, 1, 5 if name == "score_fr" else 4, classes)).astype(np.float32),
                        rng.normal(size=classes).astype(np.float32))
    for name, factor in factors.items():
        if name in learned:
            layers[name] = rng.normal(size=(2 * factor, 2 * factor, classes, classes)).astype(np.float32), None
    variant = {"alignment": "same", "learn_upsampling": bool(learned)} | variant
    return detection.Weights(layers, np.float32(MEAN), (), net, variant, tuple(f"class {i}" for i in range(classes)))


def assert_same(found, layers, mean=MEAN):
    """Weights hold just these layers, in this order, to the last bit."""
    assert list(found.layers) == list(layers)
    for name, arrays in layers.items():
        for array, expected in zip(found.layers[name], arrays, strict=True):
            if expected is None:
                assert array is None
                continue
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, expected, err_msg=name)
    assert found.mean_rgb.dtype == np.float32
    np.testing.assert_array_equal(found.mean_rgb, np.float32(mean))


def assert_same_weights(found, weights):
    assert_same(found, weights.layers, weights.mean_rgb)
    assert (found.net, found.variant, found.class_names) == (weights.net, weights.variant, weights.class_names)


def assert_refused(path, *said):
    with pytest.raises(errors.WeightsError) as problem:
        detection.read_weights(path)
    assert problem.value.exit_code == 4 and str(problem.value).startswith(f"{path}: ")
    for text in said:
        assert text in str(problem.value)


def cell(*items):
    """A MATLAB cell (1, n)."""
    array = np.empty((1, len(items)), object)
    for i, item in enumerate(items):
        array[0, i] = item
    return array


def structs(*dicts):
    """A MATLAB struct array (1, n) of dicts with the same keys."""
    array = np.empty((1, len(dicts)), [(key, object) for key in dicts[0]])
    for i, fields in enumerate(dicts):
        for key, value in fields.items():
            array[key][0, i] = value
    return array
