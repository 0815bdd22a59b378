"""Runs beside each other: numbers of their logs, settings by what they are, and whatever is damaged passed over."""

import csv
import json
import random
import re
import subprocess
import sys

import pytest
from PIL import Image

from fcn.cli import compare
from fcn.config import training_config
from fcn.core import errors
from fcn.data.spec import DatasetSpec
from fcn.runs import curves, record, run_facts

SPEC = DatasetSpec(("sky", "road", "tree"), (2,))
LOG = ({"step": 10, "loss": 2.0, "loss_se": 0.25}, {"step": 20, "loss": 1.5, "loss_se": 0.125},
       {"step": 10, "val_loss": 1.75, "val_loss_se": 0.0625, "val_mean_iou": 0.5},
       {"step": 20, "val_loss": 1.875, "val_loss_se": 0.03125, "val_mean_iou": 0.25})
SPEED = ({"step": 0, "event": "start"}, {"step": 5, "images_per_s": 1.0}, {"step": 10, "event": "SIGTERM"},
         {"step": 10, "event": "start"}, {"step": 15, "images_per_s": 8.0}, {"step": 20, "images_per_s": 2.0})
REPORT = {"mean_iou": 0.375, "protocol": "each image at its original size", "split": "validation",
          "checkpoint_step": 10, "time": "2026-11-21T14:00:00+00:00"}


def lines(entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def make(folder, log=LOG, speed=SPEED, files=("d1", "d2"), sha256="w1", spec=SPEC, version="2.4", reports=(),
         **settings):
    """A run's folder, as a training would have left it."""
    folder.mkdir(parents=True)
    start = {"commit": "0123456789ab", "versions": {"numpy": version}, "machine": "Linux, 2 cores"}
    record.write_record(folder, {"config": training_config.to_dict(training_config.Config(**settings)),
                                 "spec": record.spec_to_dict(spec),
                                 "model": {"channels": {}, "class_weights": None}, "steps": 40, "files": list(files),
                                 "weights": {"sha256": sha256, "notes": []},
                                 "starts": [start | {"commit": "of the first start"}, start]})
    (folder / "log.jsonl").write_text(lines(log))
    (folder / "speed.jsonl").write_text(lines(speed))
    for number, content in enumerate(reports):
        (folder / f"eval/validation-{number}").mkdir(parents=True)
        (folder / f"eval/validation-{number}/report.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def pictured(tmp_path, capsys, monkeypatch):
    """pictured(*arguments) -> (exit code, lines of the output, stderr), with compare.png in tmp_path."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = errors.run_command(compare.main, [str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err
    return call


@pytest.fixture
def compared(pictured, monkeypatch):
    """The same without the picture, which takes half a second."""
    monkeypatch.setattr(curves, "overlay", lambda runs, path: None)
    return pictured


def row(lines_, first):
    """The cells of the line that starts with this one; cells are apart by two blanks."""
    line = next(line for line in lines_ if line.split("  ")[0].strip() == first)
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_the_table_holds_the_numbers_of_the_logs(tmp_path, pictured):
    make(tmp_path / "runs/a", reports=[REPORT])
    code, out, err = pictured(tmp_path / "runs/a")
    assert (code, err) == (0, "")
    assert row(out, "a") == ["a", "20/40", "0.5000 @ 10", "1.875 ± 0.031", "1.500 ± 0.125", "2.00", "2", "0123456789ab",
                             "0.3750 validation @ 10"]
    assert "evaluated (a): each image at its original size" in out
    with Image.open(tmp_path / "compare.png") as image:
        assert image.format == "PNG"


def test_best_run_is_first_and_runs_without_score_last(tmp_path, compared):
    for name, iou in (("a", 0.1), ("b", None), ("c", 0.3), ("d", 0.2)):
        make(tmp_path / name, log=[{"step": 1, "loss": 1.0}] + ([{"step": 1, "val_mean_iou": iou}] if iou else []))
    _, out, _ = compared(*(tmp_path / name for name in "abcd"))
    assert [line.split()[0] for line in out[1:5]] == ["c", "d", "a", "b"]


def test_newest_evaluation_counts(tmp_path):
    older, newer = REPORT | {"mean_iou": 0.9, "time": "2026-11-20T14:00:00+00:00"}, REPORT | {"checkpoint_step": 20}
    make(tmp_path / "a", reports=[newer, older])
    known = run_facts.find([tmp_path / "a"])[0][0].facts
    assert (known["evaluated_mean_iou"], known["evaluated_step"]) == (0.375, 20)


def test_a_checkpoint_may_be_ahead_of_the_log(tmp_path):
    folder = make(tmp_path / "a") / "checkpoints/step-000030"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text('{"step": 30}')
    assert run_facts.find([tmp_path / "a"])[0][0].facts["steps_done"] == 30


def test_only_differing_settings_have_a_row(tmp_path, compared):
    make(tmp_path / "a", learning_rate=1e-3, size=(96, 128), augment=("hflip", "scale"), freeze="conv4")
    make(tmp_path / "b", learning_rate=1e-4, augment=(), version="2.5", cache_dir="elsewhere")
    _, out, _ = compared(tmp_path / "a", tmp_path / "b")
    begin = next(i for i, line in enumerate(out) if line.startswith("differs"))
    assert [line.split() for line in out[begin:-1]] == [
        ["differs", "a", "b"], ["size", "96x128", "384x384"], ["augment", "hflip,scale", "none"],
        ["learning_rate", "0.001", "0.0001"], ["freeze", "conv4", "-"], ["numpy", "2.4", "2.5"]]


def test_runs_with_equal_settings_are_reported(tmp_path, compared):
    make(tmp_path / "a")
    make(tmp_path / "b")
    assert any(line.startswith("settings, data, packages") for line in compared(tmp_path / "a", tmp_path / "b")[1])
    assert not any(line.startswith("settings, data, packages") for line in compared(tmp_path / "a")[1])


def test_data_and_weights_are_compared_by_content_not_path(tmp_path, compared):
    make(tmp_path / "a", data="/here/camvid", weights="/here/vgg.mat")
    make(tmp_path / "b", data="/there/copy", weights="/there/vgg.mat")
    assert any(line.startswith("settings, data, packages") for line in compared(tmp_path / "a", tmp_path / "b")[1])
    make(tmp_path / "c", data="/here/camvid", weights="/here/vgg.mat", files=("d1", "d3"), sha256="w2")
    _, out, _ = compared(*(tmp_path / name for name in "abc"))
    assert row(out, "data") == ["data", "A (camvid)", "A (copy)", "B (camvid)"]
    assert row(out, "weights") == ["weights", "A (vgg.mat)", "A (vgg.mat)", "B (vgg.mat)"]


@pytest.mark.parametrize(("other", "word"), [
    ({"files": ("d3", "d4")}, "data"), ({"size": (96, 96)}, "size"), ({"spec": DatasetSpec(("sky", "sea"))}, "classes"),
    ({"files": ("d3", "d4"), "size": (9, 9), "eval_batches": 7}, "data, size")])
def test_incomparable_scores_are_warned_of_once(tmp_path, compared, other, word):
    make(tmp_path / "a")
    make(tmp_path / "b", **other)
    _, out, _ = compared(tmp_path / "a", tmp_path / "b")
    assert [line for line in out if line.startswith(("warning", "note"))] == [
        f"warning: these runs differ in {word}: their losses and scores cannot be compared"]


def test_id_ignored_only_for_padding_does_not_change_the_classes(tmp_path, compared):
    make(tmp_path / "a")
    make(tmp_path / "b", spec=DatasetSpec(SPEC.class_names, (2, 255)), augment=("scale",))
    assert not any("warning" in line or line.startswith("classes")
                   for line in compared(tmp_path / "a", tmp_path / "b")[1])


def test_validations_of_other_lengths_are_distinguished(tmp_path, compared):
    make(tmp_path / "a", eval_batches=50, batch=2)
    make(tmp_path / "b", eval_batches=25, batch=4)
    assert not any(line.startswith("note") for line in compared(tmp_path / "a", tmp_path / "b")[1])
    make(tmp_path / "c", eval_batches=0, batch=2)
    assert any("images (100, all at most)" in line for line in compared(tmp_path / "a", tmp_path / "c")[1])


def test_old_run_gets_defaults_and_its_speed_from_the_log(tmp_path, compared):
    make(tmp_path / "a", log=[*LOG, {"step": 30, "loss": 1.0, "images_per_s": 4.0}], speed=[])
    make(tmp_path / "b")
    content = json.loads((tmp_path / "a/config.json").read_text())
    content["config"] = {key: value for key, value in content["config"].items() if key in ("net", "batch", "size")}
    content["config"]["a setting of before"] = 3
    record.write_record(tmp_path / "a", content)
    _, out, _ = compared(tmp_path / "a", tmp_path / "b")
    assert any(line.startswith("settings, data, packages") for line in out)
    assert row(out, "a")[-3:] == ["2", "0123456789ab", "-"] and row(out, "a")[5] == "4.00"


def test_other_folders_are_skipped_with_a_line_each(tmp_path, compared):
    make(tmp_path / "runs/a")
    (tmp_path / "runs/empty").mkdir()
    (tmp_path / "runs/compare.png").write_text("")
    (tmp_path / "runs/torn").mkdir()
    (tmp_path / "runs/torn/config.json").write_text('{"config": ')
    (tmp_path / "runs/old").mkdir()
    (tmp_path / "runs/old/config.json").write_text('{"spec": {}, "config": {}, "channels": {}}')
    code, out, _ = compared(*sorted((tmp_path / "runs").iterdir()), tmp_path / "gone")
    passed = [line for line in out if line.startswith("skipped:")]
    assert code == 0 and len(passed) == 5 and row(out, "a")[1] == "20/40"
    for name, why in (("empty", "it has no config.json"), ("compare.png", "it has no config.json"),
                      ("gone", "not a run"), ("torn", "is damaged"), ("old", "made by an older version")):
        assert any(f"{name}: " in line and why in line for line in passed)


def test_nothing_to_compare_is_a_usage_error(tmp_path, compared):
    code, _, err = compared(tmp_path, tmp_path / "gone")
    assert code == 2 and "there is no run to compare" in err and "gone: not a run folder" in err and "Fix: " in err
    assert not (tmp_path / "compare.png").exists()


def test_stages_are_runs_inside_in_numeric_order(tmp_path):
    for name in ("10-c", "2-b", "1-a"):
        make(tmp_path / "x" / name)
    assert [run.name for run in run_facts.find([tmp_path / "x"])[0]] == ["x/1-a", "x/2-b", "x/10-c"]


def test_run_given_twice_is_shown_once_and_equal_names_by_path(tmp_path):
    paths = [make(tmp_path / "x/a"), make(tmp_path / "y/a"), make(tmp_path / "y/b")]
    runs, _ = run_facts.find([*paths, tmp_path / "x/../x/a"])
    assert [run.name for run in runs] == [str(paths[0]), str(paths[1]), "b"]


@pytest.mark.parametrize("out", ["picture.jpg", "gone/compare.png", "folder.png"])
def test_unwritable_picture_is_reported_before_reading(tmp_path, compared, out):
    (tmp_path / "folder.png").mkdir()
    code, _, err = compared(make(tmp_path / "a"), "--out", out)
    assert code == 2 and out in err


def test_csv_has_a_row_per_run_in_full_precision(tmp_path, compared):
    make(tmp_path / "a, b", log=[{"step": 3, "loss": 1 / 3, "val_mean_iou": 2 / 3}], learning_rate=1e-3)
    make(tmp_path / "c", log=[], speed=[])
    assert compared(tmp_path / "c", tmp_path / "a, b", "--csv", "table.csv")[0] == 0
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [one["run"] for one in rows] == ["a, b", "c"]
    assert float(rows[0]["training_loss"]) == 1 / 3 and float(rows[0]["best_mean_iou"]) == 2 / 3
    assert (rows[0]["best_step"], rows[0]["learning_rate"], rows[1]["learning_rate"]) == ("3", "0.001", "5e-05")
    assert (rows[1]["training_loss"], rows[1]["images_per_s"], rows[1]["steps_done"]) == ("", "", "0")


def test_without_a_terminal_long_names_are_printed_unchanged(tmp_path, pictured):
    name = "[red]" + "long name " * 20 + "$x$ 中"
    make(tmp_path / name)
    _, out, _ = pictured(tmp_path / name)
    assert out[1].startswith(f"{name} ") and "\x1b" not in "".join(out)


@pytest.mark.slow
def test_terminal_without_colour_shows_no_colour(tmp_path):
    make(tmp_path / "a")
    make(tmp_path / "b", size=(9, 9))
    done = subprocess.run([sys.executable, "-m", "fcn", "compare", "a", "b"], cwd=tmp_path, capture_output=True,
                          text=True,
                          env={"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "100",
                               "PYTHONIOENCODING": "utf-8", "PATH": ""}, timeout=100)
    assert done.returncode == 0 and done.stderr == "" and "warning: " in done.stdout
    assert "\x1b[3" not in done.stdout and "\x1b[1;3" not in done.stdout
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in done.stdout.splitlines()) <= 100


JUNK = (None, True, -1, 1e308, 10 ** 400, "x", [], {}, [[1]], {"a": 1}, float("nan"), float("inf"), "\ud800", "[red]")


def mutated(value, draw):
    """A copy of what JSON can hold, with some of it replaced or gone."""
    if draw.random() < 0.08:
        return draw.choice(JUNK)
    if isinstance(value, dict):
        return {key: mutated(one, draw) for key, one in value.items() if draw.random() > 0.05}
    return [mutated(one, draw) for one in value] if isinstance(value, list) else value


def torn(content, draw):
    """Bytes with a byte changed, and cut off somewhere."""
    content = bytearray(content)
    content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content[:draw.randrange(len(content)) + 1])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_damaged_files_cause_no_crash(tmp_path, pictured, seed):
    draw = random.Random(seed)
    make(tmp_path / "whole", reports=[REPORT])
    for name in "ab":
        folder = make(tmp_path / name, reports=[REPORT])
        (folder / "checkpoints/step-000030").mkdir(parents=True)
        state = draw.choice(["", "[", '{"step": 3e3}', '{"step": 9}'])
        (folder / "checkpoints/step-000030/state.json").write_text(state)
        content = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({key: mutated(value, draw) for key, value in content.items()}))
        for path in (folder / "log.jsonl", folder / "speed.jsonl", folder / "eval/validation-0/report.json"):
            whole = [json.loads(line) for line in path.read_text().splitlines()]
            path.write_bytes(torn(path.read_bytes(), draw) if draw.random() < 0.5 else
                             lines(broken if isinstance(broken := mutated(whole, draw), list) else []).encode())
    code, out, err = pictured(tmp_path / "whole", tmp_path / "a", tmp_path / "b", "--csv", "table.csv")
    assert (code, err) == (0, "")
    assert row(out, "whole")[1:3] == ["20/40", "0.5000 @ 10"]


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "\0", "[" * 100_000, '{"step": 1', "\xff\xfe"])
def test_empty_logs_and_reports_count_as_missing(tmp_path, pictured, content):
    folder = make(tmp_path / "a", reports=[REPORT])
    for path in (folder / "log.jsonl", folder / "speed.jsonl", folder / "eval/validation-0/report.json"):
        path.write_bytes(content.encode("latin-1"))
    code, out, _ = pictured(folder)
    assert code == 0
    assert row(out, "a") == ["a", "0/40", "-", "-", "-", "-", "2", "0123456789ab", "-"]
