"""fcn reproduce: train, evaluate and compare with published scores; recipes with a table [reproduction]."""

import json
import re
import shutil
import sys

import pytest
import scripts_help

from fcn.cli import reproduce
from fcn.config import reproduction, training_config
from fcn.core import errors, registry
from fcn.evaluation import stored

RECIPE = '''[data]
layout = "ade20k"
size = "33x47"

[optimizer]
batch = 2
learning_rate = 1e-3

[schedule]
steps = 2

[validation]
eval_every = 2
save_every = 2

[reproduction]
pixel_accuracy = {accuracy}  # source: table 1
mean_iou = 0.0               # source: table 1
split = "{split}"            # source: table 1
evaluation = ["--flip", "--outputs", "none"]  # source: section 2
'''
CONTENT = {"protocols": {"berkeley": {
    "scores": {"pixel_accuracy": 0.58, "mean_accuracy": 0.4, "mean_iou": 0.30, "frequency_weighted_iou": 0.43},
    "intervals": {"pixel_accuracy": [0.57, 0.59], "mean_accuracy": [0.38, 0.43], "mean_iou": [0.28, 0.32],
                  "frequency_weighted_iou": None}}}}


def plugin(folder, **values):
    """A plugin folder with the recipe `mine`."""
    path = folder / "recipes/mine.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RECIPE.format(**{"accuracy": 0.0, "split": "validation"} | values))
    return folder


@pytest.fixture(autouse=True)
def no_plugins_afterwards():
    yield
    registry.use(())


def changed(folder, old, new):
    """reproduction.read() of the recipe with a changed text."""
    path = plugin(folder) / "recipes/mine.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    registry.use((str(folder),))
    return reproduction.read("mine")


# --- the comparison, by hand ---

def test_score_is_lower_if_its_whole_interval_is_below():
    published = {"pixel_accuracy": 0.60, "mean_accuracy": 0.42, "mean_iou": 0.292, "frequency_weighted_iou": 0.439}
    target = reproduction.Reproduction("r", "table 4", published, "test", "berkeley")
    rows = reproduce.compared(target, CONTENT, comparable=True)
    assert [(row["score"], row["lower"]) for row in rows] == [
        ("pixel_accuracy", True), ("mean_accuracy", False), ("mean_iou", False), ("frequency_weighted_iou", True)]
    assert rows[0]["difference"] == pytest.approx(-0.02) and rows[2]["difference"] == pytest.approx(0.008)
    text = "\n".join(reproduce.lines(target, "test", 654, rows))
    assert re.search(r"pixel accuracy +0\.600 +0\.580 \[0\.570, 0\.590\] +-0\.020 \[-0\.030, -0\.010\] +lower", text)
    assert re.search(r"mean IoU +0\.292 +0\.300 \[0\.280, 0\.320\] +\+0\.008 \[-0\.012, \+0\.028\] +not lower", text)
    assert "interval: pixel accuracy, f.w. IoU" in text and "published: table 4" in text


def test_scores_of_another_split_are_not_judged():
    target = reproduction.Reproduction("r", "table 4", {"mean_iou": 0.9}, "test", "berkeley")
    rows = reproduce.compared(target, CONTENT, comparable=False)
    text = "\n".join(reproduce.lines(target, "validation", 414, rows))
    assert rows[0]["lower"] is None and text.endswith("those here of validation: they are not comparable.")
    assert "not lower" not in text and "lower than" not in text


def test_protocol_without_scores_is_an_error_with_a_fix():
    target = reproduction.Reproduction("demo", "x", {"mean_iou": 0.9}, "test", "tutorial")
    with pytest.raises(errors.UsageError, match="no scores of the protocol tutorial, but of berkeley\n  Fix: write"):
        reproduce.compared(target, CONTENT, comparable=True)


# --- the table in a recipe ---

def test_published_scores_of_table_4_are_in_the_recipe():
    found = reproduction.read("long2015_nyud_rgbd")
    assert found.published == {"pixel_accuracy": 0.615, "mean_accuracy": 0.424, "mean_iou": 0.305,
                               "frequency_weighted_iou": 0.455}
    assert found.source == "CVPR 2015, table 4" and found.protocol == "berkeley"


@pytest.mark.parametrize("name", reproduction.names())
def test_every_reproduction_is_valid_and_has_a_source(name):
    found = reproduction.read(name)
    assert found.source and found.protocol in registry.names("protocols") and found.checkpoint in ("best", "latest")
    assert set(found.stages) <= set(registry.names("recipes"))


@pytest.mark.parametrize(("old", "new", "message"), [
    ("mean_iou = 0.0 ", "mean_iou = 29.2 ", r"mean_iou = 29\.2 is not valid\n  Fix: write mean_iou = 0\.292, a frac"),
    ("mean_iou = 0.0 ", "mean_iou = true ", "mean_iou = True is not valid"),
    ("mean_iou = 0.0 ", "mean_iuo = 0.2 ", r"has no 'mean_iuo'\n  Fix: did you mean mean_iou\?"),
    ('split = "validation"', "split = 3", 'split = 3 is not valid\n  Fix: write split = "test"'),
    ('split = "validation"', 'protocol = "imagined"', "unknown protocol 'imagined'"),
    ('split = "validation"', 'checkpoint = "last"', r"checkpoint = 'last' is not valid\n  Fix: .*latest"),
    ('["--flip", "--outputs", "none"]', '"--flip"', r"evaluation = '--flip' is not valid"),
    ('"--flip"', '"--split", "training"', "--split belongs to the command"),
    ('"--flip"', '"--run=runs/other"', r"--run=runs/other belongs .*\n  Fix: leave out --run"),
    ("pixel_accuracy = 0.0  # source: table 1\nmean_iou = 0.0               # source: table 1\n", "",
     "has no published score"),
])
def test_invalid_table_is_refused_with_a_fix(tmp_path, old, new, message):
    with pytest.raises(errors.UsageError, match=message):
        changed(tmp_path, old, new)


def test_recipe_without_scores_names_those_that_have_some():
    with pytest.raises(errors.UsageError, match="no published scores to compare with") as found:
        reproduction.read("demo")
    assert "long2015_fcn32s" in str(found.value) and "fcn train --recipe demo" in str(found.value)


def test_unreadable_recipe_of_a_plugin_does_not_hide_the_others(tmp_path):
    (plugin(tmp_path) / "recipes/torn.toml").write_text("[data")
    registry.use((str(tmp_path),))
    assert {"mine", "nyud_best"} <= set(reproduction.names()) and "torn" not in reproduction.names()


def test_table_on_one_line_has_no_source(tmp_path):
    path = plugin(tmp_path) / "recipes/mine.toml"
    path.write_text("reproduction = {mean_iou = 0.2}")
    registry.use((str(tmp_path),))
    target = reproduction.read("mine")
    assert (target.source, target.published) == ("", {"mean_iou": 0.2})
    assert "published: the recipe names no source" in reproduce.lines(target, "validation", 1, [])


def test_reproduction_table_is_no_setting_of_the_run():
    found = training_config.read_toml(registry.path("recipes", "long2015_nyud_rgbd"))
    assert "mean_iou" not in found and found["net"] == "fcn32s"


# --- the command ---

def call(toy, folder, *words, code=0):
    return scripts_help.call([sys.executable, "-m", "fcn", "reproduce", "mine", "--plugins", str(folder), "--data",
                              str(toy / "scenes"), "--weights", str(toy / "vgg.mat"), "--cache-dir",
                              str(folder / "cache"), "--run", str(folder / "run"), *words], code)


@pytest.mark.slow
def test_command_trains_evaluates_and_compares(toy, tmp_path):
    said = call(toy, plugin(tmp_path)).stdout
    assert "step 2  validation" in said and "No score is lower than published by more than its interval." in said
    content = json.loads((tmp_path / "run/reproduction.json").read_text())
    report = json.loads((tmp_path / "run/reproduction/report.json").read_text())
    assert content["images"] == 2 and [row["here"] for row in content["scores"]] == [
        report["pixel_accuracy"], report["mean_iou"]]
    assert "mirrored" in report["inference"] and report["settings"]["train_split"] == "train"
    plugin(tmp_path, accuracy=1.0, split="training")  # 6 images: a narrower interval
    again = call(toy, tmp_path, "--train-split", "train", code=reproduce.LOWER)
    assert "the run is complete" in again.stdout
    assert "lower than published by more than the interval: pixel accuracy" in again.stdout
    assert stored.folder_of(tmp_path / "run") == tmp_path / "run/reproduction"


@pytest.mark.slow
def test_finished_run_is_compared_after_its_data_have_moved(toy, tmp_path):
    shutil.copytree(toy / "scenes", tmp_path / "here")
    where = plugin(tmp_path)
    call(toy, where, "--data", str(tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")
    said = call(toy, where, "--data", str(tmp_path / "there")).stdout
    assert "the run is complete" in said and "No score is lower" in said


@pytest.mark.slow
def test_damaged_test_image_is_found_before_training(toy, tmp_path):
    for kind in ("images", "annotations"):
        shutil.copytree(toy / "scenes" / kind / "validation", tmp_path / "data" / kind / "test")
        shutil.copytree(toy / "scenes" / kind, tmp_path / "data" / kind, dirs_exist_ok=True)
    image = sorted((tmp_path / "data/images/test").iterdir())[0]
    image.write_bytes(image.read_bytes()[:700])
    where, data = plugin(tmp_path, split="test"), ["--data", str(tmp_path / "data")]
    said = call(toy, where, *data, code=errors.DataError.exit_code).stderr
    assert image.name in said and "--skip-bad" in said and not (tmp_path / "run").exists()
    assert "mine, 1 images of the split test" in call(toy, where, *data, "--skip-bad").stdout


def test_missing_folder_of_data_is_said_as_in_a_training(tmp_path):
    with pytest.raises(errors.DataError, match="there is no such folder") as found:
        reproduce.main(["nyud_fcn32s", "--data", str(tmp_path / "none"), "--run", str(tmp_path / "run")])
    assert "--split" not in str(found.value)


@pytest.mark.parametrize("flag", [["--dry-run"], ["--multi-run", "3"], ["--print-config"], ["--recipe", "camvid"],
                                  ["--stages", "nyud_fcn32s,nyud_fcn32s"]])
def test_options_that_do_not_train_the_recipe_are_refused(tmp_path, flag):
    with pytest.raises(errors.UsageError, match=rf"^{flag[0]} cannot be used with fcn reproduce\n  Fix: .*--recipe"):
        reproduce.main(["nyud_fcn32s", "--data", str(tmp_path), *flag])


@pytest.mark.parametrize(("old", "new", "message"), [
    ('"--flip"', '"--overlap", "0.3"', "--overlap is the overlap of tiles"),
    ('"--flip"', '"--window", "500"', "window of 500"), ('"--flip"', '"--threshold", "0.4"', "is for two classes"),
    ('"--flip"', '"--enlarge", "scores"', "--enlarge scores: images are predicted at their own size"),
    ('split = "validation"', 'protocol = "tutorial"', "the protocol tutorial scores predictions at network size")])
def test_wrong_evaluation_is_found_before_training(toy, tmp_path, old, new, message):
    path = plugin(tmp_path) / "recipes/mine.toml"
    path.write_text(path.read_text().replace(old, new).replace('"33x47"', '"native"'))
    with pytest.raises(errors.UsageError, match=message) as found:
        reproduce.main(["mine", "--plugins", str(tmp_path), "--data", str(toy / "scenes"), "--batch", "1", "--run",
                        str(tmp_path / "run")])
    assert found.value.where == path and not (tmp_path / "run").exists()


def test_names_of_splits(toy, tmp_path):
    words = ["mine", "--plugins", str(plugin(tmp_path, split="test")), "--data", str(toy / "scenes"), "--run",
             str(tmp_path / "run"), "--split"]
    with pytest.raises(errors.DataError, match=r"did you mean --split validation\?"):
        reproduce.main([*words, "vlaidation"])
    target = reproduction.read("mine")
    (tmp_path / "run/reproduction").mkdir(parents=True)
    (tmp_path / "run/reproduction/notes.txt").write_text("mine")
    with pytest.raises(errors.UsageError, match=r"(?s)reproduction: is not empty.*move it away, or give another --run"):
        reproduce.main([*words, "val"])  # found as validation
    (tmp_path / "run/reproduction/notes.txt").rename(tmp_path / "run/reproduction.json")
    with pytest.raises(errors.UsageError, match=r"(?s)json: exists already.*move it away, or give another --run"):
        reproduce.main([*words, "valid"])
    assert target.split == "test" and (tmp_path / "run/reproduction.json").read_text() == "mine"


@pytest.mark.slow
def test_missing_test_split_is_found_before_training(toy, tmp_path):
    said = call(toy, plugin(tmp_path, split="test"), code=errors.DataError.exit_code).stderr
    assert "give --split validation" in said and not (tmp_path / "run").exists()
    assert "not comparable" in call(toy, tmp_path, "--split", "validation").stdout
