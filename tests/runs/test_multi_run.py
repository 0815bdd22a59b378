"""--multi-run: seeds and folders of the runs, and the mean and deviation of their scores."""

import argparse
import json
import math

import pytest

from fcn.config import training_config
from fcn.core import errors
from fcn.runs import curves, multi_run

SETTINGS = training_config.Config(layout="voc", seed=7)


def log(folder, name, *validations):
    """A run's folder with a log: (step, mean IoU) of validations; accuracy is mean IoU + 0.1, the loss 1 - mean IoU."""
    (folder / name).mkdir(parents=True)
    lines = [{"step": step, "loss": float(step)} for step in (1, 2, 3)]
    lines += [{"step": step, "val_mean_iou": iou, "val_pixel_accuracy": iou + 0.1, "val_loss": 1 - iou}
              for step, iou in validations]
    (folder / name / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / name


def arguments(count):
    return argparse.Namespace(multi_run=count, seed=None, run=None, steps=5)


def test_runs_have_folders_and_seeds_of_their_own(tmp_path):
    plan = multi_run.listed(arguments(3), tmp_path / "many", SETTINGS)
    assert [(one.run, one.seed, one.steps, one.layout) for one in plan] == [
        (str(tmp_path / "many" / str(n)), 6 + n, 5, "voc") for n in (1, 2, 3)]


def test_mean_and_deviation_of_the_best_validations(tmp_path):
    runs = [log(tmp_path, "1", (2, 0.2), (4, 0.5)), log(tmp_path, "2", (2, 0.4), (4, 0.3))]
    found = multi_run.summarise(runs)
    assert [(row["run"], row["step"], row["val_mean_iou"]) for row in found["runs"]] == [("1", 4, 0.5), ("2", 2, 0.4)]
    assert found["mean"] == pytest.approx({"val_mean_iou": 0.45, "val_pixel_accuracy": 0.55, "val_loss": 0.55})
    assert found["deviation"]["val_mean_iou"] == pytest.approx(0.1 / math.sqrt(2))
    assert found["curves"]["val_mean_iou"] == {"step": [2, 4], "mean": pytest.approx([0.3, 0.4]),
                                               "deviation": pytest.approx([0.2 / math.sqrt(2)] * 2)}
    assert ["mean", "0.4500", "0.5500", "0.5500"] in [line.split() for line in multi_run.table(found).splitlines()]


def test_curves_have_the_steps_of_all_runs(tmp_path):
    runs = [log(tmp_path, "1", (2, 0.2), (4, 0.5)), log(tmp_path, "2", (4, 0.3), (6, 0.1))]
    assert multi_run.summarise(runs)["curves"]["val_mean_iou"]["step"] == [4]


def test_one_run_has_no_deviation(tmp_path):
    found = multi_run.summarise([log(tmp_path, "1", (2, 0.2))])
    assert found["deviation"]["val_mean_iou"] is None and found["mean"]["val_mean_iou"] == 0.2


def test_runs_without_validation_have_no_mean(tmp_path):
    found = multi_run.summarise([log(tmp_path, "1"), log(tmp_path, "2", (2, 0.2))])
    assert found["mean"]["val_mean_iou"] is None and found["curves"]["val_mean_iou"]["step"] == []
    assert "-" in multi_run.table(found)


@pytest.mark.slow
def test_written_files_are_replaced_and_others_never(tmp_path):
    runs = [log(tmp_path, "1", (2, 0.2)), log(tmp_path, "2", (2, 0.4))]
    for _ in range(2):
        multi_run.listed(arguments(2), tmp_path, SETTINGS)
        multi_run.write(tmp_path, runs, multi_run.summarise(runs))
    assert json.loads((tmp_path / "multi_run.json").read_text())["mean"]["val_mean_iou"] == pytest.approx(0.3)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG") and curves.RUN == "fcn.train"
    for name in ("multi_run.json", "curves.png"):
        (tmp_path / name).write_text("{}")
        with pytest.raises(errors.UsageError, match=f"{name}: exists already"):
            multi_run.listed(arguments(2), tmp_path, SETTINGS)
        (tmp_path / name).unlink()


def test_a_folder_with_a_single_run_is_refused(tmp_path):
    (tmp_path / "checkpoints" / "step-000001").mkdir(parents=True)
    with pytest.raises(errors.UsageError, match="holds a single run"):
        multi_run.listed(arguments(2), tmp_path, SETTINGS)
