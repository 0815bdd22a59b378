"""What people and other programs read: report.json and its table, pictures, config.json, times."""

import csv
import json
import math

import numpy as np
import pytest

from fcn import errors, expect, pictures, record, report, reporting
from fcn.spec import DatasetSpec

# Id 0 is ignored. Of 8 sky pixels 6 are right; of 2 sea pixels 1; dune never occurs.
SPEC = DatasetSpec(("other", "sky", "sea", "dune"), (0, 255), ((1, 2, 3), (10, 20, 30), (40, 50, 60), (70, 80, 90)))
CONFUSION = np.array([[0, 0, 0, 0], [0, 6, 2, 0], [0, 1, 1, 0], [0, 0, 0, 0]], np.int64)
FACTS = {"protocol": "at original size", "split": "validation", "images": 3, "checkpoint_step": 120}
SKY, SEA = 6 / 9, 1 / 4  # intersection over union


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(folder, content) of a report."""
    folder = tmp_path_factory.mktemp("report") / "eval" / "validation-120"
    return folder, report.write(folder, CONFUSION, SPEC, FACTS)


def test_report_json_holds_the_four_numbers_and_how_they_were_made(written):
    folder, content = written
    assert json.loads((folder / "report.json").read_text()) == content
    assert {key: content[key] for key in FACTS} == FACTS
    assert content["pixel_accuracy"] == pytest.approx(7 / 10)
    assert content["mean_accuracy"] == pytest.approx((6 / 8 + 1 / 2 + 0) / 3)
    assert content["mean_iou"] == pytest.approx((SKY + SEA + 0) / 3)
    assert content["mean_iou_present"] == pytest.approx((SKY + SEA) / 2)
    assert content["frequency_weighted_iou"] == pytest.approx((8 * SKY + 2 * SEA) / 10)
    assert content["ignored_ids"] == [0, 255]
    assert all(isinstance(text, str) for text in content["conventions"].values())


def test_report_json_has_a_row_for_every_scored_class_and_no_nan(written):
    folder, content = written
    assert [row["id"] for row in content["per_class"]] == [1, 2, 3]
    assert content["per_class"][0] == {"id": 1, "name": "sky", "iou": pytest.approx(SKY), "accuracy": 0.75, "pixels": 8}
    assert content["per_class"][2] == {"id": 3, "name": "dune", "iou": None, "accuracy": None, "pixels": 0}

    def refuse(token):
        raise AssertionError(f"{token} is no JSON")
    json.loads((folder / "report.json").read_text(), parse_constant=refuse)


def test_per_class_csv_and_the_matrix_say_the_same(written):
    folder, content = written
    with (folder / "per_class.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "name", "iou", "accuracy", "pixels"]
    assert [(row["id"], row["name"], row["pixels"]) for row in rows] == [
        ("1", "sky", "8"), ("2", "sea", "2"), ("3", "dune", "0")]
    assert float(rows[1]["iou"]) == content["per_class"][1]["iou"]
    assert rows[2]["iou"] == ""
    with np.load(folder / "confusion.npz") as stored:
        np.testing.assert_array_equal(stored["confusion"], CONFUSION)
        assert stored["confusion"].dtype == np.int64
        assert stored["class_names"].tolist() == list(SPEC.class_names)
        assert stored["ignored_ids"].tolist() == [0, 255]


def test_the_table_lists_classes_by_frequency_and_says_which_are_absent(written):
    lines = report.table(written[1]).splitlines()
    assert lines[1].split() == ["1", "sky", "80.0%", "0.667", "0.750"]
    assert lines[2].split() == ["2", "sea", "20.0%", "0.250", "0.500"]
    assert "1 of 3 classes occur neither" in lines[3]
    assert lines[5] == "validation, 3 images, at original size"
    assert [line.split()[-1] for line in lines[6:]] == ["0.7000", "0.4167", "0.3056", "0.5833"]


def test_a_class_that_is_predicted_but_never_labelled_has_an_iou_and_no_accuracy(tmp_path):
    confusion = CONFUSION.copy()
    confusion[1, 3] = 1
    content = report.write(tmp_path, confusion, SPEC, FACTS)
    assert (content["per_class"][2]["iou"], content["per_class"][2]["accuracy"]) == (0, None)
    assert "     -" in report.table(content)


def test_a_report_of_nothing_is_still_a_report(tmp_path):
    content = report.write(tmp_path, np.zeros((4, 4), np.int64), SPEC, FACTS)
    assert (content["pixel_accuracy"], content["mean_iou"], content["mean_iou_present"]) == (0, 0, 0)
    assert "NaN" not in (tmp_path / "report.json").read_text()
    assert "0.0000" in report.table(content)


def test_ids_are_coloured_by_the_palette():
    label = np.array([[1, 2], [0, 255]], np.uint8)
    np.testing.assert_array_equal(pictures.colour(label, SPEC.palette()),
                                  [[[10, 20, 30], [40, 50, 60]], [[0, 0, 0], [0, 0, 0]]])


@pytest.mark.parametrize("width", [5, 200])
def test_a_panel_shows_photo_label_and_prediction_side_by_side_over_a_legend(width):
    photo = np.full((40, width, 3), 77, np.uint8)
    label, prediction = np.full((40, width), 1, np.uint8), np.full((40, width), 2, np.uint8)
    picture = pictures.panel(photo, label, prediction, SPEC)
    assert picture.dtype == np.uint8
    assert picture.shape[0] > 40
    assert picture.shape[1:] == (3 * width + 2 * pictures.GAP, 3)
    for i, value in enumerate(((77, 77, 77), (10, 20, 30), (40, 50, 60))):
        left = i * (width + pictures.GAP)
        assert (picture[:40, left:left + width] == value).all()
    legend = {tuple(pixel) for pixel in picture[40:].reshape(-1, 3).tolist()}
    assert {(10, 20, 30), (40, 50, 60)} < legend
    assert (70, 80, 90) not in legend  # dune is in neither
    assert pictures.panel(photo, None, prediction, SPEC).shape[1] == 2 * width + pictures.GAP


def test_a_legend_takes_as_many_rows_as_its_names_need():
    names = tuple(f"a class with a long name {i}" for i in range(20))
    ids = np.arange(20, dtype=np.uint8).repeat(6).reshape(2, 60)
    few, many = (pictures.panel(np.zeros((2, 60, 3), np.uint8), None, ids % count, DatasetSpec(names))
                 for count in (1, 20))
    assert len(many) - len(few) == 19 * pictures.ROW


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (44.6, "45 s"), (89, "89 s"), (90, "2 min"), (720, "12 min"), (5300, "88 min"), (5400, "1 h 30 min"),
    (11100, "3 h 05 min"), (172800, "2 d 0 h"), (183600, "2 d 3 h")])
def test_a_duration_is_read_at_a_glance(seconds, text):
    assert reporting.duration(seconds) == text


def test_a_run_remembers_its_data_set_through_json(tmp_path):
    content = {"spec": record.spec_to_dict(SPEC), "config": {"batch": 2},
               "model": {"channels": {}, "mean_rgb": [1.0, 2.0, 3.0]}}
    record.write(tmp_path, content)
    assert record.read(tmp_path) == content
    assert record.spec_from_dict(record.read(tmp_path)["spec"]) == SPEC
    assert record.spec_from_dict(json.loads(json.dumps(record.spec_to_dict(DatasetSpec())))) == DatasetSpec()


def test_differences_name_the_setting_and_both_values():
    old, new = {"batch": 2, "size": [96, 96], "flip": True}, {"batch": 4, "size": (96, 96), "flip": True, "crop": None}
    assert record.differences(old, new, ("batch", "size", "flip", "crop")) == ["batch: 2 in the run, 4 now"]


def test_a_folder_without_a_run_is_a_usage_error(tmp_path):
    with pytest.raises(errors.UsageError, match="is not a run folder"):
        record.read(tmp_path)
    for text in ("", "{", "[]", '{"config": {}}', "\0"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(errors.UsageError, match=r"config\.json: is damaged"):
            record.read(tmp_path)


def test_ignored_ids_keep_their_channel_and_are_not_scored():
    assert SPEC.num_classes == 4
    assert SPEC.scored_ids == (1, 2, 3)
    assert DatasetSpec(("a", "b"), (11,)).scored_ids == (0, 1)


def test_unnamed_classes_are_counted_up_to_the_highest_id_that_occurs():
    pixels = np.zeros(256, np.int64)
    pixels[[1, 4, 255]] = 9
    assert DatasetSpec((), (255,)).counted(pixels).class_names == tuple(f"class {i}" for i in range(5))
    assert DatasetSpec(("a", "b"), (255,)).counted(pixels).class_names == ("a", "b")


def test_a_generated_palette_tells_all_ids_apart_and_keeps_black_for_ignored_ones():
    palette = DatasetSpec(("a", "b"), (255,)).palette()
    assert palette[:3] == [(128, 0, 0), (0, 128, 0), (128, 128, 0)]  # VOC's colours 1, 2 and 3
    assert palette[255] == (0, 0, 0)
    assert len(set(palette)) == 256


def test_a_run_of_an_older_version_is_named_as_such(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"spec": {}, "config": {}, "channels": {}, "mean_rgb": []}))
    with pytest.raises(errors.UsageError, match="made by an older version"):
        record.read(tmp_path)


def test_the_floor_of_a_weighted_loss_is_the_entropy_of_the_weighted_frequencies():
    """Classes of 30 and 10 pixels, and 60 that are ignored: unweighted ln 4 - 3/4 ln 3; weighed 1 and 3, ln 2."""
    spec, pixels = DatasetSpec(("a", "b"), (2,)), [30, 10, 60]
    assert expect.floor(pixels, spec) == pytest.approx((math.log(2), math.log(4) - 0.75 * math.log(3), 0.75))
    assert expect.floor(pixels, spec, 2, (0, 1), (1.0, 3.0)) == pytest.approx((math.log(2), math.log(2), 0.75))


def test_the_floor_of_a_net_that_trains_the_ignored_label_counts_its_pixels_but_scores_do_not():
    spec = DatasetSpec(("a", "b"), (2,))
    uniform, prior, constant = expect.floor([25, 25, 50], spec, 3, (0, 1, 2))
    assert (uniform, constant) == pytest.approx((math.log(3), 0.5))
    assert prior == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))
