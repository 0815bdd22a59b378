"""Files of other nets than VGG, as Keras writes them and as published: every array reaches the variable of its name."""

import pathlib

import h5py
import numpy as np
import pytest
from nets_help import fresh, start, values

from fcn.core import registry
from fcn.models import layers
from fcn.models.architecture import BuildSettings
from fcn.models.tf_compat import tf
from fcn.weights import detection, initialize
from fcn.weights.formats import _keras_layers

SQUEEZENET = pathlib.Path(__file__).parents[3] / "shared/weights/squeezenet11/squeezenet_v1.1_weights_tf_notop.h5"


def loaded(paths, encoder):
    """One (report, {variable: array}) per file, after its weights were put into an encoder."""
    with fresh() as session:
        images = tf.zeros((1, 64, 64, 3))
        registry.load("encoders", encoder).build(images, BuildSettings(
            None, {}, None, layers.height_width(images), None, np.zeros(2, np.int32), False))
        for path in paths:
            start(session)  # nothing is left of the file before
            yield initialize.load_weights(session, detection.read_weights(path), (), 2, "name", None), values()


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "name"), [("densenet121", "DenseNet121"), ("resnet50", "ResNet50"),
                                               ("mobilenetv2", "MobileNetV2"), ("efficientnetb0", "EfficientNetB0")])
def test_file_saved_by_keras_fills_every_variable(tmp_path, encoder, name):
    import keras
    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(64, 64, 3))
    rng = np.random.default_rng(0)
    expected = {}
    for layer in model.layers:
        for variable in layer.weights if "normalization" not in layer.name else ():
            variable.assign(rng.normal(size=variable.shape).astype(np.float32))
            expected[f"{layer.name}/{variable.name.removeprefix('depthwise_')}"] = variable.numpy()
    model.save(tmp_path / "net.h5")
    model.save_weights(tmp_path / "net.weights.h5")
    for rows, found in loaded([tmp_path / "net.h5", tmp_path / "net.weights.h5"], encoder):
        assert {row.fate for row in rows} == {"copied"}
        assert found.keys() == expected.keys()
        for variable, array in expected.items():
            np.testing.assert_array_equal(found[variable], array, err_msg=variable)


@pytest.mark.skipif(not SQUEEZENET.exists(), reason="the published file of SqueezeNet 1.1 is not in ../shared")
def test_published_squeezenet_fills_every_variable():
    (rows, found), = loaded([SQUEEZENET], "squeezenet11")
    assert {row.fate for row in rows} == {"copied"} and sum(map(np.size, found.values())) == 722_496
    with h5py.File(SQUEEZENET) as file:
        np.testing.assert_array_equal(found["conv1/kernel"], file["conv1/uniform1"])
        np.testing.assert_array_equal(found["fire9_expand3x3/bias"], file["fire9/expand3x3/fire9/expand3x3_b"])


def test_old_names_with_a_slash_are_read_with_an_underscore(tmp_path):
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["conv1/conv/conv1/conv/kernel:0"] = np.ones((7, 7, 3, 2))
        file["conv1/bn/conv1/bn/moving_mean:0"] = np.zeros(2)
        file["pool1/note"] = np.zeros(3)
    found = detection.read_weights(tmp_path / "old.h5")
    assert list(found.layers) == ["conv1_conv"] and found.layers["conv1_conv"][1] is None
    assert list(found.others) == ["conv1_bn/moving_mean"]


def test_numbered_layers_get_the_names_of_their_class():
    needed = {"a/kernel": (3, 3, 3, 8), "a_bn/gamma": (8,), "dw/kernel": (3, 3, 8, 1), "b/kernel": (1, 1, 8, 4)}
    numbered = ["conv2d", "conv2d_1", "conv2d_2", "depthwise_conv2d", "batch_normalization"]
    assert _keras_layers.is_numbered(numbered) and not _keras_layers.is_numbered(["conv2d", "fire2"])
    assert _keras_layers.by_name(numbered, needed) == {
        "conv2d": "a", "conv2d_1": "b", "depthwise_conv2d": "dw", "batch_normalization": "a_bn"}
