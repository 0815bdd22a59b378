"""A net of 300 classes: trained, evaluated and loaded with labels and predictions of 16 bits."""

import json

import numpy as np
import pytest
from conftest import save
from PIL import Image
from scripts_help import SMALL, call, command, evaluate

import fcn
from fcn.data.cache import cache

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(toy, tmp_path_factory):
    """Folder with data/ of 300 classes, most pixels of class 299, and run/, a run of 8 steps on it."""
    work = tmp_path_factory.mktemp("wide")
    label = np.full((40, 56), 299, np.uint16)
    label[:4], label[4:8] = 255, 65535
    for name in "abcdef":
        save(work / f"data/images/{name}.png", np.random.default_rng(ord(name)).integers(0, 256, (40, 56, 3), np.uint8))
        save(work / f"data/targets/{name}.png", label)
    (work / "data/classes.txt").write_text("".join(f"class {i}\n" for i in range(300)))
    call(command("train_fcn.py", "--data", work / "data", "--weights", toy / "vgg.mat", "--cache-dir", work / "cache",
                 "--run", work / "run", *SMALL, "--steps", "8", "--learning-rate", "0.1",
                 "--augment", "hflip,turn,scale"))
    return work


def test_a_run_of_300_classes_has_labels_of_16_bits(run):
    content = json.loads((run / "run/config.json").read_text())
    assert content["model"]["num_classes"] == 300 and content["spec"]["ignored_ids"] == [65535]
    label = cache.open_cache(next((run / "cache").glob("*training*.h5"))).label(0)
    assert label.dtype == np.uint16 and np.unique(label).tolist() == [255, 299, 65535]


def test_its_evaluation_writes_and_scores_ids_of_16_bits(run):
    evaluate("--run", run / "run", "--split", "training", "--out", run / "eval", "--outputs", "predictions,panels")
    right = pixels = 0
    for path in (run / "eval/predictions").iterdir():
        with Image.open(path) as prediction, Image.open(run / "data/targets" / path.name) as label:
            assert prediction.mode == "I;16"
            scored = np.asarray(label) < 300
            right += (np.asarray(prediction) == np.asarray(label))[scored].sum()
            pixels += scored.sum()
    content = json.loads((run / "eval/report.json").read_bytes())
    assert content["pixel_accuracy"] == pytest.approx(right / pixels) and right / pixels > 0.3
    assert 'data-ids="255 299 65535"' in (run / "eval/report.html").read_text()


def test_the_loaded_model_predicts_ids_of_16_bits(run):
    ids = fcn.load(run / "run").predict(run / "data/images/a.png")
    assert ids.dtype == np.uint16 and 299 in ids and ids.max() < 300
