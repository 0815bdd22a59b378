"""A DagNN that is written comes back to the last bit, and its pads and crops lay every stream over its pixels."""

import numpy as np
import pytest
import scipy.io
from formats_help import MEAN, assert_same, assert_same_weights, thin_fcn, thin_vgg
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.core import errors
from fcn.weights import detection
from fcn.weights.formats import _dagnn_blocks, _heads, dagnn


@pytest.mark.slow
@pytest.mark.parametrize("net", _heads.NETS)
@pytest.mark.parametrize("alignment", ["same", "pad100"])
@pytest.mark.parametrize("backbone", ["vgg16", "vgg19"])
def test_a_written_fcn_comes_back_to_the_last_bit(tmp_path, net, alignment, backbone):
    for number, learned in enumerate(((), tuple(_heads.NETS[net][1]))):
        weights = thin_fcn(net, backbone, learned=learned, alignment=alignment)
        path = tmp_path / str(number) / "net.mat"
        path.parent.mkdir()
        dagnn.write(path, weights)
        assert_same_weights(detection.read_weights(path), weights)
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.slow
@given(st.sampled_from(["vgg16", "vgg19"]), st.integers(1, 70), st.integers(0, 9), st.booleans())
@settings(max_examples=12, deadline=None)
def test_a_written_vgg_of_any_width_comes_back(tmp_path_factory, backbone, width, seed, with_fc):
    layers = thin_vgg(backbone, width, seed)
    layers = {name: pair for name, pair in layers.items() if with_fc or not name.startswith("fc")}
    path = tmp_path_factory.mktemp("written") / "vgg.mat"
    dagnn.write(path, detection.Weights(layers, np.float32(MEAN), ()))
    assert_same(detection.read_weights(path), layers)


@pytest.mark.slow
@pytest.mark.parametrize(("pool", "averaged"), [("avg", "12345"), ("avg1to4", "1234")])
def test_other_pools_and_last_layer_are_written_and_read(tmp_path, pool, averaged):
    weights = thin_fcn("fcn16s", pool=pool, last_layer="conv5_3", pool_scaling=True)
    blocks = {block.name: block for block in _dagnn_blocks.blocks(weights)}
    assert [name[-1] for name, block in blocks.items() if block.options.get("method") == "avg"] == list(averaged)
    assert blocks["pool5"].inputs == ("conv5_3",) and blocks["score_pool4"].inputs == ("scale_pool4",)
    dagnn.write(tmp_path / "net.mat", weights)
    assert_same_weights(detection.read_weights(tmp_path / "net.mat"), weights)


def test_stored_notes_do_not_override_the_layers(tmp_path):
    dagnn.write(tmp_path / "net.mat", thin_fcn("fcn32s", alignment="same", pool="avg"))
    content = {key: value for key, value in scipy.io.loadmat(tmp_path / "net.mat").items() if not key.startswith("__")}
    content["meta"]["fcn"][0, 0] = np.array(['{"alignment": "pad100", "pool": "max"}'])
    scipy.io.savemat(tmp_path / "net.mat", content)
    found = detection.read_weights(tmp_path / "net.mat")
    assert found.variant == {"alignment": "same", "pool": "avg", "learn_upsampling": False}


def positions(weights):
    """{layer: (stride, place of its first output's centre in pixels)} along the blocks, and what crops cut."""
    places = {"data": (1, 0.0)}
    for block in _dagnn_blocks.blocks(weights):
        stride, start = places[block.inputs[0]]
        options, kind = block.options, block.type.split(".")[1]
        size = options.get("poolSize", options.get("size", np.ones((1, 4))))[0, 0]
        if kind in ("Conv", "Pooling"):
            step = stride * options["stride"][0, 0]
            places[block.name] = step, start + stride * ((size - 1) / 2 - options["pad"][0, 0])
        elif kind == "ConvTranspose":
            step = stride / options["upsample"][0, 0]
            places[block.name] = step, start + step * (options["crop"][0, 0] - (size - 1) / 2)
        elif kind == "Crop":
            places[block.name] = stride, start + stride * options["crop"][0, 0]
        else:
            if kind == "Sum":
                assert places[block.inputs[0]] == places[block.inputs[1]], block.name
            places[block.name] = stride, start
    return places


@pytest.mark.parametrize("net", _heads.NETS)
@pytest.mark.parametrize("alignment", ["same", "pad100"])
def test_pads_and_crops_align_scores_with_pixels(net, alignment):
    """Summed streams have one stride and start, and the output starts on the input's first pixel."""
    places = positions(thin_fcn(net, alignment=alignment))
    assert places["score"] == (1, 0.0)


def test_net_that_does_not_fit_is_not_written(tmp_path):
    weights = thin_fcn("fcn8s")
    del weights.layers["score_pool3"]
    with pytest.raises(errors.WeightsError, match="score_pool3 is missing"):
        dagnn.write(tmp_path / "net.mat", weights)
    assert not list(tmp_path.iterdir())


def assert_plain(kernel, factor):
    line = 1 - np.abs(np.arange(2 * factor) + 0.5 - factor) / factor
    np.testing.assert_array_equal(kernel, np.einsum("i,j,ab->ijab", line, line, np.eye(kernel.shape[2])))


@pytest.mark.slow
def test_upsampling_layers_are_identified_by_their_input(tmp_path):
    weights = thin_fcn("fcn8s", learned=("upscore2", "upscore_pool4"))
    dagnn.write(tmp_path / "net.mat", weights)
    content = {key: value for key, value in scipy.io.loadmat(tmp_path / "net.mat").items() if not key.startswith("__")}
    layers = content["layers"]
    places = {str(name[0]): i for i, name in enumerate(layers["name"].ravel())}
    order = list(range(layers.size))
    order.insert(places["upscore2"], order.pop(places["upscore_pool4"]))
    scipy.io.savemat(tmp_path / "net.mat", content | {"layers": layers[:, order]})
    found = detection.read_weights(tmp_path / "net.mat")
    assert_plain(found.layers.pop("upscore8")[0], 8)  # told, since the net has learned the other two
    assert_same_weights(found, weights)
