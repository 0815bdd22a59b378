"""DagNN: the structure of the published nets, put together by hand and not by our writer, is read."""

import numpy as np
import pytest
import scipy.io
from formats_help import MEAN, assert_refused, assert_same, cell, structs, thin_vgg

from fcn.weights import detection

CLASSES = 3


def line(size):
    """What bilinear interpolation by size / 2 weighs, from its definition."""
    return [1 - abs(i + 0.5 - size / 2) / (size / 2) for i in range(size)]


def interpolation(size, groups=False):
    kernel = np.zeros((size, size, 1 if groups else CLASSES, CLASSES), np.float32)
    for i in range(CLASSES):
        kernel[:, :, 0 if groups else i, i] = np.outer(line(size), line(size))
    return kernel


class ByHand:
    """A DagNN as vlfeat/matconvnet's import-caffe.py (suffixes _filter, _bias) or matconvnet-fcn (f, b) lays it out."""

    def __init__(self, suffixes, pad):
        self.suffixes, self.pad, self.params, self.layers = suffixes, pad, [], []

    def add(self, name, kind, inputs, arrays=(), output=None, **block):
        names = [name + suffix for suffix in self.suffixes[:len(arrays)]]
        self.params += [{"name": n, "value": a} for n, a in zip(names, arrays, strict=True)]
        self.layers.append({"name": name, "type": f"dagnn.{kind}", "inputs": cell(*inputs),
                            "outputs": cell(output or name), "params": cell(*names),
                            "block": structs(block) if block else np.zeros((0, 0))})

    def convs(self, layers):
        for name, (kernel, bias) in layers.items():
            pad = np.full((1, 4), self.pad if name == "conv1_1" else 1.0)
            self.add(name, "Conv", ["x"], (kernel, bias[:, None]), pad=pad, size=np.array([kernel.shape], float))
            self.add(name.replace("conv", "relu"), "ReLU", [name], leak=0.0)

    def write(self, path, wrapped=False, **meta):
        net = {"layers": structs(*self.layers), "params": structs(*self.params), "meta": structs(meta),
               "vars": structs({"name": "data", "value": np.zeros((0, 0))})}
        scipy.io.savemat(path, {"net": structs(net), "stats": np.eye(2)} if wrapped else net, oned_as="column")
        return path


def score(width, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(1, 1, width, CLASSES)).astype(np.float32), rng.normal(size=CLASSES).astype(np.float32)


def column(pair):
    return pair[0], pair[1][:, None]


NO_BIAS = np.zeros((CLASSES, 1), np.float32)
CAFFE_META = {"normalization": structs({"averageImage": np.reshape(MEAN, (1, 1, 3)), "imageSize": np.ones((1, 4))}),
              "classes": structs({"name": cell("a", "b", "c"), "description": cell("sky", "sea", "sand")})}


def test_published_fcn32s_is_read(tmp_path):
    body, fr, net = thin_vgg("vgg16"), score(5, 1), ByHand(("_filter", "_bias"), 100.0)
    net.convs(body)
    net.add("score_fr", "Conv", ["fc7"], column(fr))
    net.add("upsample", "ConvTranspose", ["score_fr"], (interpolation(64), NO_BIAS), upsample=np.array([[32., 32.]]))
    net.add("crop", "Crop", ["upsample", "data"], crop=np.array([[19., 19.]]))
    found = detection.read_weights(net.write(tmp_path / "pascal-fcn32s-dag.mat", **CAFFE_META))
    assert_same(found, body | {"score_fr": fr})
    assert (found.net, found.class_names) == ("fcn32s", ("sky", "sea", "sand"))
    assert found.variant == {"alignment": "pad100", "learn_upsampling": False}


def published_fcn8s(path):
    """(path, body, scores, upsampling kernels) of an FCN-8s as the importer from Caffe lays it out."""
    body, net, rng = thin_vgg("vgg16"), ByHand(("_filter", "_bias"), 100.0), np.random.default_rng(5)
    fr, four, three = score(5, 1), score(4, 2), score(4, 3)
    up2, up4 = (rng.normal(size=(4, 4, CLASSES, CLASSES)).astype(np.float32) for _ in range(2))
    ones = np.ones((CLASSES, 1), np.float32)
    net.convs(body)
    net.add("score-fr", "Conv", ["fc7x"], column(fr))
    net.add("score2", "ConvTranspose", ["score-fr"], (up2, ones), upsample=np.array([[2., 2.]]))
    net.add("score-pool4", "Conv", ["pool4"], column(four))
    net.add("crop", "Crop", ["score-pool4", "score2"], crop=np.array([[5., 5.]]))
    net.add("fuse", "Sum", ["score2", "crop"])
    net.add("score4", "ConvTranspose", ["fuse"], (up4, 2 * ones), upsample=np.array([[2., 2.]]))
    net.add("score-pool3", "Conv", ["pool3"], column(three))
    net.add("cropx", "Crop", ["score-pool3", "score4"], crop=np.array([[9., 9.]]))
    net.add("fusex", "Sum", ["score4", "cropx"])
    net.add("upsample", "ConvTranspose", ["fusex"], (interpolation(16),), upsample=np.array([[8., 8.]]))
    net.add("cropxx", "Crop", ["upsample", "data"], crop=np.array([[31., 31.]]))
    return net.write(path, **CAFFE_META), body, (fr, four, three), (up2, up4)


def test_biases_of_learned_upsampling_move_into_the_scores(tmp_path):
    path, body, (fr, four, three), (up2, up4) = published_fcn8s(tmp_path / "pascal-fcn8s-dag.mat")
    found = detection.read_weights(path)
    assert_same(found, body | {"score_fr": fr, "score_pool4": (four[0], four[1] + 1),
                               "score_pool3": (three[0], three[1] + 2),
                               "upscore2": (up2, None), "upscore_pool4": (up4, None),
                               "upscore8": (interpolation(16), None)})
    assert found.net == "fcn8s" and found.variant == {"alignment": "pad100", "learn_upsampling": True}
    assert sum("added the bias of" in note for note in found.notes) == 2


@pytest.mark.slow
@pytest.mark.parametrize("stride", [16, 8])
def test_snapshot_of_matconvnet_fcn_is_read(tmp_path, stride):
    body, net = thin_vgg("vgg16"), ByHand(("f", "b"), 1.0)
    fr, four, three = score(5, 1), score(4, 2), score(4, 3)
    net.convs(body)
    net.add("fc8", "Conv", ["x37"], column(fr), output="x38")
    net.add("deconv2", "ConvTranspose", ["x38"], (interpolation(4),), upsample=2.0)
    net.add("skip4", "Conv", ["x24"], (four[0], four[1].reshape(1, 1, -1)))
    net.add("sum1", "Sum", ["deconv2", "skip4"])
    if stride == 8:
        net.add("deconv2bis", "ConvTranspose", ["sum1"], (interpolation(4),), upsample=2.0)
        net.add("skip3", "Conv", ["x17"], (three[0], three[1].reshape(1, 1, -1)))
        net.add("sum2", "Sum", ["deconv2bis", "skip3"])
    net.add(f"deconv{stride}", "ConvTranspose", ["sum"], (interpolation(2 * stride, groups=True),), numGroups=3.0)
    path = net.write(tmp_path / "net-epoch-50.mat", wrapped=True, normalization=structs({
        "averageImage": np.zeros((0, 0)), "rgbMean": np.reshape(MEAN, (3, 1))}))
    found = detection.read_weights(path)
    scores = {"score_fr": fr, "score_pool4": four} | ({"score_pool3": three} if stride == 8 else {})
    assert_same(found, body | scores)
    assert found.net == f"fcn{stride}s" and found.variant == {"alignment": "same", "learn_upsampling": False}


@pytest.mark.slow
def test_bare_backbone_has_no_classifier_and_must_be_published(tmp_path):
    body, net = thin_vgg("vgg16"), ByHand(("_filter", "_bias"), 1.0)
    net.convs(body | {"fc8": (np.zeros((1, 1, 5, 7), np.float32), np.zeros(7, np.float32))})
    found = detection.read_weights(net.write(tmp_path / "vgg16-dag.mat", **CAFFE_META))
    assert_same(found, body)
    assert found.net is None and found.variant == {} and "conv1_1 matches VGG-16" in found.notes[0]
    net.params[0]["value"] = body["conv1_1"][0] + np.float32(0.2)
    assert_refused(net.write(tmp_path / "other.mat", **CAFFE_META), "but other values")


WRONG = {
    "no upsampling that fits": (lambda net: net.add("deconv5", "ConvTranspose", ["x"], (interpolation(10),)),
                               "deconv5 has kernel (10, 10, 3, 3), expected 64 x 64"),
    "a scale that is not known": (lambda net: (
        net.add("up", "ConvTranspose", ["score_fr"], (interpolation(64),)),
        net.add("scale", "Scale", ["pool4"], (np.full((1, 1), 0.5, np.float32),))), "scales its pools by [0.5]"),
    "two upsamplings for one score": (lambda net: [net.add(
        f"up{i}", "ConvTranspose", ["score_fr"], (interpolation(4),)) for i in range(2)], "2 upsampling layers"),
    "a kernel of five axes": (lambda net: net.add(
        "up", "ConvTranspose", ["score_fr"], (np.zeros((4, 4, 3, 3, 2), np.float32),)), "expected at most 4 axes"),
    "upsampling without filters": (lambda net: net.add("up", "ConvTranspose", ["score_fr"]), "up has no filters"),
    "a bias after all sums": (lambda net: net.add(
        "up", "ConvTranspose", ["score_fr"], (interpolation(64), NO_BIAS + 1)), "biases, expected none"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_a_net_of_another_design_is_refused(tmp_path, what):
    change, said = WRONG[what]
    net = ByHand(("_filter", "_bias"), 1.0)
    net.convs(thin_vgg("vgg16"))
    net.add("score_fr", "Conv", ["fc7"], column(score(5, 1)))
    change(net)
    assert_refused(net.write(tmp_path / "net.mat", **CAFFE_META), said)


@pytest.mark.slow
def test_missing_parameter_of_a_layer_is_refused(tmp_path):
    net = ByHand(("_filter", "_bias"), 1.0)
    net.convs(thin_vgg("vgg16"))
    del net.params[3]
    assert_refused(net.write(tmp_path / "net.mat", **CAFFE_META), "conv1_2_bias")
