"""python -m fcn report: the same numbers again, of parts, and against another evaluation; nothing is changed."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import results_help

from fcn.cli import report
from fcn.core import errors
from fcn.data.layouts import camvid
from fcn.data.spec import DatasetSpec
from fcn.evaluation import paired_comparison, results, stored
from fcn.metrics import confusion
from fcn.metrics.protocols import benchmark

SPEC = DatasetSpec(("other", "sky", "sea", "dune", "tree"), (0, 255))
LABELS = np.random.default_rng(0).choice([0, 1, 1, 1, 2, 2, 3, 4, 255], (12, 60)).astype(np.uint8)


def counted(quality, seed, labels=LABELS, step=1):
    """Predictions that are right on a share of the pixels, every `step`-th of which is counted."""
    random, counting = np.random.default_rng(seed), confusion.Counting(5)
    for number, label in enumerate(labels):
        right = (random.random(label.shape) < quality) & (label < 5) & (label > 0)
        prediction = np.where(right, label, random.integers(1, 5, label.shape)).astype(np.uint8)
        counting.add(f"scene_{number:02d}", label[::step], prediction[::step])
    return counting.done()


def write(folder, quality, seed, **facts):
    results_help.write(folder, counted(quality, seed), counted(quality, seed, step=2), SPEC, {"split": "test", **facts})
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with run/eval/old, run/eval/new and other/eval/only, evaluations of the same images."""
    root = tmp_path_factory.mktemp("runs")
    write(root / "run/eval/old", 0.5, 1, time="2024-01-01T00:00:00+00:00")
    write(root / "run/eval/new", 0.7, 2, time="2024-02-01T00:00:00+00:00")
    write(root / "other/eval/only", 0.4, 3)
    return root


def printed(capsys, *words):
    report.main(list(map(str, words)))
    return capsys.readouterr().out


def test_unlabelled_images_do_not_score_0(tmp_path):
    counting = confusion.Counting(5)
    for number, label in enumerate((np.full(60, 255, np.uint8), LABELS[0])):
        counting.add(f"scene_{number}", label, np.ones(60, np.uint8))
    found = counting.done()
    results_help.write(tmp_path / "part", found, found, SPEC, {"split": "test"})
    with pytest.raises(errors.DataError, match="these 1 images have no labelled pixels"):
        report.main([str(tmp_path / "part"), "--images", "scene_0"])
    report.main([str(tmp_path / "part"), "--images", "scene_1"])


def test_without_flags_the_evaluation_is_printed_and_unchanged(runs, capsys):
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    content = json.loads((runs / "run/eval/new/report.json").read_text())
    assert printed(capsys, runs / "run/eval/new") == results.table(content) + "\n"
    assert printed(capsys, runs / "run") == results.table(content) + "\n"  # the newest of the run
    assert before == {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_report_runs_as_a_module_without_tensorflow(runs):
    code = ("import sys; from fcn.cli import report; report.main(sys.argv[1:]); "
            "assert not any(name.startswith('tensorflow') for name in sys.modules)")
    subprocess.run([sys.executable, "-c", code, str(runs / "run"), "--classes", "sky"], check=True, capture_output=True)
    failed = subprocess.run([sys.executable, "-m", "fcn", "report", str(runs / "nowhere")], capture_output=True,
                            text=True)
    assert failed.returncode == 2 and "there is no such folder" in failed.stderr and "Traceback" not in failed.stderr


def test_selected_classes_have_their_own_means_and_rows(runs, capsys, tmp_path):
    out = printed(capsys, runs / "other", "--classes", "sky,4", "--csv", tmp_path / "numbers.csv")
    assert out.startswith("12 of 12 images, 2 of 4 classes\n")
    assert "sea" not in out and "tree" in out
    with (tmp_path / "numbers.csv").open(newline="") as file:
        rows = {(row["protocol"], row["number"]): row for row in csv.DictReader(file)}
    made = counted(0.4, 3).sums((0, 255))
    expected = benchmark.compute(made, np.ones((1, 12)), (1, 4))["mean_iou"][0]
    row = rows["benchmark", "mean_iou"]
    assert float(row["value"]) == pytest.approx(expected) and float(row["low"]) < expected < float(row["high"])
    assert len(rows) == 24


def test_images_are_selected_by_pattern_or_list(runs, capsys, tmp_path):
    (tmp_path / "list.txt").write_text("scene_03.jpg\n\nscene_00\n")
    listed = printed(capsys, runs / "run", "--images", tmp_path / "list.txt")
    assert "2 of 12 images, 4 of 4 classes" in listed
    matrix = counted(0.7, 2).select([0, 3]).total()[1:]
    hits = sum(matrix[i, i + 1] for i in range(4))
    assert f"benchmark  original  {hits / matrix.sum():.4f} [" in listed
    assert "10 of 12 images" in printed(capsys, runs / "run", "--images", "scene_0*")


def test_part_of_a_split_is_not_compared_with_published_numbers(tmp_path, capsys):
    counting = confusion.Counting(11)
    counting.add("all", np.arange(11), np.arange(11))
    counting.add("few", np.array([0, 0, 1]), np.array([0, 0, 0]))
    results_help.write(tmp_path, counting.done(), None, camvid.spec("nowhere"), {"layout": "camvid"})
    assert "SegNet" in printed(capsys, tmp_path)
    for words in (("--classes", "Sky,Building"), ("--images", "few")):
        out = printed(capsys, tmp_path, *words)
        assert "always 'Sky'" in out and "SegNet" not in out and "warning" not in out


def test_single_protocol_can_be_shown(runs, capsys):
    out = printed(capsys, runs / "run", "--protocol", "tutorial")
    assert "\ntutorial  network" in out and "\nbenchmark" not in out and "\nberkeley" not in out


def test_samples_only_affect_a_comparison(runs):
    with pytest.raises(errors.UsageError, match="--samples is the number of permutations of --against"):
        report.main([str(runs / "run"), "--samples", "50"])


def test_intervals_of_an_older_report_are_recomputed(tmp_path, capsys):
    content = results_help.write(tmp_path, counted(0.7, 2), None, SPEC, {"split": "test"})
    new = results.table(content)
    content["bootstrap"] = {"samples": 1000, "level": 0.95, "seed": 0, "over": "images"}
    del content["uncertainty"]
    content["protocols"]["benchmark"]["intervals"]["mean_iou"] = [0.01, 0.02]
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert printed(capsys, tmp_path) == new + "\n"


def test_comparison_of_evaluations_has_intervals_and_p_values(runs, capsys, tmp_path):
    out = printed(capsys, runs / "run", "--against", runs / "other", "--csv", tmp_path / "pairs.csv")
    with (tmp_path / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["protocol"], row["number"]) for row in rows] == [
        (protocol, number) for protocol in ("benchmark", "berkeley", "per_image", "tutorial")
        for number in ("mean_iou", "pixel_accuracy", "mean_f_score")]
    first = rows[0]
    assert float(first["one"]) - float(first["other"]) == pytest.approx(float(first["difference"]))
    assert 1 / 1001 <= float(first["p"]) < 0.01 and float(first["low"]) > 0
    assert f"benchmark  mean IoU        {float(first['one']):.4f}" in out
    assert "classes whose IoU differs most" in out and max(map(len, out.splitlines())) < 110


def test_image_order_does_not_affect_a_comparison(runs, tmp_path):
    one, other = (stored.read_evaluation(stored.folder_of(runs / name)) for name in ("run", "other"))
    turned = other.select(list(range(11, -1, -1)))
    assert paired_comparison.compare(one, other)[:2] == paired_comparison.compare(one, turned)[:2]


def test_classes_that_changed_most_come_first(runs):
    one, other = (stored.read_evaluation(stored.folder_of(runs / name)) for name in ("run", "other"))
    rows = paired_comparison.changed(one, other)
    assert sorted(row["id"] for row in rows) == [1, 2, 3, 4]
    changes = [abs(row["difference"]) for row in rows]
    assert changes == sorted(changes, reverse=True)
    for row in rows:
        theirs = {line["id"]: line["iou"] for line in one.content["per_class"]}
        assert row["one"] == pytest.approx(theirs[row["id"]])


@pytest.mark.parametrize(("change", "message"), [
    ("images", "2 images are in only one of them: scene_10, scene_11"), ("labels", "1 images have different labels"),
    ("classes", "their scored classes differ")])
def test_evaluations_of_other_data_are_not_compared(runs, tmp_path, change, message):
    labels, spec = LABELS.copy(), SPEC
    if change == "images":
        labels = labels[:10]
    elif change == "labels":
        labels[4, np.flatnonzero(labels[4] == 1)[0]] = 2
    else:
        spec = DatasetSpec(("other", "sky", "sea", "dune", "bush"), (0, 255))
    results_help.write(tmp_path, counted(0.5, 5, labels), None, spec, {})
    with pytest.raises(errors.DataError, match=message):
        report.main([str(runs / "run"), "--against", str(tmp_path)])


def test_other_input_sizes_are_compared_by_other_protocols(runs, tmp_path, capsys):
    results_help.write(tmp_path, counted(0.5, 5), counted(0.5, 5, step=3), SPEC, {})
    out = printed(capsys, runs / "run", "--against", tmp_path)
    assert "tutorial: not compared" in out and "berkeley   mean IoU" in out
    with pytest.raises(errors.UsageError, match="--protocol tutorial"):
        report.main([str(runs / "run"), "--against", str(tmp_path), "--protocol", "tutorial"])


@pytest.mark.parametrize(("words", "error", "message"), [
    (["nowhere"], errors.UsageError, "there is no such folder"),
    (["."], errors.UsageError, r"holds no evaluation(?s:.*)Fix: give the folder of a run or of an evaluation"),
    (["run", "--classes", "skye"], errors.UsageError, "did you mean 'sky'"),
    (["run", "--images", "photo_*"], errors.UsageError, "use names such as 'scene_00'"),
    (["run", "--csv", "no/folder.csv"], errors.UsageError, "cannot be written")])
def test_impossible_requests_are_refused_in_one_line(runs, monkeypatch, words, error, message):
    monkeypatch.chdir(runs)
    with pytest.raises(error, match=message):
        report.main(words)


def test_listed_image_that_was_not_evaluated_is_named(runs, tmp_path):
    (tmp_path / "list.txt").write_text("scene_00\nscene_99\n")
    with pytest.raises(errors.UsageError, match="1 images that were not evaluated\n  scene_99"):
        report.main([str(runs / "run"), "--images", str(tmp_path / "list.txt")])


def test_damaged_older_or_foreign_files_are_one_error(runs, tmp_path):
    words = [str(tmp_path), "--classes", "sky"]
    write(tmp_path, 0.5, 1)
    np.savez(tmp_path / "confusion.npz", confusion=np.eye(5, dtype=np.int64))
    with pytest.raises(errors.DataError, match="older version: it holds one matrix"):
        report.main(words)
    (tmp_path / "confusion.npz").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(errors.DataError, match=r"confusion\.npz: is damaged"):
        report.main(words)
    confusion.Counting(7).done().save(tmp_path / "confusion.npz")
    with pytest.raises(errors.DataError, match=r"has 7 classes, report\.json has 5"):
        report.main(words)
    write(tmp_path, 0.5, 1)
    counted(0.5, 1, LABELS[:3]).save(tmp_path / "confusion_network.npz")
    with pytest.raises(errors.DataError, match="has other images"):
        report.main([str(tmp_path), "--images", "scene_0*"])
