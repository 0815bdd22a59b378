"""Files that users have from before `fcn` was split into packages: the present commands read them as that version did.

fixtures/before_packages/make.py made them, and expected.json beside it, with the code of that version.
"""

import csv
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from PIL import Image

from fcn.config import old_settings

pytestmark = pytest.mark.slow

ROOT = next(folder for folder in pathlib.Path(__file__).parents if (folder / "train_fcn.py").exists())
FIXTURE = ROOT / "tests/fixtures/before_packages"
EXPECTED = json.loads((FIXTURE / "expected.json").read_text())
CHECKPOINT = f"run/checkpoints/step-{EXPECTED['steps']:06d}"
OTHER_PROCESSOR_PIXELS = 0.005  # share of pixels that may differ where other instructions round otherwise


@pytest.fixture
def folder(tmp_path):
    """A copy of the fixture, whose files have the times of their last change that caches and evaluations list."""
    shutil.copytree(FIXTURE, tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "scenes").rglob("*"):
        os.utime(path, (EXPECTED["files_changed_s"],) * 2)
    evaluation = tmp_path / EXPECTED["evaluation"]
    for name, (_, changed_s) in json.loads((evaluation / "manifest.json").read_text())["files"].items():
        os.utime(evaluation / name, (changed_s, changed_s))
    return tmp_path


def test_old_run_resumes_with_equal_losses_and_its_cache(folder):
    more = len(EXPECTED["losses_after_resuming"])
    caches = contents(folder / "cache")
    said = call(folder, ROOT / "train_fcn.py", "--run", "run", "--steps", EXPECTED["steps"] + more)
    assert f"resumed at step {EXPECTED['steps']}" in said
    assert losses(folder / "run")[-more:] == pytest.approx(EXPECTED["losses_after_resuming"], rel=1e-5)
    assert contents(folder / "cache") == caches


def test_a_checkpoint_predicts_the_same(folder):
    call(folder, ROOT / "eval_fcn.py", "--run", CHECKPOINT, "--images", "scenes/val/images", "--outputs", "predictions",
         "--out", "photos")
    assert_same_predictions(folder / "photos/predictions")


def test_settings_and_weights_of_an_old_run_start_a_new_run(folder):
    wanted = EXPECTED["losses_of_a_run_from_the_checkpoint"]
    call(folder, ROOT / "train_fcn.py", "--config", "config.toml", "--run", "second", "--steps", len(wanted),
         "--weights", CHECKPOINT)
    assert losses(folder / "second") == pytest.approx(wanted, rel=1e-5)


def test_settings_in_toml_are_read_as_before(folder):
    said = call(folder, ROOT / "train_fcn.py", "--config", "config.toml", "--print-config")
    settings = {key: value for table in tomllib.loads(said).values() for key, value in table.items()}
    expected = {key: value for key, value in EXPECTED["settings"].items() if key not in old_settings.REMOVED}
    assert {key: settings[key] for key in expected} == expected and len(expected) > 55


def test_old_evaluation_is_reported_with_equal_digits(folder):
    report = ["fcn", "report"] if importlib.util.find_spec("fcn.__main__") else ["fcn.report"]
    said = call(folder, "-m", *report, "run", "--csv", "numbers.csv")
    assert f"{EXPECTED['mean_iou']:.4f}" in said
    assert list(csv.DictReader((folder / "numbers.csv").open())) == EXPECTED["report_csv"]


def test_new_evaluation_replaces_the_old_one_with_equal_scores(folder):
    evaluation = folder / EXPECTED["evaluation"]
    before = json.loads((evaluation / "report.json").read_text())
    said = call(folder, ROOT / "eval_fcn.py", "--run", "run", "--outputs", "predictions")
    after = json.loads((evaluation / "report.json").read_text())
    assert "will be replaced" in said and after["time"] > before["time"]
    assert [path.name for path in evaluation.parent.glob("[!.]*")] == [evaluation.name]
    assert_same_predictions(evaluation / "predictions")
    mean_iou = after["protocols"]["benchmark"]["scores"]["mean_iou"]
    assert mean_iou == pytest.approx(EXPECTED["mean_iou"], abs=0 if is_same_processor() else OTHER_PROCESSOR_PIXELS)


def call(folder, *words):
    """What a command prints, given in `folder`."""
    done = subprocess.run([sys.executable, *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=900,
                          env=os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def losses(run):
    """The loss of every step."""
    return [entry["loss"] for entry in map(json.loads, (run / "log.jsonl").open()) if "loss" in entry]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_same_predictions(found):
    wanted = sorted((FIXTURE / EXPECTED["evaluation"] / "predictions").iterdir())
    assert [path.name for path in sorted(found.iterdir())] == [path.name for path in wanted]
    for path in wanted:
        differ = np.array(Image.open(path)) != np.array(Image.open(found / path.name))
        assert differ.mean() <= (0 if is_same_processor() else OTHER_PROCESSOR_PIXELS), path.name


def is_same_processor():
    """Whether the fixture was made on a processor of this name with these vector instructions."""
    known = pathlib.Path("/proc/cpuinfo")
    return known.exists() and processor(known.read_text()) == EXPECTED["processor"]


def processor(text):
    facts = {line.partition(":")[0].strip(): line.partition(":")[2].split() for line in text.splitlines()}
    vector = [flag for flag in facts.get("flags", ()) if flag.startswith(("avx", "fma", "amx"))]
    return " ".join([*facts.get("model name", ()), *vector])
