"""Training and prediction with images of 4 and 12 channels, of which only the last one shows the classes."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

import fcn
from fcn.core import registry
from fcn.weights import detection

pytestmark = pytest.mark.slow

SIDE = 32


def scene(rng, channels):
    """(photo, label): a square of class 1, which only the last channel shows; the others are noise."""
    label = np.zeros((SIDE, SIDE), np.uint8)
    top, left = rng.integers(0, SIDE // 2, 2)
    label[top:top + SIDE // 2, left:left + SIDE // 2] = 1
    photo = rng.integers(0, 256, (SIDE, SIDE, channels), np.uint8)
    photo[..., -1] = np.where(label, 220, 30)
    return photo, label


def write_scenes(root, channels):
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 4)):
        for part in ("images", "masks"):
            (root / split / part).mkdir(parents=True)
        for i in range(count):
            photo, label = scene(rng, channels)
            Image.fromarray(label).save(root / split / f"masks/{i}.png")
            if channels == 4:
                Image.fromarray(photo).save(root / split / f"images/{i}.png")
            else:
                tifffile.imwrite(root / split / f"images/{i}.tif", photo, photometric="minisblack",
                                 planarconfig="contig", compression="lzw")
    (root / "classes.txt").write_text("ground\nsquare\n")


ENCODER = '''
from fcn.models import layers
from fcn.models.tf_compat import tf

FEATURES = (("half", 2, 8),)


def preprocess(images, mean_rgb):
    return images / 255


def build(images, settings):
    return {"half": tf.nn.relu(layers.conv(images, "conv_a", layers.Window(3, stride=2), 8))}
'''
NET = '''
ENCODER, DECODER = "tiny", "fcn"


def head(features, fcn):
    return fcn.crop(fcn.conv2d_transpose("up", fcn.score("score", features["half"]), 2), 2)
'''


@pytest.fixture(scope="module", autouse=True)
def plugins(tmp_path_factory):
    """A plugin folder with the net and the encoder "tiny", which learns in seconds."""
    folder = tmp_path_factory.mktemp("plugins")
    for kind, text in (("encoders", ENCODER), ("nets", NET)):
        (folder / kind).mkdir()
        (folder / kind / "tiny.py").write_text(text)
    yield folder
    registry.use()


def train(root, plugins, channels, **settings):
    return fcn.train(root / f"data{channels}", cache_dir=root / "cache", plugins=[str(plugins)], net="tiny",
                     **{"run": root / f"run{channels}", "channels": channels, "size": "native", "batch": 4,
                        "crop_size": SIDE, "steps": 80, "seed": 1, "learning_rate": 0.03, "eval_every": 40,
                        "eval_batches": 0, "save_every": 40, **settings})


@pytest.fixture(scope="module")
def rgb_run(plugins, tmp_path_factory):
    """A run on RGB images, whose weights the others start from."""
    root = tmp_path_factory.mktemp("rgb")
    write_scenes(root / "data3", 3)
    return train(root, plugins, 3, weights="none", steps=1)


@pytest.fixture(scope="module", params=[4, 12])
def trained(request, rgb_run, plugins, tmp_path_factory):
    """(number of channels, root, Run)."""
    root = tmp_path_factory.mktemp("many")
    write_scenes(root / f"data{request.param}", request.param)
    return request.param, root, train(root, plugins, request.param, weights=rgb_run.folder)


def test_net_learns_from_the_last_channel_alone(trained):
    channels, _, run = trained
    report = {row["layer"]: row for row in json.loads((run.folder / "transplant.json").read_text())}
    assert report["conv_a"]["fate"] == "reshaped" and report["conv_a"]["shape"] == [3, 3, channels, 8]
    photo, label = scene(np.random.default_rng(5), channels)
    with run.load() as model:
        assert (model.predict(photo) == label).mean() > 0.9
        noise = np.concatenate([photo[..., :-1], photo[..., :1]], axis=2)
        assert (model.predict(noise) == label).mean() < 0.8  # a constant prediction is right for 0.75
        assert model.evaluate().mean_iou > 0.8


def test_files_tiles_scales_and_arrays_agree(trained, tmp_path):
    channels, root, run = trained
    path = sorted((root / f"data{channels}/val/images").iterdir())[0]
    with run.load() as model:
        array = np.asarray(Image.open(path)) if channels == 4 else tifffile.imread(path)
        np.testing.assert_array_equal(model.predict(path), model.predict(array))
        wide = np.tile(array, (4, 4, 1))
        assert (model.predict(wide, tile=64) == model.predict(wide)).mean() > 0.99
        assert model.predict(wide, scales=(0.5, 1), flip=True).shape == wide.shape[:2]
        with pytest.raises(fcn.errors.UsageError, match=rf"expected \(height, width, {channels}\) of uint8"):
            model.predict(array[..., :3])
        Image.fromarray(array[..., :3]).save(tmp_path / "rgb.png")
        with pytest.raises(fcn.errors.DataError, match=f"has 3 bands, expected {channels}"):
            model.predict(tmp_path / "rgb.png")


def test_resumed_and_exported_nets_predict_the_same(trained, plugins, tmp_path):
    channels, root, run = trained
    photo, _ = scene(np.random.default_rng(6), channels)
    weights = json.loads((run.folder / "config.json").read_text())["config"]["weights"]
    again = train(root, plugins, channels, weights=weights, run=tmp_path / "again", steps=1)
    again = train(root, plugins, channels, run=tmp_path / "again", steps=2)
    with run.load("latest") as model, again.load("latest") as resumed:
        ids = model.predict(photo)
        assert resumed.predict(photo).shape == ids.shape
        model.export(tmp_path / "net.npz")
        model.export(tmp_path / "net.tflite")
    assert len(detection.read_weights(tmp_path / "net.npz").mean_rgb) == channels
    with fcn.load(tmp_path / "net.npz") as exported:
        np.testing.assert_array_equal(exported.predict(photo, size=None), ids)
    with pytest.raises(fcn.errors.UsageError, match=f"channels: {channels} in the run, 3 now"):
        train(root, plugins, 3, run=tmp_path / "again", steps=3)
