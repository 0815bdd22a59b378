"""A genuine VGG-19 through our layers: it names what is in real photos; and its features are those of Keras' VGG-19.

Photos and weights are kept beside the project (conftest.SHARED); without them the first part is skipped.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from conftest import SHARED
from nets_help import fresh, put
from PIL import Image

from fcn.config.variants import Variants
from fcn.models import published_nets
from fcn.models.encoders import _vgg_graph
from fcn.models.tf_compat import tf
from fcn.weights import detection

pytestmark = pytest.mark.slow

ADE = "data/ade20k_samples"
# What ImageNet's 1000 classes call it, its number among them, and the probability that was measured when this was
# written, of the whole photo squashed to 224 x 224.
PHOTOS = {
    f"{ADE}/ADEChallengeData2016/images/validation/ADE_val_00000002.jpg": ("castle", 483, 0.91),
    f"{ADE}/ADEChallengeData2016/images/training/ADE_train_00016900.jpg": ("motor scooter", 670, 0.59),
    "data/voc_labelme/JPEGImages/2011_000025.jpg": ("school bus", 779, 0.45),
    f"{ADE}/images_without_labels/ADE_val_00001774.jpg": ("bannister", 421, 0.32),
}
NUMBERS = [number for _, number, _ in PHOTOS.values()]
MEASURED = [probability for _, _, probability in PHOTOS.values()]
TOLERANCE = 0.02


def needed(name):
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not on this machine")
    return SHARED / name


def fc8(path):
    """The classifier that ends the file, which nothing of ours reads: kernel (4096, 1000), bias (1000,)."""
    layers = [cell[0, 0] for cell in scipy.io.loadmat(path, variable_names=["layers"])["layers"].ravel()]
    kernel, bias = next(layer["weights"] for layer in layers if layer["name"].item() == "fc8").ravel()
    return kernel.reshape(4096, 1000), bias.ravel()


@pytest.fixture(scope="module")
def classify(tmp_path_factory):
    """classify(images (n, 224, 224, 3) RGB): probabilities (n, 1000) of ImageNet's classes."""
    for name in ("vgg19_float32.npz", "vgg19_uint8.npz", "vgg19_scales.json"):
        needed(f"weights/{name}")
    path = tmp_path_factory.mktemp("vgg19") / "vgg19.mat"
    subprocess.run([sys.executable, needed("weights/build_vgg19_mat.py"), path], check=True, capture_output=True)
    weights, (kernel, bias) = detection.read_weights(path), fc8(path)
    path.unlink()  # 575 MB
    with fresh() as session:
        images = tf.placeholder(tf.float32, (None, None, None, 3))
        ends = _vgg_graph.build(images - tf.constant(weights.mean_rgb), weights.widths, 1.0, tf.zeros((2,), tf.int32),
                               Variants())
        put(session, {f"{layer}/{part}": array for layer, pair in weights.layers.items()
                      for part, array in zip(("kernel", "bias"), pair, strict=True)})
        del weights
        # fc6 pads the 7 x 7 cells of pool5 by 3; its middle cell sees them all and no padding: the layer as published.
        fc7 = ends["fc7"][:, 3, 3]

        def probabilities(photos):
            scores = session.run(fc7, {images: photos}) @ kernel + bias
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            return scores / scores.sum(axis=1, keepdims=True)
        yield probabilities


@pytest.fixture(scope="module")
def photos():
    paths = [needed(name) for name in PHOTOS]
    return np.stack([Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC) for path in paths])


def test_rebuilt_vgg19_classifies_real_photos(classify, photos):
    found = classify(photos)
    assert found.argmax(axis=1).tolist() == NUMBERS
    assert found[range(len(NUMBERS)), NUMBERS] == pytest.approx(MEASURED, abs=TOLERANCE)


@pytest.mark.parametrize("wrong", [
    pytest.param(lambda photos: photos[..., ::-1], id="colours reversed"),
    pytest.param(lambda photos: photos.swapaxes(1, 2), id="rows and columns exchanged"),
    pytest.param(lambda photos: photos + np.array((123.68, 116.779, 103.939)), id="mean not subtracted"),
])
def test_wrong_colour_order_axes_or_mean_would_be_detected(classify, photos, wrong):
    found = classify(wrong(photos))  # as if kernels or channels were read in another order
    assert found.argmax(axis=1).tolist() != NUMBERS
    assert np.abs(found[range(len(NUMBERS)), NUMBERS] - MEASURED).max() > 10 * TOLERANCE


KERAS = """
import sys
import keras
import numpy as np
given = np.load(sys.argv[1])
net = keras.applications.VGG19(weights=None, include_top=False, input_shape=given["images"].shape[1:])
for layer in net.layers:
    if layer.weights:
        layer.set_weights([given[layer.name + "/kernel"], given[layer.name + "/bias"]])
names = "block3_pool", "block4_pool", "block5_pool"
features = keras.Model(net.input, [net.get_layer(name).output for name in names])(given["images"])
np.savez(sys.argv[2], **{name: np.asarray(feature) for name, feature in zip(names, features)})
"""


def test_features_match_keras_with_equal_kernels(tmp_path):
    rng, widths = np.random.default_rng(0), published_nets.widths() | {"fc6": 1, "fc7": 1}
    kernels, depth = {}, 3
    for layer in published_nets.CONVOLUTIONS:
        shape, depth = (3, 3, depth, widths[layer]), widths[layer]
        kernels[f"{layer}/kernel"] = rng.normal(0, np.sqrt(2 / (9 * shape[2])), shape).astype(np.float32)
        kernels[f"{layer}/bias"] = rng.uniform(0, 0.2, depth).astype(np.float32)
    photos = rng.uniform(-120, 120, (2, 64, 96, 3)).astype(np.float32)
    # conv1_1 is block1_conv1 in Keras, which runs eagerly and therefore apart.
    np.savez(tmp_path / "given.npz", images=photos, **{f"block{n[4]}_conv{n[6:]}": a for n, a in kernels.items()})
    subprocess.run([sys.executable, "-c", KERAS, tmp_path / "given.npz", tmp_path / "features.npz"], check=True,
                   env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}, capture_output=True)
    with fresh() as session:
        images = tf.placeholder(tf.float32, (None, None, None, 3))
        ends = _vgg_graph.build(images, widths, 1.0, tf.zeros((2,), tf.int32), Variants())
        put(session, kernels)
        ours = session.run([ends[name] for name in ("pool3", "pool4", "pool5")], {images: photos})
    with np.load(tmp_path / "features.npz") as theirs:
        for number, features in zip((3, 4, 5), ours, strict=True):
            expected = theirs[f"block{number}_pool"]
            assert features.shape == expected.shape == (2, 64 >> number, 96 >> number, min(64 << number - 1, 512))
            assert np.ptp(expected) > 1
            assert np.abs(features - expected).max() < 1e-5 * np.abs(expected).max()
