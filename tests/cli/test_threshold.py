"""A run of two classes: counts of probabilities, and predictions at thresholds of the foreground."""

import json

import numpy as np
import pytest
from conftest import save
from scripts_help import call, command, evaluate

import fcn
from fcn.data.label_formats import ids
from fcn.metrics import confusion

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(toy, tmp_path_factory):
    """(folder of a short run on bright squares, folder of its evaluation)."""
    folder = tmp_path_factory.mktemp("squares")
    random = np.random.default_rng(0)
    for split, count in (("train", 2), ("val", 2)):
        for number in range(count):
            label = np.zeros((60, 80), np.uint8)
            top, left = random.integers(5, 30, 2)
            label[top:top + 20, left:left + 25] = 1
            label[0] = 255
            save(folder / split / "images" / f"{number}.png",
                 np.repeat((label == 1)[..., None] * 150 + random.integers(0, 90, (60, 80, 3)), 1, 2).astype(np.uint8))
            save(folder / split / "targets" / f"{number}.png", label)
    call(command("train_fcn.py", "--data", folder, "--weights", toy / "vgg.mat", "--cache-dir", folder / "cache",
                 "--run", folder / "run", "--size", "64", "--batch", "2", "--augment", "none", "--steps", "6",
                 "--eval-every", "3", "--log-every", "1", "--learning-rate", "1e-3"))
    said = evaluate("--run", folder / "run", "--checkpoint", "latest", "--threshold", "best", code=2)
    assert "there is no evaluation of step 6" in said and f"Fix: fcn evaluate --run {folder / 'run'}" in said
    evaluate("--run", folder / "run", "--checkpoint", "latest")
    return folder / "run", folder / "run/eval/validation-6"


def content(folder):
    return json.loads((folder / "report.json").read_text())


def test_log_has_training_accuracy_and_f_score(run):
    entries = [json.loads(line) for line in (run[0] / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries if "accuracy" in entry] == [1, 2, 3, 4, 5, 6]
    assert all(0 <= entry["accuracy"] <= 1 for entry in entries if "accuracy" in entry)
    assert [entry["step"] for entry in entries if entry.get("val_f_score", 0) > 0] == [3, 6]


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.655])
def test_counts_give_the_confusion_matrix_of_any_threshold(run, threshold):
    evaluate("--run", run[0], "--checkpoint", "latest", "--threshold", str(threshold), "--outputs", "predictions")
    found = run[1].with_name(f"validation-6-threshold-{threshold}")
    bins = confusion.load(run[1] / "confusion_thresholds.npz").total()
    split = round(threshold * 200)
    expected = [[rows[:split].sum(), rows[split:].sum()] for rows in bins[:2]]
    assert confusion.load(found / "confusion.npz").total().tolist() == expected
    assert content(found)["threshold"]["curve"] == content(run[1])["threshold"]["curve"]
    assert content(found)["threshold"]["used"] == threshold and content(run[1])["threshold"]["used"] is None
    assert f"foreground from a probability of {threshold}" in content(found)["inference"]


def test_best_threshold_of_the_evaluation_is_used(run, tmp_path):
    best = content(run[1])["threshold"]["best"]
    images = run[0].parent / "val/images"
    evaluate("--run", run[0], "--checkpoint", "latest", "--threshold", "best", "--out", tmp_path / "a")
    row = content(tmp_path / "a")["per_class"][1]
    assert [row[name] for name in ("f_score", "iou", "precision", "accuracy")] == pytest.approx(
        [best[name] for name in ("f_score", "iou", "precision", "recall")])
    evaluate("--run", run[0], "--checkpoint", "latest", "--images", images, "--threshold", "best", "--outputs",
             "predictions", "--out", tmp_path / "b")
    with fcn.load(run[0], "latest") as model:
        scores = model.evaluate()
        assert scores.best_threshold == best["threshold"] and 0 < scores.f_score < 1 and 0 <= scores.boundary_iou < 1
        for number in (0, 1):
            path = tmp_path / "b/predictions" / f"{number}.png"
            np.testing.assert_array_equal(model.predict(images / f"{number}.png", threshold=best["threshold"]),
                                          ids.read(path, None))
        with pytest.raises(fcn.errors.UsageError, match="expected a probability"):
            model.predict(images / "0.png", threshold=1.5)


def test_older_evaluation_without_the_new_counts_is_readable(run, capsys, tmp_path):
    page = (run[1] / "report.html").read_text()
    assert "threshold with the highest F-score" in page and "boundary IoU" in page and "training pixel accuracy" in page
    call(command("eval_fcn.py", "--run", run[0], "--checkpoint", "latest", "--out",
                 tmp_path / "old", "--outputs", "none"))
    for name in ("boundary", "thresholds"):
        (tmp_path / "old" / f"confusion_{name}.npz").unlink()
    stored = content(tmp_path / "old")
    for row in stored["per_class"]:
        for key in ("f_score", "precision", "boundary_iou"):
            del row[key]
    del stored["threshold"], stored["protocols"]["boundary"]
    for entry in stored["protocols"].values():
        for part in ("scores", "intervals"):
            del entry[part]["mean_f_score"], entry[part]["mean_precision"]
    (tmp_path / "old/report.json").write_text(json.dumps(stored))
    from fcn.cli import report
    capsys.readouterr()
    report.main([str(tmp_path / "old"), "--html"])
    said = capsys.readouterr().out
    assert "boundary" not in said and "benchmark" in said
    report.main([str(run[1]), "--against", str(tmp_path / "old"), "--samples", "9"])
    assert "mean F-score" in capsys.readouterr().out
