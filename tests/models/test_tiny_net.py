"""A net of one's own, in two small files with nothing but what the contracts ask for: trained, tried, evaluated."""

import json

import pytest

from fcn.cli import evaluate, train
from fcn.core import errors, registry
from fcn.models.tf_compat import tf

pytestmark = pytest.mark.slow

ENCODER = '''
"""Two convolutions; stride 4."""
from fcn.models import layers
from fcn.models.tf_compat import tf

FEATURES = (("half", 2, 4), ("quarter", 4, 6))


def preprocess(images, mean_rgb):
    return images / 255


def build(images, settings):
    half = tf.nn.relu(layers.conv(images, "conv_a", layers.Window(3, stride=2), 4))
    return {"half": half, "quarter": tf.nn.relu(layers.conv(half, "conv_b", layers.Window(3, stride=2), 6))}
'''
NET = '''
"""Scores of the tiny encoder's last feature, upsampled."""
ENCODER, DECODER = "tiny", "fcn"


def head(features, fcn):
    return fcn.crop(fcn.conv2d_transpose("up", fcn.score("score", features["quarter"]), 4), 4)
'''


@pytest.fixture(autouse=True)
def plugins(tmp_path):
    """A plugin folder with the net and the encoder "tiny"."""
    for kind, text in (("encoders", ENCODER), ("nets", NET)):
        path = tmp_path / "plugins" / kind / "tiny.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    yield
    registry.use()
    tf.reset_default_graph()


def train_toy(toy, work, *words):
    train.main([str(word) for word in (
        "--plugins", work / "plugins", "--net", "tiny", "--data", toy / "scenes", "--weights", toy / "vgg.mat",
        "--cache-dir", work / "cache", "--run", work / "run", "--layout", "ade20k", "--size", "72x80", "--batch", 2,
        "--eval-batches", 1, "--steps", 1, *words)])


def test_tiny_net_trains_a_step_and_is_evaluated_whole_and_tiled(toy, tmp_path, capsys):
    train_toy(toy, tmp_path, "--learning-rate", "0.01")
    said = " ".join(capsys.readouterr().out.split())
    assert "conv_a fresh 3 x 3 x 3 x 4" in said and "conv1_1 dropped" in said
    assert "memory about 7" in said  # 720 MB of the program
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert any("val_mean_iou" in entry for entry in log)
    for words, folder in (([], "whole"), (["--window", "64"], "windows")):
        evaluate.main(["--run", str(tmp_path / "run"), "--out", str(tmp_path / folder), *words])
        assert 0 <= json.loads((tmp_path / folder / "report.json").read_text())["mean_iou"] <= 1
    with pytest.raises(errors.UsageError, match="the receptive field of the net tiny is unknown"):
        evaluate.main(["--run", str(tmp_path / "run"), "--out", str(tmp_path / "exact"), "--window", "64", "--overlap",
                       "exact", "--merge", "centre"])


def test_dry_run_of_a_tiny_net_lists_features_and_memory(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fcn.training.dry_run.TIMED_S", 0)
    train_toy(toy, tmp_path, "--dry-run")
    said = " ".join(capsys.readouterr().out.split())
    assert "quarter 18 x 20 x 6 4 logits" in said
    assert "parameters: encoder 334, decoder" in said  # 3 x 3 x 3 x 4 + 4, and 3 x 3 x 4 x 6 + 6
    assert "maps of a batch" in said and "measured peak so far" in said


def test_tiny_net_refuses_missing_layers_and_options_of_fcns(toy, tmp_path):
    with pytest.raises(errors.UsageError, match=r"--freeze conv4: the encoder has no such layer\n.*conv_a, conv_b"):
        train_toy(toy, tmp_path, "--dry-run", "--freeze", "conv4")
    with pytest.raises(errors.UsageError, match="the net tiny has no --pool"):
        train_toy(toy, tmp_path, "--dry-run", "--pool", "avg")
