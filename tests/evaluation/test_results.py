"""report.json, its table and the files beside it, on a case that is checked by hand."""

import csv
import json

import numpy as np
import pytest
import results_help

from fcn.core import errors
from fcn.data.layouts import ade20k
from fcn.data.spec import DatasetSpec
from fcn.evaluation import results
from fcn.metrics import confusion
from fcn.runs import run_facts

# Id 0 is ignored. Of 8 sky pixels 6 are right; of 2 sea pixels 1; dune never occurs. Image c has no labelled pixel.
SPEC = DatasetSpec(("other", "sky", "sea", "dune"), (0, 255), ((1, 2, 3), (10, 20, 30), (40, 50, 60), (70, 80, 90)))
IMAGES = {"a": ([1, 1, 1, 1, 0, 255], [1, 1, 1, 2, 3, 3]), "b": ([1, 1, 1, 1, 2, 2], [1, 1, 1, 2, 2, 1]),
          "c": ([0, 0, 255], [1, 2, 3])}
FACTS = {"split": "validation", "inference": "whole images", "layout": "ade20k", "checkpoint_step": 120,
         "time": "2024-01-01T00:00:00+00:00"}
SKY, SEA = 6 / 9, 1 / 4  # intersection over union


def counted(images, num_classes=4):
    counting = confusion.Counting(num_classes)
    for name, (label, prediction) in images.items():
        counting.add(name, np.array(label, np.uint8), np.array(prediction, np.uint8))
    return counting.done()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(folder, content) of a report."""
    folder = tmp_path_factory.mktemp("report") / "eval" / "validation-120"
    return folder, results_help.write(folder, counted(IMAGES), counted(IMAGES), SPEC, FACTS)


def test_report_json_holds_the_four_scores_and_their_settings(written):
    folder, content = written
    assert json.loads((folder / "report.json").read_text()) == content == results.read_report(folder)
    assert {key: content[key] for key in FACTS} == FACTS
    assert (content["protocol"], content["images"], content["ignored_ids"]) == ("benchmark", 3, [0, 255])
    assert content["pixel_accuracy"] == pytest.approx(7 / 10)
    assert content["mean_accuracy"] == pytest.approx((6 / 8 + 1 / 2 + 0) / 3)
    assert content["mean_accuracy_present"] == pytest.approx((6 / 8 + 1 / 2) / 2)
    assert content["mean_iou"] == pytest.approx((SKY + SEA + 0) / 3)
    assert content["mean_iou_present"] == pytest.approx((SKY + SEA) / 2)
    assert content["frequency_weighted_iou"] == pytest.approx((8 * SKY + 2 * SEA) / 10)
    assert all(isinstance(text, str) for text in content["conventions"].values())


def test_every_protocol_has_its_size_and_intervals(written):
    made = written[1]["protocols"]
    assert {name: entry["size"] for name, entry in made.items()} == {
        "benchmark": "original", "berkeley": "original", "per_image": "original", "tutorial": "network"}
    assert made["berkeley"]["scores"]["mean_iou"] == pytest.approx((SKY + SEA) / 2)
    # image a: sky 3 of 4, sea only called; image b: sky 3 / 5, sea 1 / 3
    assert made["per_image"]["scores"]["mean_iou"] == pytest.approx(((3 / 4 + 0) / 2 + (3 / 5 + 1 / 3) / 2) / 2)
    # "other" is a class: 3 pixels called sky, sea and dune; 7 of 13 are right
    assert made["tutorial"]["scores"]["pixel_accuracy"] == pytest.approx(7 / 13)
    assert made["tutorial"]["scores"]["mean_iou"] == pytest.approx((0 + 6 / 10 + 1 / 5 + 0) / 4)
    for entry in made.values():
        assert entry["text"] and set(entry["scores"]) == set(entry["intervals"])
        for name, (low, high) in entry["intervals"].items():
            assert low <= entry["scores"][name] <= high


def test_report_json_has_every_scored_class_and_no_nan(written):
    folder, content = written
    assert content["per_class"] == [
        {"id": 1, "name": "sky", "iou": pytest.approx(SKY), "accuracy": 0.75, "pixels": 8, "predicted": 7, "images": 2,
         "f_score": pytest.approx(2 * 6 / (8 + 7)), "precision": 6 / 7},
        {"id": 2, "name": "sea", "iou": SEA, "accuracy": 0.5, "pixels": 2, "predicted": 3, "images": 1,
         "f_score": pytest.approx(2 / 5), "precision": pytest.approx(1 / 3)},
        {"id": 3, "name": "dune", "iou": None, "accuracy": None, "pixels": 0, "predicted": 0, "images": 0,
         "f_score": None, "precision": None}]

    def refuse(token):
        raise AssertionError(f"{token} is no JSON")
    json.loads((folder / "report.json").read_text(), parse_constant=refuse)


def test_report_json_has_classes_colours_and_each_image(written):
    content = written[1]
    assert content["class_names"] == list(SPEC.class_names)
    assert content["colours"] == [[0, 0, 0], [10, 20, 30], [40, 50, 60], [70, 80, 90]]  # what is ignored is black
    assert content["per_image"] == [
        {"name": "a", "pixel_accuracy": 3 / 4, "mean_iou": 3 / 8},
        {"name": "b", "pixel_accuracy": 4 / 6, "mean_iou": pytest.approx((3 / 5 + 1 / 3) / 2)},
        {"name": "c", "pixel_accuracy": None, "mean_iou": None}]
    assert content["anchors"][0]["pixel_accuracy"] == 0.8 and len(content["anchors"]) == 1
    assert content["warnings"] == [] and "subsets" not in content


def test_per_class_csv_matches_the_matrices(written):
    folder, content = written
    with (folder / "per_class.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "name", "iou", "accuracy", "pixels", "predicted", "images", "f_score", "precision"]
    assert [(row["id"], row["name"], row["pixels"]) for row in rows] == [
        ("1", "sky", "8"), ("2", "sea", "2"), ("3", "dune", "0")]
    assert float(rows[1]["iou"]) == content["per_class"][1]["iou"]
    assert rows[2]["iou"] == ""
    for name in ("confusion.npz", "confusion_network.npz"):
        stored = confusion.load(folder / name)
        assert stored.names == ("a", "b", "c")
        assert stored.total().tolist() == [[0, 1, 1, 1], [0, 6, 2, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_tutorial_protocol_needs_predictions_at_network_size(tmp_path):
    content = results_help.write(tmp_path, counted(IMAGES), None, SPEC, FACTS)
    assert list(content["protocols"]) == ["benchmark", "berkeley", "per_image"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["confusion.npz", "per_class.csv", "report.json"]


def test_table_sorts_classes_by_frequency_and_marks_absent_ones(written):
    lines = results.table(written[1]).splitlines()
    assert lines[1].split() == ["1", "sky", "80.0%", "0.667", "0.750", "0.857", "0.800"]
    assert lines[2].split() == ["2", "sea", "20.0%", "0.250", "0.500", "0.333", "0.400"]
    assert "1 of 3 classes are in neither" in lines[3] and lines[3].endswith("mean IoU of the others 0.4583")
    assert lines[5] == "validation, 3 images, whole images"
    assert lines[7].split()[:5] == ["benchmark", "original", "0.7000", "[0.0000,", "1.0000]"]  # of two images
    assert [line.split()[0] for line in lines[7:11]] == ["benchmark", "berkeley", "per_image", "tutorial"]
    assert "0.8000          0.3333    0.2667    0.6400  always 'sky'" in "\n".join(lines)
    assert max(map(len, lines)) < 110 and lines == [line.rstrip() for line in lines]


def test_warnings_are_in_the_table_and_the_report(tmp_path):
    content = results_help.write(tmp_path, counted({"a": ([1, 1, 2, 3], [1, 1, 1, 1])}), None, SPEC, FACTS)
    assert len(content["warnings"]) == 1
    assert "warning: the net predicts 1 of the 3 classes in the labels" in results.table(content)


def test_predicted_class_without_labels_has_iou_but_no_accuracy(tmp_path):
    content = results_help.write(tmp_path, counted({"a": ([1, 1, 2], [1, 3, 2])}), None, SPEC, FACTS)
    assert (content["per_class"][2]["iou"], content["per_class"][2]["accuracy"]) == (0, None)
    lines = [line.split() for line in results.table(content).splitlines()]
    assert ["3", "dune", "0.0%", "0.000", "-", "0.000", "0.000"] in lines


def test_empty_evaluation_has_a_report(tmp_path):
    for images in ({"a": ([0, 255], [1, 2])}, {}):
        content = results_help.write(tmp_path, counted(images), counted(images), SPEC, FACTS)
        assert (content["pixel_accuracy"], content["mean_iou"], content["mean_iou_present"]) == (0, 0, 0)
        assert content["protocols"]["benchmark"]["intervals"]["mean_iou"] is None  # of one image there is none
        assert "NaN" not in (tmp_path / "report.json").read_text()
        assert "0.0000" in results.table(results.read_report(tmp_path))


def test_ade20k_has_its_two_groups_and_published_table(tmp_path):
    spec = ade20k.spec("nowhere")
    label = np.array([1, 1, 1, 5, 5, 8])  # wall is stuff; tree and bed are objects
    made = counted({"a": (label, [1, 1, 5, 5, 5, 5]), "b": (label, label)}, 151)
    content = results_help.write(tmp_path, made, None, spec, FACTS)
    assert content["subsets"]["stuff"]["scores"]["pixel_accuracy"] == pytest.approx(5 / 6)
    assert content["subsets"]["stuff"]["scores"]["mean_iou"] == pytest.approx(5 / 6 / 35)
    assert content["subsets"]["discrete"]["scores"]["mean_iou"] == pytest.approx((4 / 6 + 1 / 2) / 115)
    assert set(content["subsets"]["stuff"]) == {"scores", "intervals"}
    assert any("FCN-8s" in row["name"] for row in content["anchors"])
    text = results.table(content)
    assert "  stuff only " in text and max(map(len, text.splitlines())) < 110


def test_trained_ignored_label_has_a_name_for_its_channel(tmp_path):
    spec = DatasetSpec(("sky", "sea"), (2,))
    content = results_help.write(tmp_path, counted({"a": ([0, 1, 2], [0, 2, 2])}, 3), None, spec, FACTS)
    assert content["class_names"] == ["sky", "sea", "label 2"] and len(content["per_class"]) == 2
    assert content["pixel_accuracy"] == 1 / 2


def test_scores_are_recomputed_from_the_saved_matrices(written):
    folder, content = written
    stored = [confusion.load(folder / name) for name in ("confusion.npz", "confusion_network.npz")]
    again = results.measured(*stored, spec=SPEC, layout="ade20k")
    assert {key: content[key] for key in again} == again


def test_compare_finds_the_score_and_its_protocol(written):
    known = run_facts.facts(written[0].parents[1], {}, [], [])
    assert known["evaluated_mean_iou"] == pytest.approx((SKY + SEA) / 3)
    assert (known["evaluated_split"], known["evaluated_step"]) == ("validation", 120)
    assert known["evaluated_protocol"] == "benchmark: whole images"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\0", "[" * 99_999, '{"per_class": 1, "protocols": 2}'])
def test_a_damaged_report_is_one_error(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(errors.DataError, match=r"report\.json: is damaged"):
        results.read_report(tmp_path)


def test_report_that_lacks_any_part_is_damaged_or_can_be_shown(written, tmp_path):
    for key in written[1]:
        (tmp_path / "report.json").write_text(json.dumps({k: v for k, v in written[1].items() if k != key}))
        try:
            results.table(results.read_report(tmp_path))
        except errors.DataError as error:
            assert error.exit_code == 3


def test_older_report_and_a_missing_one_are_told_apart(tmp_path):
    with pytest.raises(errors.DataError, match=r"has no report\.json"):
        results.read_report(tmp_path)
    (tmp_path / "report.json").write_text('{"per_class": [], "mean_iou": 0.5}')
    with pytest.raises(errors.DataError, match="older version"):
        results.read_report(tmp_path)
