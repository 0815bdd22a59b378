"""--border-weight and --augment elastic in a run: the loss, resuming, the picture of the first batch."""

import json
import shutil

import numpy as np
import pytest
from conftest import save
from nets_help import THIN, fresh, start
from PIL import Image
from scripts_help import ROOT, call, command

from fcn.data.label_policy import LabelPolicy
from fcn.models import graph_builder
from fcn.models.architecture import Architecture
from fcn.models.batch_loss import LossSettings
from fcn.runs import checkpoint_files


@pytest.mark.slow
def test_graph_weighs_pixels_and_weighs_them_1_by_default():
    photos, labels = np.full((1, 5, 7, 3), 90, np.uint8), np.zeros((1, 5, 7), np.uint8)
    weights = np.ones((1, 5, 7), np.float32)
    weights[0, 1, 2] = 11
    labels[0, 0, :] = 255
    with fresh() as session:
        graph = graph_builder.build(Architecture("fcn8s", 2, THIN), LabelPolicy((255,)), LossSettings(border_weight=10))
        feed = {graph.images: photos, graph.labels: labels}
        start(session)
        assert session.run(graph.pixels, feed) == 28
        assert session.run(graph.pixels, feed | {graph.pixel_weights: weights}) == 38
    with fresh():
        assert graph_builder.build(Architecture("fcn8s", 2, THIN)).pixel_weights is None


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Images with three bright cells, and their masks."""
    folder = tmp_path_factory.mktemp("cells")
    for number in range(4):
        mask = np.zeros((48, 48), np.uint8)
        for left in (2, 18 + number, 34):
            mask[4:44, left:left + 10] = 255
        split = "train" if number < 3 else "val"
        save(folder / split / "images" / f"{number}.png", np.dstack([mask] * 3))
        save(folder / split / "masks" / f"{number}.png", mask)
    return folder


def words(data, work, *more):
    return command("train_fcn.py", "--data", data, "--net", "example", "--weights", "none", "--plugins",
                   ROOT / "tests/plugins", "--cache-dir", work / "cache", "--run", work / "run", "--size", "48",
                   "--batch", "2", "--augment", "elastic,zoom,turn", "--border-weight", "10", "--save-every", "1",
                   "--keep", "9", "--log-every", "1", "--eval-batches", "1", "--learning-rate", "1e-2", *more)


@pytest.mark.slow
def test_run_with_border_weights_is_resumed_exactly(data, tmp_path):
    call(words(data, tmp_path, "--steps", "4"))
    whole = shutil.copytree(tmp_path / "run", tmp_path / "whole")
    for later in (3, 4):
        shutil.rmtree(tmp_path / "run/checkpoints" / checkpoint_files.name(later))
    assert "resumed at step 2" in call(words(data, tmp_path, "--steps", "4")).stdout
    for name in ("log.jsonl", "checkpoints/step-000004/state.json",
                 "checkpoints/step-000004/model.data-00000-of-00001"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes(), name
    assert json.loads((whole / "config.json").read_text())["model"]["border_weight"] == 10
    refused = call(words(data, tmp_path, "--steps", "5", "--border-weight", "0"), code=2)
    assert "border_weight: 10.0 in the run, 0.0 now" in refused.stderr


@pytest.mark.slow
def test_first_batch_shows_its_weights(data, tmp_path):
    for name, more in (("with.png", ()), ("without.png", ("--border-weight", "0"))):
        call(words(data, tmp_path, "--show-batch", tmp_path / name, *more))
    fourth = [np.asarray(Image.open(tmp_path / name))[:48, 3 * 52:3 * 52 + 48] for name in ("with.png", "without.png")]
    assert len(np.unique(fourth[0])) > 2 and (fourth[1] == 255).all()


@pytest.mark.slow
def test_background_of_weight_0_is_refused(data, tmp_path):
    (tmp_path / "weights.txt").write_text("0\n1\n")
    assert "--border-weight 10: class 0" in call(words(data, tmp_path, "--class-weights", tmp_path / "weights.txt"),
                                                 code=2).stderr
