"""A plugin of each kind, in a folder outside the program: a run is trained, resumed, evaluated and exported."""

import contextlib
import io
import json
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image
from scripts_help import command, evaluate, run_process

from fcn.cli import export, report
from fcn.core import errors, registry
from fcn.runs import record, run_log

pytestmark = pytest.mark.slow

EXAMPLES = pathlib.Path(__file__).parent / "plugins"
SETTINGS = ("--net", "example", "--loss", "example", "--optimizer", "example", "--schedule", "example", "--augment",
            "example,hflip", "--layout", "example", "--size", "64", "--batch", "2", "--learning-rate", "1e-3",
            "--eval-every", "2", "--save-every", "2", "--log-every", "1")


def scenes(root):
    """6 training and 2 validation images of a bright square on dark ground, labels as NumPy arrays."""
    rng = np.random.default_rng(0)
    for split, count in (("training", 6), ("validation", 2)):
        (root / split).mkdir(parents=True)
        for number in range(count):
            top, left = rng.integers(0, 40, 2)
            label = np.zeros((64, 64), np.uint8)
            label[top:top + 24, left:left + 24] = 1
            noise = rng.integers(0, 60, (64, 64, 3))
            Image.fromarray((label[..., None] * 180 + noise).astype(np.uint8)).save(root / split / f"{number}.jpg")
            np.save(root / split / f"{number}.npy", label)
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of a run of 4 steps without pretrained weights in which everything is a plugin, resumed after 4."""
    work = tmp_path_factory.mktemp("plugins")
    shutil.copytree(EXAMPLES, work / "mine", ignore=shutil.ignore_patterns("__pycache__"))
    folder = work / "run"
    words = command("train_fcn.py", "--run", folder, "--cache-dir", work / "cache", "--data", scenes(work / "data"),
                    "--weights", "none")
    run_process([*words, *SETTINGS, "--steps", "4", "--patience", "1", "--plugins", work / "mine"])
    run_process([*words, "--steps", "6", "--patience", "0"])  # its plugins are found by the run's record
    yield folder
    registry.use()


def test_plugin_run_is_trained_and_resumed(run):
    content, log = record.read_record(run), run_log.read_entries(run / "log.jsonl")
    assert content["config"]["plugins"] == [str(run.parent / "mine")]
    assert (content["config"]["weights"], content["weights"]["sha256"]) == ("none", None)
    fates = {row["layer"]: row["fate"] for row in json.loads((run / "transplant.json").read_bytes())}
    assert {"conv1", "conv2"} <= fates.keys() and set(fates.values()) == {"fresh"}
    rates = {entry["step"]: entry["learning_rate"] for entry in log if "learning_rate" in entry}
    assert rates[1] == pytest.approx(1e-3) and max(rates) == 6
    assert len(content["starts"]) == 2


def test_plugin_run_is_evaluated_by_its_protocol(run):
    evaluate("--run", run, "--out", run.parent / "eval")
    content = json.loads((run.parent / "eval/report.json").read_bytes())
    assert 0 <= content["protocols"]["example"]["scores"]["mean_iou"] <= 1
    assert '<section id="example"><h2>Worst image</h2>' in (run.parent / "eval/report.html").read_text()
    written = sorted((run.parent / "eval/predictions").iterdir())
    assert [path.suffix for path in written] == [".npy", ".npy"]
    assert np.load(written[0]).shape == (64, 64)


def test_plugin_run_is_exported_in_its_format(run):
    path = run.parent / "net.example"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert errors.run_command(export.main, ["--run", str(run), "--to", str(path)]) == 0
    assert path.read_bytes()[:2] == b"\x1f\x8b" and "read back and verified" in said.getvalue()


def test_plugin_report_is_read_with_its_protocol(run, capsys):
    folder = run.parent / "again"
    evaluate("--run", run, "--out", folder)
    registry.use()
    assert errors.run_command(report.main, [str(folder), "--protocol", "example"]) == 0
    assert "example   network" in capsys.readouterr().out
