"""SimpleNN files of every spelling give the same numbers; a layer that does not fit is refused by name."""

import itertools

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from formats_help import MEAN, assert_refused, assert_same, cell, thin_vgg

from fcn.models.published_nets import CONVOLUTIONS
from fcn.weights import demo, detection

ORDERS = tuple(itertools.product(("beta16", "meta"), ("hw", "wh")))


@pytest.fixture
def mat(tmp_path):
    """mat(layers, ...) writes them to a file and returns its path."""
    def write(layers, **options):
        demo.write_mat(tmp_path / "vgg.mat", layers, **{"mean_rgb": MEAN, **options})
        return tmp_path / "vgg.mat"
    return write


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["vgg16", "vgg19"])
@pytest.mark.parametrize(("release", "kernel_order"), ORDERS)
def test_releases_and_axis_orders_give_equal_weights(mat, backbone, release, kernel_order):
    layers = thin_vgg(backbone)
    found = detection.read_weights(mat(layers, release=release, kernel_order=kernel_order))
    assert_same(found, layers)
    side = "height x width" if kernel_order == "hw" else "width x height"
    assert "conv1_1 matches" in found.notes[0] and side in found.notes[0] and "channels RGB" in found.notes[0]
    assert (found.net, found.variant, found.class_names) == (None, {}, ())


@pytest.mark.slow
@pytest.mark.parametrize(("release", "kernel_order"), ORDERS)
def test_bgr_input_file_is_converted_with_its_mean(mat, release, kernel_order):
    layers = thin_vgg()
    kernel, bias = layers["conv1_1"]
    path = mat(layers | {"conv1_1": (kernel[:, :, ::-1], bias)}, release=release, kernel_order=kernel_order,
               mean_rgb=MEAN[::-1])
    found = detection.read_weights(path)
    assert_same(found, layers)
    assert "channels BGR" in found.notes[0]


def test_suffix_is_ignored(mat):
    path = mat(thin_vgg())
    assert_same(detection.read_weights(path.rename(path.with_suffix(".h5"))), thin_vgg())


@pytest.mark.slow
def test_rounding_is_tolerated_but_other_numbers_are_not(mat):
    layers = thin_vgg()
    layers["conv1_1"][0][...] += np.float32(0.004)
    assert_same(detection.read_weights(mat(layers)), layers)
    layers["conv1_1"][0][...] += np.float32(0.1)
    assert_refused(mat(layers), "but other values", "0.104")


@pytest.mark.slow
def test_narrow_net_is_read_with_its_widths(mat):
    layers = thin_vgg(first_width=8)
    found = detection.read_weights(mat(layers))
    assert_same(found, layers)
    assert "not VGG-19's" in found.notes[0]
    assert found.widths == {"conv1_1": 8, **dict.fromkeys(CONVOLUTIONS[1:], 4), "fc6": 6, "fc7": 5}


@pytest.mark.slow
@pytest.mark.parametrize("dropped", [["fc6", "fc7"], ["fc7"], ["fc6"]])
def test_file_without_fc6_and_fc7_ends_at_pool5_with_a_note(mat, dropped):
    layers = thin_vgg()
    found = detection.read_weights(mat({name: pair for name, pair in layers.items() if name not in dropped}))
    assert_same(found, {name: layers[name] for name in CONVOLUTIONS})
    assert "ends at pool5" in found.notes[-1] and "fc6 and fc7" in found.notes[-1]


def test_oldest_release_has_filters_and_biases(tmp_path):
    layers = thin_vgg()
    old = cell(*({"type": "conv", "name": name, "filters": kernel, "biases": bias[None]}
                 for name, (kernel, bias) in layers.items()))
    mean = np.broadcast_to(np.float32(MEAN), (4, 4, 3))
    scipy.io.savemat(tmp_path / "old.mat", {"layers": old, "normalization": {"averageImage": mean}})
    assert_same(detection.read_weights(tmp_path / "old.mat"), layers)


@pytest.mark.slow
def test_layers_in_another_order_are_sorted(mat):
    layers = thin_vgg()
    shuffled = [list(layers)[i] for i in np.random.default_rng(3).permutation(len(layers))]
    assert_same(detection.read_weights(mat({name: layers[name] for name in shuffled})), layers)


@pytest.mark.slow
def test_a_missing_layer_is_named(mat):
    layers = thin_vgg()
    del layers["conv3_4"], layers["conv4_1"]
    assert_refused(mat(layers), "conv3_4, conv4_1")


@pytest.mark.slow
def test_vgg19_without_fourth_convolutions_is_not_vgg16(mat):
    layers = {name: pair for name, pair in thin_vgg("vgg19").items() if not name.endswith("_4")}
    assert_refused(mat(layers), "has the shape of VGG-16 but other values")


def changed(name, kernel=None, bias=None):
    layers = thin_vgg()
    old_kernel, old_bias = layers[name]
    return layers | {name: (old_kernel if kernel is None else np.asarray(kernel, np.float32),
                            old_bias if bias is None else np.asarray(bias, np.float32))}


WRONG = {
    "input channels": (changed("conv3_2", np.zeros((3, 3, 5, 4))), ("conv3_2", "(3, 3, 5, 4)", "(3, 3, 4, 4)")),
    "names of two layers swapped": (thin_vgg() | {"fc6": thin_vgg()["fc7"], "fc7": thin_vgg()["fc6"]}, ("fc6",)),
    "kernel size": (changed("conv2_1", np.zeros((5, 5, 4, 4))), ("conv2_1", "(5, 5, 4, 4)", "(3, 3, 4, 4)")),
    "grey input": (changed("conv1_1", np.zeros((3, 3, 1, 64))), ("conv1_1", "(3, 3, 1, 64)", "(3, 3, 3, 64)")),
    "fc6 of 1 x 1": (changed("fc6", np.zeros((1, 1, 4, 6))), ("fc6", "(1, 1, 4, 6)", "(7, 7, 4, 6)")),
    "63 biases": (changed("conv1_1", bias=np.zeros(63)), ("conv1_1", "63 biases")),
    "nan": (changed("conv4_2", np.full((3, 3, 4, 4), np.nan)), ("conv4_2", "not finite")),
    "infinite bias": (changed("fc7", bias=np.full(5, np.inf)), ("fc7", "not finite")),
    "other net's numbers": (changed("conv1_1", np.zeros((3, 3, 3, 64))), ("has the shape of VGG-19 but other values",)),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_wrong_layer_is_named_with_found_and_expected(mat, what):
    layers, said = WRONG[what]
    assert_refused(mat(layers), *said)


OTHER_LAYERS = {
    "numbers": np.eye(3), "text": "conv1_1", "struct": {"name": "conv1_1", "weights": np.eye(2)},
    "sparse": scipy.sparse.csc_array(np.eye(3)), "object": scipy.io.matlab.MatlabObject(
        np.zeros((1, 1), [("weights", object)]), "dagnn.DagNN"),
    "cell of numbers": cell(np.eye(3)), "cell of text": cell("conv1_1"), "empty cell": np.empty((0, 0), object),
    "name is a number": cell({"name": 3, "weights": cell(1)}),
    "weights are text": cell({"name": "conv1_1", "weights": "ab"}),
    "weights are sparse": cell(*({"name": name, "weights": cell(scipy.sparse.csc_array(np.eye(3)), np.eye(3))}
                                 for name in CONVOLUTIONS)),
    "weights are complex": cell(*({"name": name, "weights": cell(1j * np.eye(3), np.eye(3))} for name in CONVOLUTIONS)),
    "no biases": cell({"name": "conv1_1", "filters": np.eye(3)}),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", OTHER_LAYERS)
def test_layers_of_another_type_are_named(tmp_path, what):
    scipy.io.savemat(tmp_path / "vgg.mat", {"layers": OTHER_LAYERS[what]})
    assert_refused(tmp_path / "vgg.mat")


@pytest.mark.slow
@pytest.mark.parametrize("extra", [{}, {"meta": 3}, {"normalization": {"imageSize": 224}},
                                   {"meta": {"normalization": {"averageImage": np.zeros(4)}}},
                                   {"meta": {"normalization": {"averageImage": np.full(3, np.nan)}}}])
def test_a_file_without_a_mean_colour_is_refused_by_name(mat, extra):
    path = mat(thin_vgg())
    scipy.io.savemat(path, {"layers": scipy.io.loadmat(path)["layers"], **extra})
    assert_refused(path, "mean")


@pytest.mark.slow
@pytest.mark.parametrize("kernel_order", ["hw", "wh"])
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_real_conv1_1_is_recognised_in_every_order(mat, shared_file, kernel_order, channels):
    layers, real = thin_vgg(), np.load(shared_file("weights/vgg19_float32.npz"))
    rgb = real["conv1_1_W"][:, :, ::-1]  # the source is height x width, BGR
    layers["conv1_1"] = rgb, real["conv1_1_b"]
    turned = layers | {"conv1_1": (rgb[:, :, ::-1 if channels == "BGR" else 1], real["conv1_1_b"])}
    path = mat(turned, kernel_order=kernel_order, mean_rgb=MEAN[::-1] if channels == "BGR" else MEAN)
    assert_same(detection.read_weights(path), layers)
