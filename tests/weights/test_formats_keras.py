"""Keras' files, old and new: the kernels come out as Keras itself holds them, but for the colours of conv1_1."""

import itertools
import os
import pathlib
import subprocess
import sys

import h5py
import keras_help
import numpy as np
import pytest
from formats_help import assert_refused, assert_same, thin_vgg
from keras_help import bgr, keras_name

from fcn.weights import detection
from fcn.weights.formats._weights import IMAGENET_MEAN_RGB


@pytest.fixture(scope="module")
def by_keras(tmp_path_factory):
    """Folder of what Keras saves."""
    pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("keras")
    subprocess.run([sys.executable, keras_help.__file__, str(folder)], check=True, capture_output=True,
                   cwd=pathlib.Path(__file__).parents[2], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["vgg16", "vgg19"])
@pytest.mark.parametrize(("named", "suffix"), list(itertools.product((True, False), (".weights.h5", ".h5"))))
def test_keras_file_has_matrices_read_as_convolutions(by_keras, backbone, named, suffix):
    found = detection.read_weights(by_keras / f"{backbone}-{named}{suffix}")
    assert_same(found, thin_vgg(backbone), IMAGENET_MEAN_RGB)
    assert "channels BGR" in found.notes[0] and "no mean colour" in found.notes[-1] and found.net is None


@pytest.mark.slow
def test_keras_vgg19_without_top_gives_its_own_kernels(by_keras):
    found = detection.read_weights(by_keras / "real.weights.h5")
    assert len(found.layers) == 16 and "read as documented" in found.notes[0]
    with np.load(by_keras / "real.npz") as real:
        for layer, (kernel, bias) in found.layers.items():
            expected, expected_bias = (real[f"{keras_name(layer)}/{i}"] for i in (0, 1))
            expected = expected[:, :, ::-1] if layer == "conv1_1" else expected
            np.testing.assert_array_equal(kernel, expected, err_msg=layer)
            np.testing.assert_array_equal(bias, expected_bias)


def write_legacy(path, layers, root=""):
    """The layout of vgg19_weights_tf_dim_ordering_tf_kernels.h5."""
    with h5py.File(path, "w") as file:
        for layer, (kernel, bias) in layers.items():
            name = keras_name(layer)
            group = file.create_group(f"{root}{name}/{name}")
            group["kernel:0"] = kernel.reshape(-1, kernel.shape[3]) if layer.startswith("fc") else kernel
            group["bias:0"] = bias
        file.create_group("block1_pool")


@pytest.mark.slow
@pytest.mark.parametrize("root", ["", "model_weights/", "model_weights/vgg19/"])
def test_old_keras_layout_is_read_anywhere_in_the_file(tmp_path, root):
    write_legacy(tmp_path / "vgg.h5", bgr(thin_vgg()), root)
    assert_same(detection.read_weights(tmp_path / "vgg.h5"), thin_vgg(), IMAGENET_MEAN_RGB)


def test_include_top_false_ends_at_pool5_with_a_note(tmp_path):
    layers = {name: pair for name, pair in thin_vgg().items() if name.startswith("conv")}
    write_legacy(tmp_path / "vgg.h5", bgr(layers))
    found = detection.read_weights(tmp_path / "vgg.h5")
    assert_same(found, layers, IMAGENET_MEAN_RGB)
    assert any("ends at pool5" in note for note in found.notes)


def test_custom_head_on_numbered_layers_is_not_read_as_fc6(tmp_path):
    layers = {name: pair for name, pair in thin_vgg().items() if name.startswith("conv")}
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        for i, (kernel, bias) in enumerate(bgr(layers).values()):
            file[f"layers/conv2d{f'_{i}' if i else ''}/vars/0"] = kernel
            file[f"layers/conv2d{f'_{i}' if i else ''}/vars/1"] = bias
        for i, shape in enumerate(((4, 9), (9, 2))):
            file[f"layers/dense{f'_{i}' if i else ''}/vars/0"] = np.zeros(shape, np.float32)
            file[f"layers/dense{f'_{i}' if i else ''}/vars/1"] = np.zeros(shape[1], np.float32)
    assert_same(detection.read_weights(tmp_path / "vgg.h5"), layers, IMAGENET_MEAN_RGB)


def test_two_vggs_in_one_file_are_not_mixed(tmp_path):
    write_legacy(tmp_path / "vgg.h5", thin_vgg())
    with h5py.File(tmp_path / "vgg.h5", "a") as file:
        file.copy("block1_conv1", file.create_group("other"))
    assert_refused(tmp_path / "vgg.h5", "two layers conv1_1")


def test_links_are_not_followed_so_a_linked_layer_is_missing(tmp_path):
    write_legacy(tmp_path / "vgg.h5", thin_vgg())
    with h5py.File(tmp_path / "vgg.h5", "a") as file:
        file.move("block2_conv1", "elsewhere")
        file["block2_conv1"] = h5py.SoftLink("/elsewhere")
        file["block2_conv2/again"] = file["/"]  # a hard link to its own root
    assert_refused(tmp_path / "vgg.h5")


@pytest.mark.slow
@pytest.mark.parametrize("content", [{}, {"images": np.zeros(3)}, {"conv2d/vars/0": np.zeros((3, 3, 3, 4))}])
def test_other_hdf5_file_lists_its_content(tmp_path, content):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        for name, value in content.items():
            file[name] = value
    assert_refused(tmp_path / "other.h5", *list(content)[:1] or ["no array"])


def test_integers_in_place_of_a_kernel_are_refused(tmp_path):
    write_legacy(tmp_path / "vgg.h5", thin_vgg())
    with h5py.File(tmp_path / "vgg.h5", "a") as file:
        del file["block3_conv1/block3_conv1/kernel:0"]
        file["block3_conv1/block3_conv1/kernel:0"] = np.zeros((3, 3, 4, 4), int)
    assert_refused(tmp_path / "vgg.h5", "block3_conv1/block3_conv1/kernel:0")
