"""Keras' files, old and new: the kernels come out as Keras itself holds them, but for the colours of conv1_1."""

import h5py
import numpy as np
import pytest
from formats_help import assert_refused, assert_same, thin_vgg

from fcn import pretrained
from fcn.formats._weights import IMAGENET_MEAN_RGB


def keras_name(layer):
    return f"fc{int(layer[2]) - 5}" if layer.startswith("fc") else f"block{layer[4]}_conv{layer[-1]}"


def bgr(layers):
    kernel, bias = layers["conv1_1"]
    return layers | {"conv1_1": (kernel[:, :, ::-1], bias)}


def keras_net(layers, named):
    """A Keras model of these layers (height, width, BGR, out), with or without keras.applications' names."""
    keras = pytest.importorskip("keras")
    net = keras.Sequential([keras.layers.Input((32 * 7, 32 * 7, 3))])
    pools = {"conv1_2", "conv2_2", "conv5_4", "conv5_3"} | {"conv3_4", "conv4_4"} & set(layers)
    pools = pools - ({"conv5_3"} if "conv5_4" in layers else set())
    pools |= set() if "conv3_4" in layers else {"conv3_3", "conv4_3"}
    for layer, (kernel, _) in layers.items():
        name = {"name": keras_name(layer)} if named else {}
        if layer == "fc6":
            net.add(keras.layers.Flatten())
        if layer.startswith("fc"):
            net.add(keras.layers.Dense(kernel.shape[3], **name))
        else:
            net.add(keras.layers.Conv2D(kernel.shape[3], 3, padding="same", **name))
        if layer in pools:
            net.add(keras.layers.MaxPooling2D())
    arrays = [array for layer, (kernel, bias) in layers.items() for array in (
        kernel.reshape(-1, kernel.shape[3]) if layer.startswith("fc") else kernel, bias)]
    net.set_weights(arrays)
    return net


@pytest.mark.parametrize("backbone", ["vgg16", "vgg19"])
@pytest.mark.parametrize(("named", "suffix"), [(True, ".weights.h5"), (False, ".weights.h5"), (True, ".h5")])
def test_what_keras_saves_is_read_with_matrices_as_convolutions(tmp_path, backbone, named, suffix):
    layers = thin_vgg(backbone)
    net = keras_net(bgr(layers), named)
    path = tmp_path / f"vgg{suffix}"
    net.save(path) if suffix == ".h5" else net.save_weights(path)
    found = pretrained.read(path)
    assert_same(found, layers, IMAGENET_MEAN_RGB)
    assert "channels BGR" in found.notes[0] and "no mean colour" in found.notes[-1] and found.net is None


def test_the_real_keras_vgg19_without_its_top_gives_its_own_kernels(tmp_path):
    keras = pytest.importorskip("keras")
    net = keras.applications.VGG19(weights=None, include_top=False)
    net.save_weights(tmp_path / "vgg19.weights.h5")
    found = pretrained.read(tmp_path / "vgg19.weights.h5")
    assert len(found.layers) == 16 and "taken as documented" in found.notes[0]
    for layer, (kernel, bias) in found.layers.items():
        expected, expected_bias = (np.array(value) for value in net.get_layer(keras_name(layer)).get_weights())
        np.testing.assert_array_equal(kernel, expected[:, :, ::-1] if layer == "conv1_1" else expected, err_msg=layer)
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


@pytest.mark.parametrize("root", ["", "model_weights/", "model_weights/vgg19/"])
def test_the_old_layout_is_read_wherever_the_model_lies(tmp_path, root):
    write_legacy(tmp_path / "vgg.h5", bgr(thin_vgg()), root)
    assert_same(pretrained.read(tmp_path / "vgg.h5"), thin_vgg(), IMAGENET_MEAN_RGB)


def test_include_top_false_ends_at_pool5_with_a_note(tmp_path):
    layers = {name: pair for name, pair in thin_vgg().items() if name.startswith("conv")}
    write_legacy(tmp_path / "vgg.h5", bgr(layers))
    found = pretrained.read(tmp_path / "vgg.h5")
    assert_same(found, layers, IMAGENET_MEAN_RGB)
    assert any("ends at pool5" in note for note in found.notes)


def test_a_head_of_ones_own_on_counted_layers_is_not_taken_for_fc6(tmp_path):
    layers = {name: pair for name, pair in thin_vgg().items() if name.startswith("conv")}
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        for i, (kernel, bias) in enumerate(bgr(layers).values()):
            file[f"layers/conv2d{f'_{i}' if i else ''}/vars/0"] = kernel
            file[f"layers/conv2d{f'_{i}' if i else ''}/vars/1"] = bias
        for i, shape in enumerate(((4, 9), (9, 2))):
            file[f"layers/dense{f'_{i}' if i else ''}/vars/0"] = np.zeros(shape, np.float32)
            file[f"layers/dense{f'_{i}' if i else ''}/vars/1"] = np.zeros(shape[1], np.float32)
    assert_same(pretrained.read(tmp_path / "vgg.h5"), layers, IMAGENET_MEAN_RGB)


def test_two_vggs_in_one_file_are_not_mixed(tmp_path):
    write_legacy(tmp_path / "vgg.h5", thin_vgg())
    with h5py.File(tmp_path / "vgg.h5", "a") as file:
        file.copy("block1_conv1", file.create_group("other"))
    assert_refused(tmp_path / "vgg.h5", "two layers conv1_1")


def test_links_are_not_followed_so_that_a_linked_layer_is_missing(tmp_path):
    write_legacy(tmp_path / "vgg.h5", thin_vgg())
    with h5py.File(tmp_path / "vgg.h5", "a") as file:
        file.move("block2_conv1", "elsewhere")
        file["block2_conv1"] = h5py.SoftLink("/elsewhere")
        file["block2_conv2/again"] = file["/"]  # a hard link to its own root
    assert_refused(tmp_path / "vgg.h5")


@pytest.mark.parametrize("content", [{}, {"images": np.zeros(3)}, {"conv2d/vars/0": np.zeros((3, 3, 3, 4))}])
def test_hdf5_of_something_else_says_what_it_holds(tmp_path, content):
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
