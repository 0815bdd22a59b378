""".npz: the vgg16_weights.npz family is read, this project's own is written and comes back to the last bit."""

import zipfile

import numpy as np
import pytest
from formats_help import MEAN, assert_refused, assert_same, assert_same_weights, thin_fcn, thin_vgg
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.weights import detection
from fcn.weights.formats import _heads, npz
from fcn.weights.formats._weights import IMAGENET_MEAN_RGB


def family(layers):
    """Arrays as vgg16_weights.npz has them: conv1_1_W, conv1_1_b ..., fully connected layers as matrices."""
    arrays = {}
    for name, (kernel, bias) in layers.items():
        arrays[f"{name}_W"] = kernel.reshape(-1, kernel.shape[3]) if name.startswith("fc") else kernel
        arrays[f"{name}_b"] = bias
    return arrays


@pytest.mark.parametrize("backbone", ["vgg16", "vgg19"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_vgg16_weights_npz_has_matrices_read_as_convolutions(tmp_path, backbone, save):
    layers = thin_vgg(backbone)
    save(tmp_path / "vgg.npz", **family(layers), fc8_W=np.zeros((5, 9)), fc8_b=np.zeros(9))
    found = detection.read_weights(tmp_path / "vgg.npz")
    assert_same(found, layers, IMAGENET_MEAN_RGB)
    assert "conv1_1 matches" in found.notes[0] and "no mean colour" in found.notes[-1] and found.net is None


def test_fc6_matrix_axes_are_height_width_channels(tmp_path):
    layers = thin_vgg("vgg16")
    arrays = family(layers)
    np.savez(tmp_path / "vgg.npz", **arrays)
    kernel = detection.read_weights(tmp_path / "vgg.npz").layers["fc6"][0]
    assert kernel[2, 5, 3, 1] == arrays["fc6_W"][(2 * 7 + 5) * 4 + 3, 1]


def test_bgr_file_is_detected_and_converted(tmp_path):
    layers = thin_vgg("vgg16")
    kernel, bias = layers["conv1_1"]
    np.savez(tmp_path / "vgg.npz", **family(layers | {"conv1_1": (kernel[:, :, ::-1], bias)}))
    assert_same(detection.read_weights(tmp_path / "vgg.npz"), layers, IMAGENET_MEAN_RGB)


def test_fortran_order_and_other_dtypes_are_read(tmp_path):
    layers = thin_vgg("vgg16")
    arrays = family(layers)
    arrays["conv2_1_W"] = np.asfortranarray(arrays["conv2_1_W"].astype(np.float64))
    arrays["conv2_2_W"] = arrays["conv2_2_W"].astype(">f4")
    np.savez(tmp_path / "vgg.npz", **arrays)
    assert_same(detection.read_weights(tmp_path / "vgg.npz"), layers, IMAGENET_MEAN_RGB)


@pytest.mark.parametrize("change", [
    {"conv3_2_b": np.zeros(3)}, {"conv3_2_W": np.zeros((3, 3, 5, 4))}, {"conv3_2_W": np.full((3, 3, 4, 4), np.nan)},
    {"conv3_2_W": np.array([["a"]])}, {"conv3_2_W": np.zeros((3, 3, 4, 4), complex)}])
def test_a_wrong_array_is_named(tmp_path, change):
    np.savez(tmp_path / "vgg.npz", **family(thin_vgg("vgg16")) | change)
    assert_refused(tmp_path / "vgg.npz", "conv3_2")


def test_other_zips_are_refused_by_content(tmp_path):
    np.savez(tmp_path / "other.npz", images=np.eye(2))
    assert_refused(tmp_path / "other.npz", "images.npy", "conv1_1_W")
    for name, said in (("archive/data.pkl", "PyTorch"), ("model.weights.h5", "save_weights")):
        with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
            archive.writestr(name, b"x")
        assert_refused(tmp_path / "other.npz", said)


@pytest.mark.parametrize("net", _heads.NETS)
def test_a_written_fcn_comes_back_to_the_last_bit(tmp_path, net):
    weights = thin_fcn(net, learned=tuple(_heads.NETS[net][1]), alignment="pad100", pool="max")
    npz.write(tmp_path / "net.npz", weights)
    assert_same_weights(detection.read_weights(tmp_path / "net.npz"), weights)
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]


@pytest.mark.slow
@given(st.sampled_from(["vgg16", "vgg19"]), st.integers(1, 70), st.integers(0, 99), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_written_vgg_of_any_width_comes_back(tmp_path_factory, backbone, width, seed, with_fc):
    layers = thin_vgg(backbone, width, seed)
    layers = {name: pair for name, pair in layers.items() if with_fc or not name.startswith("fc")}
    path = tmp_path_factory.mktemp("written") / "vgg.npz"
    npz.write(path, detection.Weights(layers, np.float32(MEAN), ()))
    assert_same(detection.read_weights(path), layers)


@pytest.mark.parametrize(("change", "said"), [
    ({"net": np.array("fcn2s")}, "unknown net 'fcn2s'"),
    ({"score_pool4/kernel": np.zeros((1, 1, 9, 3))}, "score_pool4"),
    ({"upscore8/kernel": np.zeros((3, 3, 3, 3), np.float32)}, "upscore8"), ({"mean_rgb": np.zeros(4)}, "mean")])
def test_misfit_in_an_own_file_is_named(tmp_path, change, said):
    npz.write(tmp_path / "net.npz", thin_fcn("fcn8s"))
    with np.load(tmp_path / "net.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "net.npz", **arrays | change)
    assert_refused(tmp_path / "net.npz", said)


@pytest.mark.parametrize("note, size", [
    ('{"size": [48, 64]}', (48, 64)), ("{}", None), ('{"size": null}', None), ('{"size": [48]}', None),
    ('{"size": 48}', None), ('{"size": [0, 64]}', None), ('{"size": [true, 64]}', None),
    ('{"size": [100000000, 100000000]}', None), ('{"size": "48x64"}', None)])
def test_size_of_training_images_is_two_numbers_of_pixels(note, size):
    assert _heads.read_note(note) == ({}, (), size)
