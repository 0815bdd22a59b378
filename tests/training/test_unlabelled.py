"""Images without one labelled pixel, as a user's data has them: trained on, validated on, and resumed in between."""

import json
import shutil

import numpy as np
import pytest
from conftest import save
from scripts_help import call, command, evaluate

from fcn.config import training_config
from fcn.runs import checkpoint_files, run_log

pytestmark = pytest.mark.slow

STRIPES = np.repeat(np.repeat([[0, 1]], 32, 1), 64, 0).astype(np.uint8)
NOTHING = np.full((64, 64), 255, np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two training images, of which one is ignored as a whole; of two validation images the first is."""
    folder = tmp_path_factory.mktemp("unlabelled")
    for split, labels in (("train", (STRIPES, NOTHING)), ("val", (NOTHING, STRIPES))):
        for number, label in enumerate(labels):
            save(folder / split / "images" / f"{number}.png", np.dstack([label * 200, label, label]))
            save(folder / split / "targets" / f"{number}.png", label)
    return folder


def train(data, toy, work, *words, code=0):
    return call(command("train_fcn.py", "--data", data, "--weights", toy / "vgg.mat", "--cache-dir", work / "cache",
                        "--run", work / "run", "--size", "64", "--batch", "1", "--augment", "none", "--average-loss",
                        "1", "--log-every", "1", "--eval-batches", "1", "--learning-rate", "1e-3", *words), code).stdout


def strict(text):
    """The JSON objects of a text, a line each; NaN and Infinity are none."""
    def refuse(name):
        raise ValueError(f"{name} is no JSON")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


@pytest.fixture(scope="module")
def ended(data, toy, tmp_path_factory):
    """(folder of work, what was printed) of a run of six steps whose three validations see no labelled pixel."""
    work = tmp_path_factory.mktemp("ended")
    return work, train(data, toy, work, "--steps", "6", "--eval-every", "2", "--save-every", "1", "--keep", "9",
                       "--patience", "1")


def test_unlabelled_validation_is_not_best_and_costs_no_patience(ended):
    work, said = ended
    assert said.count("no labelled pixels in these 1 validation images, so no score") == 3
    assert "best so far" not in said and "--patience" not in said and "nan" not in said
    entries = strict((work / "run/log.jsonl").read_text())
    assert [entry for entry in entries if "val_loss" in entry] == [
        {"step": step, "val_loss": None, "val_pixel_accuracy": None, "val_mean_iou": None, "val_f_score": None,
         "unlabelled_images": 1}
        for step in (2, 4, 6)]
    states = {state["step"]: state for _, state in checkpoint_files.listed(work / "run/checkpoints")}
    assert all((states[step]["score"], states[step]["best"], states[step]["since_best"]) == (None, None, 0)
               for step in states)
    assert [states[step]["validated"] for step in (1, 2, 3, 4, 5, 6)] == [0, 2, 2, 4, 4, 6]


def test_unlabelled_step_is_reported_and_keeps_weights_finite(ended):
    work, said = ended
    empty = [entry["step"] for entry in run_log.read_entries(work / "run/log.jsonl") if "batches" in entry
             and entry["loss"] is None]
    assert len(empty) == 3 and said.count("no labelled pixels in the last batch") == 3
    assert [entry["unlabelled_batches"] for entry in run_log.read_entries(work / "run/log.jsonl") if "batches" in entry
            and entry["loss"] is None] == [1, 1, 1]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_resumed_run_with_unlabelled_batches_ends_like_another(ended, data, toy, tmp_path, step):
    work, _ = ended
    shutil.copytree(work, tmp_path / "work")
    for later in range(step + 1, 7):
        shutil.rmtree(tmp_path / "work/run/checkpoints" / checkpoint_files.name(later))
    assert f"resumed at step {step}\n" in train(data, toy, tmp_path / "work", "--steps", "6", "--eval-every", "2",
                                                "--save-every", "1", "--keep", "9", "--patience", "1")
    for name in ("log.jsonl", *(f"checkpoints/step-000006/{file}" for file in
                                ("state.json", "model.data-00000-of-00001"))):
        assert (tmp_path / "work/run" / name).read_bytes() == (work / "run" / name).read_bytes(), name


def test_newest_checkpoint_is_evaluated_without_a_score(ended, tmp_path):
    assert "step-000006 (step 6, no validation score, the newest)" in evaluate(
        "--run", ended[0] / "run", "--outputs", "none", "--out", tmp_path / "out")


def test_one_of_two_accumulated_batches_may_be_unlabelled(data, toy, tmp_path):
    said = train(data, toy, tmp_path, "--steps", "2", "--batches-per-step", "2", "--loss-reduction", "mean-per-image",
                 "--average-loss", "2")
    entries = [entry for entry in strict((tmp_path / "run/log.jsonl").read_text()) if "batches" in entry]
    assert [(entry["batches"], entry["unlabelled_batches"]) for entry in entries] == [(2, 1), (2, 1)]
    assert entries[0]["loss"] == pytest.approx(np.log(2), abs=1e-3) and "nan" not in said
    settings = json.loads((tmp_path / "run/config.json").read_text())["config"]
    assert training_config.from_dict(settings).batches_per_step == 2
