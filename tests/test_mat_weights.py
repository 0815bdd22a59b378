"""MatConvNet files of every spelling give the same numbers; whatever else is refused by name."""

import itertools

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn import demo, errors, mat_weights
from fcn.vgg_table import CONVOLUTIONS

MEAN = (120.5, 110.25, 100.125)
ORDERS = tuple(itertools.product(("beta16", "meta"), ("hw", "wh")))


def thin_vgg(first_width=64):
    """A VGG-19 of 4 and 6 channels with the published filters 9 and 13 in conv1_1, if that has 64."""
    rng, channels, layers = np.random.default_rng(0), 3, {}
    for name in (*CONVOLUTIONS, "fc6", "fc7"):
        side, width = {"fc6": (7, 6), "fc7": (1, 5)}.get(name, (3, 4))
        width = first_width if name == "conv1_1" else width
        layers[name] = (rng.normal(size=(side, side, channels, width)).astype(np.float32),
                        rng.normal(size=width).astype(np.float32))
        channels = width
    if first_width == 64:
        layers["conv1_1"][0][..., [9, 13]] = np.stack([mat_weights.FILTER_9, mat_weights.FILTER_13], axis=-1)
    return layers


@pytest.fixture
def mat(tmp_path):
    """mat(layers, ...) writes them to a file and returns its path."""
    def write(layers, **options):
        demo.write_mat(tmp_path / "vgg.mat", layers, **{"mean_rgb": MEAN, **options})
        return tmp_path / "vgg.mat"
    return write


def assert_same(found, layers, mean=MEAN):
    assert list(found.layers) == list(layers)
    for name, arrays in layers.items():
        for array, expected in zip(found.layers[name], arrays, strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, expected, err_msg=name)
    assert found.mean_rgb.dtype == np.float32
    np.testing.assert_array_equal(found.mean_rgb, np.float32(mean))


def assert_refused(path, *said):
    with pytest.raises(errors.WeightsError) as problem:
        mat_weights.read(path)
    assert problem.value.exit_code == 4 and str(problem.value).startswith(f"{path}: ")
    for text in said:
        assert text in str(problem.value)


@pytest.mark.parametrize(("release", "kernel_order"), ORDERS)
def test_both_releases_and_both_axis_orders_give_the_same_bits(mat, release, kernel_order):
    layers = thin_vgg()
    found = mat_weights.read(mat(layers, release=release, kernel_order=kernel_order))
    assert_same(found, layers)
    side = "height x width" if kernel_order == "hw" else "width x height"
    assert "recognised" in found.notes[0] and side in found.notes[0] and "channels RGB" in found.notes[0]


@pytest.mark.parametrize(("release", "kernel_order"), ORDERS)
def test_a_file_for_bgr_input_is_turned_to_rgb_with_its_mean(mat, release, kernel_order):
    layers = thin_vgg()
    kernel, bias = layers["conv1_1"]
    path = mat(layers | {"conv1_1": (kernel[:, :, ::-1], bias)}, release=release, kernel_order=kernel_order,
               mean_rgb=MEAN[::-1])
    found = mat_weights.read(path)
    assert_same(found, layers)
    assert "channels BGR" in found.notes[0]


def test_rounding_is_forgiven_and_other_numbers_are_not(mat):
    layers = thin_vgg()
    layers["conv1_1"][0][...] += np.float32(0.004)
    assert_same(mat_weights.read(mat(layers)), layers)
    layers["conv1_1"][0][...] += np.float32(0.1)
    assert_refused(mat(layers), "not its numbers", "0.104")


def test_no_order_of_the_published_filters_is_near_another_one():
    known = np.stack([mat_weights.FILTER_9, mat_weights.FILTER_13])  # (filter, height, width, colour)
    orders = [k[..., ::step] for k in (known, known.transpose(0, 2, 1, 3)) for step in (1, -1)]
    for one, other in itertools.combinations(orders, 2):
        assert np.abs(one - other).max() > 10 * mat_weights.TOLERANCE


def test_a_narrow_net_is_read_as_documented_and_gives_the_widths(mat):
    layers = thin_vgg(first_width=8)
    found = mat_weights.read(mat(layers))
    assert_same(found, layers)
    assert "not VGG-19's" in found.notes[0]
    assert found.widths == {"conv1_1": 8, **dict.fromkeys(CONVOLUTIONS[1:], 4), "fc6": 6, "fc7": 5}


@pytest.mark.parametrize("last", ["conv5_4", "fc6"])
def test_a_file_that_ends_at_pool5_is_accepted_with_a_note(mat, last):
    layers = thin_vgg()
    kept = {name: layers[name] for name in (*CONVOLUTIONS, "fc6")[:17 if last == "fc6" else 16]}
    found = mat_weights.read(mat(kept))
    assert_same(found, {name: layers[name] for name in CONVOLUTIONS})
    assert "ends at pool5" in found.notes[-1]


def test_the_oldest_release_keeps_filters_and_biases(tmp_path):
    layers = thin_vgg()
    cell = np.empty((1, len(layers)), object)
    for i, (name, (kernel, bias)) in enumerate(layers.items()):
        cell[0, i] = {"type": "conv", "name": name, "filters": kernel, "biases": bias[None]}
    mean = np.broadcast_to(np.float32(MEAN), (4, 4, 3))
    scipy.io.savemat(tmp_path / "old.mat", {"layers": cell, "normalization": {"averageImage": mean}})
    assert_same(mat_weights.read(tmp_path / "old.mat"), layers)


def test_a_missing_layer_is_named(mat):
    layers = thin_vgg()
    del layers["conv3_4"], layers["conv4_1"]
    assert_refused(mat(layers), "conv3_4, conv4_1")


def changed(name, kernel=None, bias=None):
    layers = thin_vgg()
    old_kernel, old_bias = layers[name]
    return layers | {name: (old_kernel if kernel is None else np.asarray(kernel, np.float32),
                            old_bias if bias is None else np.asarray(bias, np.float32))}


WRONG = {
    "input channels": (changed("conv3_2", np.zeros((3, 3, 5, 4))), ("conv3_2", "(3, 3, 5, 4)", "(3, 3, 4, 4)")),
    "kernel size": (changed("conv2_1", np.zeros((5, 5, 4, 4))), ("conv2_1", "(5, 5, 4, 4)", "(3, 3, 4, 4)")),
    "grey input": (changed("conv1_1", np.zeros((3, 3, 1, 64))), ("conv1_1", "(3, 3, 1, 64)", "(3, 3, 3, 64)")),
    "fc6 of 1 x 1": (changed("fc6", np.zeros((1, 1, 4, 6))), ("fc6", "(1, 1, 4, 6)", "(7, 7, 4, 6)")),
    "biases": (changed("conv5_1", bias=np.zeros(3)), ("conv5_1", "3 biases")),
    "nan": (changed("conv4_2", np.full((3, 3, 4, 4), np.nan)), ("conv4_2", "not finite")),
    "infinite bias": (changed("fc7", bias=np.full(5, np.inf)), ("fc7", "not finite")),
    "other net's numbers": (changed("conv1_1", np.zeros((3, 3, 3, 64))), ("VGG-19's shape but not its numbers",)),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_layer_is_named_with_what_was_found_and_needed(mat, what):
    layers, said = WRONG[what]
    assert_refused(mat(layers), *said)


NO_MAT = {
    "empty": (b"", "0 bytes"),
    "web page": (b"<!DOCTYPE html><html>404</html>", "<!DOCTYPE html>"),
    "MATLAB 7.3": (b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n", "a MATLAB 7.3 file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(600), "a MATLAB 7.3 file"),
    "header only": (b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM", "nothing instead of layers"),
}


@pytest.mark.parametrize("what", NO_MAT)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, what):
    content, said = NO_MAT[what]
    (tmp_path / "vgg.mat").write_bytes(content)
    assert_refused(tmp_path / "vgg.mat", said)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    assert_refused(tmp_path / "nowhere.mat", "No such file")
    assert_refused(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.mat"
    demo.write_mat(path, thin_vgg(8), mean_rgb=MEAN, release="meta")
    return path


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_file_cut_off_anywhere_is_refused_by_name(whole, data):
    content, path = whole.read_bytes(), whole.with_name("cut.mat")
    path.write_bytes(content[:data.draw(st.integers(0, len(content) - 5), "length")])  # the last four are padding
    assert_refused(path)


def objects(value):
    cell = np.empty((1, 1), object)
    cell[0, 0] = value
    return cell


OTHER_LAYERS = {
    "numbers": np.eye(3), "text": "conv1_1", "struct": {"name": "conv1_1", "weights": np.eye(2)},
    "sparse": scipy.sparse.csc_array(np.eye(3)), "object": scipy.io.matlab.MatlabObject(
        np.zeros((1, 1), [("weights", object)]), "dagnn.DagNN"),
    "cell of numbers": objects(np.eye(3)), "cell of text": objects("conv1_1"), "empty cell": np.empty((0, 0), object),
    "name is a number": objects({"name": 3, "weights": objects(1)}),
    "weights are text": objects({"name": "conv1_1", "weights": "ab"}),
    "no biases": objects({"name": "conv1_1", "filters": np.eye(3)}),
}


@pytest.mark.parametrize("what", OTHER_LAYERS)
def test_layers_of_another_type_are_refused_by_name(tmp_path, what):
    scipy.io.savemat(tmp_path / "vgg.mat", {"layers": OTHER_LAYERS[what]})
    assert_refused(tmp_path / "vgg.mat")


@pytest.mark.parametrize("extra", [{}, {"meta": 3}, {"normalization": {"imageSize": 224}},
                                   {"meta": {"normalization": {"averageImage": np.zeros(4)}}},
                                   {"meta": {"normalization": {"averageImage": np.full(3, np.nan)}}}])
def test_a_file_without_a_mean_colour_is_refused_by_name(mat, extra):
    path = mat(thin_vgg())
    scipy.io.savemat(path, {"layers": scipy.io.loadmat(path)["layers"], **extra})
    assert_refused(path, "mean")


def test_a_mat_without_layers_says_what_it_holds(tmp_path):
    scipy.io.savemat(tmp_path / "other.mat", {"weights": 1, "labels": 2})
    assert_refused(tmp_path / "other.mat", "weights, labels instead of layers")


@pytest.mark.parametrize("kernel_order", ["hw", "wh"])
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_the_real_conv1_1_is_recognised_in_every_order(mat, shared_file, kernel_order, channels):
    layers, real = thin_vgg(), np.load(shared_file("weights/vgg19_float32.npz"))
    rgb = real["conv1_1_W"][:, :, ::-1]  # the source is height x width, BGR
    layers["conv1_1"] = rgb, real["conv1_1_b"]
    turned = layers | {"conv1_1": (rgb[:, :, ::-1 if channels == "BGR" else 1], real["conv1_1_b"])}
    path = mat(turned, kernel_order=kernel_order, mean_rgb=MEAN[::-1] if channels == "BGR" else MEAN)
    assert_same(mat_weights.read(path), layers)


def test_fc7_without_fc6_is_not_taken_silently(tmp_path):
    layers = demo.narrow_vgg()
    width = layers["conv5_4"][0].shape[3]
    layers["fc7"] = np.zeros((1, 1, width, 9), np.float32), np.zeros(9, np.float32)
    del layers["fc6"]
    demo.write_mat(tmp_path / "a.mat", layers)
    found = mat_weights.read(tmp_path / "a.mat")
    assert "fc7" not in found.layers and "fc6" in found.notes[-1]
