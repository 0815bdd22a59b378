"""The order of axes and colours follows from conv1_1's numbers, and from nothing else where they are known."""

import itertools

import numpy as np
import pytest
from formats_help import thin_vgg

from fcn.core import errors
from fcn.models import published_nets
from fcn.weights.formats import _published
from fcn.weights.formats._published import BGR, HEIGHT_WIDTH, RGB, WIDTH_HEIGHT

ORDERS = tuple(itertools.product((HEIGHT_WIDTH, WIDTH_HEIGHT), (RGB, BGR)))


def stored(kernel, axes, reverse):
    """A kernel (height, width, RGB, out) as a file of this order stores it."""
    return kernel[:, :, ::-1 if reverse else 1].transpose(axes)


@pytest.mark.parametrize("backbone", ["vgg16", "vgg19"])
@pytest.mark.parametrize(("axes", "reverse"), ORDERS)
def test_four_axis_orders_are_detected(backbone, axes, reverse):
    kernel = stored(thin_vgg(backbone)["conv1_1"][0], axes, reverse)
    found, note = _published.order(kernel, backbone, (HEIGHT_WIDTH, RGB), True, "x")
    assert found == (axes, reverse) and "conv1_1 matches" in note


@pytest.mark.parametrize("backbone", ["vgg16", "vgg19"])
def test_published_axis_orders_are_far_apart(backbone):
    kernel = thin_vgg(backbone)["conv1_1"][0]
    for right in ORDERS:
        wrong = {order: distance for order, distance in _published.distances(stored(kernel, *right), backbone).items()
                 if order != right}
        assert min(wrong.values()) > 10 * _published.TOLERANCE


@pytest.mark.parametrize(("backbone", "other"), [("vgg16", "vgg19"), ("vgg19", "vgg16")])
def test_vgg16_and_vgg19_are_distinguished(backbone, other):
    with pytest.raises(errors.WeightsError, match="but other values"):
        _published.order(thin_vgg(backbone)["conv1_1"][0], other, (HEIGHT_WIDTH, RGB), True, "x")


def test_fine_tuned_net_is_recognised_by_its_order_of_axes():
    kernel = stored(thin_vgg("vgg19")["conv1_1"][0] + np.float32(0.05), WIDTH_HEIGHT, BGR)
    found, note = _published.order(kernel, "vgg19", (HEIGHT_WIDTH, RGB), False, "x")
    assert found == (WIDTH_HEIGHT, BGR) and "fine-tuned" in note


def test_unknown_numbers_use_the_documented_order():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 64))
    for documented in ORDERS:
        found, note = _published.order(kernel, "vgg19", documented, False, "x")
        assert found == documented and "read as documented" in note


def test_vgg19_numbers_match_the_real_file(shared_file):
    real = np.load(shared_file("weights/vgg19_float32.npz"))["conv1_1_W"][:, :, ::-1]  # it is BGR
    assert np.nanmax(np.abs(real - _published.conv1_1("vgg19"))) < 6e-5  # 4 decimals


def test_program_reads_the_blue_plane_of_vgg16_height_by_width(shared_file):
    # Its other print-out is VGG-19's blue plane of filter 0, in the same order; that one can be checked.
    printed = np.array([0.341195, 0.339992, -0.0448442, 0.232159, 0.0897821, -0.303314, -0.0726092, -0.246675,
                        -0.336833])
    real = np.load(shared_file("weights/vgg19_float32.npz"))["conv1_1_W"][:, :, 0, 0]
    np.testing.assert_allclose(printed.reshape(3, 3), real, atol=1e-6)


def test_vgg19_is_detected_by_its_own_layers():
    assert published_nets.backbone() == "vgg19" and published_nets.backbone({}) == "vgg19"
    assert published_nets.backbone(thin_vgg("vgg16")) == "vgg16"
    assert published_nets.backbone(thin_vgg("vgg19")) == "vgg19"
    assert len(published_nets.convolutions(thin_vgg("vgg16"))) == 13
    assert published_nets.last_of_stage(4, thin_vgg("vgg16")) == "conv4_3"
    assert published_nets.last_of_stage(4) == "conv4_4"


def test_widths_list_the_layers_in_order():
    narrow = {name: kernel.shape[3] for name, (kernel, _) in thin_vgg("vgg16", 8).items()}
    assert published_nets.widths(narrow) == narrow and list(published_nets.widths(narrow)) == list(narrow)
    without_fc = {name: width for name, width in narrow.items() if not name.startswith("fc")}
    assert list(published_nets.widths(without_fc)) == list(narrow)
    assert published_nets.widths(without_fc)["fc6"] == 4096 * 4 // 512
    assert list(published_nets.widths()) == [*published_nets.CONVOLUTIONS, "fc6", "fc7"]
    assert published_nets.widths({"score_fr": 3, **narrow}) == narrow
