"""Result cards, and the pages that docs/results_page.py makes from them."""

import json
import pathlib
import runpy
import shutil
import types

import numpy as np
import pytest
import results_help
from runs_help import a_run

from fcn.cli import report
from fcn.config import training_config
from fcn.core import errors
from fcn.data.spec import DatasetSpec
from fcn.metrics import confusion, iou
from fcn.reporting import result_card

ROOT = pathlib.Path(__file__).parents[2]
START = {"command": "python /home/someone/train_fcn.py --recipe camvid --data /home/someone/CamVid --run /data/r",
         "commit": "0123456789ab", "time": "2026-01-02T03:04:05+00:00", "machine": "Linux, 2 cores of X",
         "device": "CPU, 2 cores (X)", "versions": {"python": "3.11.7", "tensorflow": "2.21.0", "numpy": "2.0"}}
SPEED = [{"step": 0, "event": "start"}, {"step": 1, "elapsed_s": 10.0, "memory_gb": 2.5},
         {"step": 10, "elapsed_s": 60.0, "memory_gb": 3.25}, {"step": 10, "event": "start"},
         {"step": 20, "elapsed_s": 30.0, "memory_gb": 3.0}, {"step": 20, "event": "end"}]
LOG = [{"step": 1, "loss": 2.0}, {"step": 10, "loss": 1.5, "val_loss": 1.75, "val_mean_iou": 0.25}]


@pytest.fixture
def run(tmp_path):
    """The folder of a run of the recipe camvid with another seed and rate, and an evaluation of two images."""
    settings = vars(training_config.resolve({}, recipe="camvid"))
    folder = a_run(tmp_path / "mine", {}, **settings | {
        "data": "/home/someone/CamVid", "weights": "/home/someone/imagenet-vgg-verydeep-19.mat", "seed": 3,
        "learning_rate": 1e-4, "augment": (), "crop_size": None, "class_weights": "/home/someone/w.txt"})
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"starts": [START], "steps": 680}))
    for name, entries in (("speed.jsonl", SPEED), ("log.jsonl", LOG)):
        (folder / name).write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    counting = confusion.Counting(3)
    for name, ids in (("a", [0, 0, 1, 1]), ("b", [1, 1, 0, 0])):
        counting.add(name, np.array(ids), np.array([0, 0, 1, 0]))
    results_help.write(folder / "eval/validation-20", counting.done(), counting.done(), DatasetSpec(("a", "b", "c")), {
        "split": "validation", "inference": "360x480", "checkpoint_step": 20, "layout": "camvid", "training": [START]})
    return folder


def test_card_holds_what_the_run_and_its_evaluation_say(run, tmp_path, capsys):
    report.main([str(run), "--card", str(tmp_path / "best.json")])
    assert f"result card: {tmp_path / 'best.json'}" in capsys.readouterr().out
    card = result_card.read(tmp_path / "best.json")
    assert set(card) == result_card.KEYS
    assert (card["name"], card["recipe"], card["net"], card["layout"]) == ("best", "camvid", "fcn4s", "camvid")
    assert (card["images"], card["split"], card["step"], card["steps"], card["seed"]) == (2, "validation", 20, 680, 3)
    assert card["minutes"] == 1.5 and card["peak_memory_gb"] == 3.25  # 60 s, and 30 s after the second start
    assert card["commit"] == START["commit"] and card["date"] == "2026-01-02" and card["machine"] == "CPU, 2 cores (X)"
    assert card["protocols"]["berkeley"]["scores"]["pixel_accuracy"] == 0.5
    assert card["curve"] == {"step": [1, 10], "loss": [2.0, 1.5], "validation_step": [10], "validation_loss": [1.75],
                             "mean_iou": [0.25]}


def test_command_has_the_settings_that_differ_from_the_recipe(run, tmp_path):
    report.main([str(run), "--card", str(tmp_path / "card.json")])
    card = result_card.read(tmp_path / "card.json")
    assert card["command"] == "fcn train --recipe camvid --data DATA --crop-size '' --augment none " \
        "--class-weights CLASS_WEIGHTS --learning-rate 0.0001 --seed 3"
    assert "/home" not in (tmp_path / "card.json").read_text()


def test_stages_before_a_run_are_listed_with_their_minutes(run, tmp_path):
    content = json.loads((run / "eval/validation-20/report.json").read_text())
    assert result_card.card(run, content)["stages"] == []
    shutil.copytree(run, tmp_path / "second")
    path = tmp_path / "second/config.json"
    found = json.loads(path.read_text())
    found["config"]["weights"] = str(run)
    path.write_text(json.dumps(found))
    card = result_card.card(tmp_path / "second", content)
    first = result_card.card(run, content)["command"]
    assert card["stages"] == [{"command": first, "minutes": 1.5}] and " --weights RUN " in card["command"]


@pytest.mark.parametrize(("key", "value", "words"), [
    ("size", (240, 320), "--size 240x320"), ("replacement", True, "--replacement"),
    ("replacement", False, "--no-replacement"), ("augment", ("hflip", "scale"), "--augment hflip,scale"),
    ("augment", (), "--augment none"), ("learning_rate", 4e-10, "--learning-rate 4e-10"),
    ("loss", "dice", "--loss dice"), ("size", None, "--size native"), ("crop_size", None, "--crop-size "),
    ("learning_rate", 1.23456789e-4, "--learning-rate 0.000123456789"),
])
def test_flag_of_a_setting_is_read_back_as_its_value(key, value, words):
    assert " ".join(result_card.flag(key, value)) == words


@pytest.mark.parametrize(("words", "run", "recipe"), [
    ("fcn train --recipe camvid --data x", "a", "camvid"), ("fcn train --recipe=camvid", "a", "camvid"),
    ("fcn reproduce --data x nyud_fcn32s", "a", "nyud_fcn32s"), ("fcn train --demo", "a", "demo"),
    ("fcn train --stages long2015_fcn32s,long2015_fcn16s", "2-long2015_fcn16s", "long2015_fcn16s"),
    ("fcn train --recipe gone --data x", "a", None), ("fcn train --data camvid", "2-camvid", None),
    ("fcn reproduce --run demo --data camvid nyud_fcn32s", "demo", "nyud_fcn32s"),
    ("fcn train --data demo --run x", "x", None), ("fcn train --recipe gone --run camvid", "camvid", None),
    ("fcn reproduce long2015_fcn8s --data x", "1-long2015_fcn32s", "long2015_fcn32s")])
def test_recipe_is_found_in_every_form_of_a_command(words, run, recipe):
    assert result_card.recipe_of(words, run) == recipe


def test_long_curve_is_thinned_to_at_most_100_points():
    found = result_card.curve([{"step": step, "loss": 1.0} for step in range(1, 252)])
    assert len(found["step"]) == 84 and found["step"][:3] == [1, 4, 7]


def test_other_files_and_evaluations_without_a_run_are_refused(run, tmp_path):
    (tmp_path / "mine.json").write_text("{}")
    with pytest.raises(errors.UsageError, match="exists"):
        report.main([str(run), "--card", str(tmp_path / "mine.json")])
    shutil.copytree(run / "eval/validation-20", tmp_path / "elsewhere")
    with pytest.raises(errors.UsageError, match="not in the folder of a run"):
        report.main([str(tmp_path / "elsewhere"), "--card", str(tmp_path / "card.json")])
    with pytest.raises(errors.UsageError, match="--card holds the scores of all classes"):
        report.main([str(run), "--card", str(tmp_path / "card.json"), "--classes", "a"])


def test_evaluation_of_another_run_is_refused(run, tmp_path):
    path = run / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"starts": [START | {"time": "2026-02-02T03:04:05+00:00"}, START]}))
    with pytest.raises(errors.UsageError, match="this evaluation is of another run than the one whose folder it is in"):
        report.main([str(run), "--card", str(tmp_path / "card.json")])
    assert not (tmp_path / "card.json").exists()


@pytest.mark.parametrize(("changes", "message"), [
    ({"minutes": None}, "minutes"), ({"layout": "../x"}, "layout"), ({"protocols": [1]}, "Error"),
    ({"curve": {"step": [1], "loss": [], "validation_step": [], "validation_loss": [], "mean_iou": []}}, "curve"),
    ({"protocols": {name: {"scores": dict.fromkeys(iou.NAMES, float("nan"))} for name in result_card.PROTOCOLS}},
     "berkeley: mean_iou")])
def test_card_that_a_page_cannot_show_is_refused(run, tmp_path, changes, message):
    content = json.loads((run / "eval/validation-20/report.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(result_card.card(run, content) | changes))
    with pytest.raises(errors.DataError, match=message):
        result_card.read(tmp_path / "card.json")
    (tmp_path / "card.json").write_text('{"name": "x"}')
    with pytest.raises(errors.DataError, match="it lacks class_names, command, commit"):
        result_card.read(tmp_path / "card.json")


# --- the pages ---

@pytest.fixture
def page():
    return types.SimpleNamespace(**runpy.run_path(str(ROOT / "docs/results_page.py")))


def test_committed_pages_are_those_of_the_committed_cards(page):
    cards = [result_card.read(path) for path in sorted(page.CARDS.glob("*.json"))]
    for path, text in ((ROOT / "docs/results.md", page.section(cards)), (ROOT / "README.md", page.best(cards))):
        assert page.replaced(path, text) == path.read_text(), "run python docs/results_page.py"
    assert not any("/home" in path.read_text() or "/tmp" in path.read_text() for path in page.CARDS.glob("*.json"))


def test_table_has_runs_by_mean_iou_then_published_results(page, run):
    content = json.loads((run / "eval/validation-20/report.json").read_text())
    names = list(page.baselines.CLASSES["camvid"])
    worse = result_card.card(run, content, "worse") | {"class_names": names}
    better = json.loads(json.dumps(worse)) | {"name": "better", "minutes": 12.3}
    better["protocols"]["berkeley"]["scores"]["mean_iou"] = 0.5
    better["protocols"]["berkeley"]["intervals"]["mean_iou"] = [0.45, 0.55]
    lines = page.section([worse, better]).splitlines()
    assert lines[0] == "### CamVid, 11 classes"
    assert lines[4].startswith("| `better`, fcn4s | train | validation, 2 images | 0.500 | ")
    assert "| **0.500** [0.450, 0.550] |" in lines[4] and "| 12 | 3.2 GB | CPU, 2 cores (X) | 0123456 |" in lines[4]
    assert lines[5].startswith("| `worse`") and lines[6].startswith("| FC-DenseNet103 | | test images at 480 x 360; J")
    assert page.best([worse, better]).splitlines()[2].startswith("| fcn4s ([`better`](docs/results.md)) | 2 i")
    trained_on = json.loads(json.dumps(better)) | {"name": "all", "train_split": "trainval"}
    lines = page.section([worse, trained_on]).splitlines()
    assert lines[4].startswith("| `worse`") and "2 images, trained on |" in lines[5]
    assert page.best([trained_on]).count("\n") == 1 or page.best([trained_on]) == ""
    assert "| 0.292 (test; CVPR 2015, table 4, FCN-32s RGB) |" in page.best([better | {"recipe": "nyud_fcn32s",
                                                                                                    "net": "fcn32s"}])
    for other in ({"recipe": "nyud_fcn32s"}, {"recipe": "sceneparsing_fcn8s"}):  # another net, another protocol
        assert "| **0.500** [0.450, 0.550] | - | 12" in page.best([better | other])
    assert "| **0.500** [0.450, 0.550] | - | 12 minutes, " in page.best([better | {"recipe": None}])
    staged = better | {"stages": [{"command": "fcn train --size 64", "minutes": 8.2}]}
    assert "| 20 | 3.2 GB |" in page.section([staged]) and "| 20 minutes, CPU" in page.best([staged])
    assert "- `better`: `fcn train --size 64` (8 minutes), then `fcn train" in page.section([staged])
    own = json.loads(json.dumps(worse)) | {"class_names": ["a", "b", "c"]}
    assert page.section([own]).startswith("### camvid, 3 own classes") and "FC-DenseNet" not in page.section([own])
    assert page.section([]) == "No runs yet." and page.best([]) == ""
