"""What people and other programs read: pictures, config.json, times."""

import json
import math

import numpy as np
import pytest

from fcn.core import errors, progress_bar
from fcn.data import render
from fcn.data.spec import DatasetSpec
from fcn.metrics import baselines
from fcn.runs import record

SPEC = DatasetSpec(("other", "sky", "sea", "dune"), (0, 255), ((1, 2, 3), (10, 20, 30), (40, 50, 60), (70, 80, 90)))


def test_ids_are_coloured_by_the_palette():
    label = np.array([[1, 2], [0, 255]], np.uint8)
    np.testing.assert_array_equal(render.colour(label, SPEC.palette()),
                                  [[[10, 20, 30], [40, 50, 60]], [[0, 0, 0], [0, 0, 0]]])


@pytest.mark.parametrize("width", [5, 200])
def test_panel_shows_photo_label_prediction_errors_and_legend(width):
    photo = np.full((40, width, 3), 77, np.uint8)
    label, prediction = np.full((40, width), 1, np.uint8), np.full((40, width), 2, np.uint8)
    picture = render.panel(photo, label, prediction, SPEC)
    assert picture.dtype == np.uint8
    assert picture.shape[0] > 40
    assert picture.shape[1:] == (4 * width + 3 * render.GAP, 3)
    for i, value in enumerate(((77, 77, 77), (10, 20, 30), (40, 50, 60), render.WRONG)):
        left = i * (width + render.GAP)
        assert (picture[:40, left:left + width] == value).all()
    legend = {tuple(pixel) for pixel in picture[40:].reshape(-1, 3).tolist()}
    assert {(10, 20, 30), (40, 50, 60)} < legend
    assert (70, 80, 90) not in legend  # dune is in neither
    assert render.panel(photo, None, prediction, SPEC).shape[1] == 2 * width + render.GAP


def test_legend_has_the_rows_its_names_need():
    names = tuple(f"a class with a long name {i}" for i in range(20))
    ids = np.arange(20, dtype=np.uint8).repeat(6).reshape(2, 60)
    few, many = (render.panel(np.zeros((2, 60, 3), np.uint8), None, ids % count, DatasetSpec(names))
                 for count in (1, 20))
    assert len(many) - len(few) == 19 * render.ROW


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (44.6, "45 s"), (89, "89 s"), (90, "2 min"), (720, "12 min"), (5300, "88 min"), (5400, "1 h 30 min"),
    (11100, "3 h 05 min"), (172800, "2 d 0 h"), (183600, "2 d 3 h")])
def test_duration_is_short_to_read(seconds, text):
    assert progress_bar.duration(seconds) == text


def test_dataset_specification_survives_json(tmp_path):
    content = {"spec": record.spec_to_dict(SPEC), "config": {"batch": 2},
               "model": {"channels": {}, "mean_rgb": [1.0, 2.0, 3.0]}}
    record.write_record(tmp_path, content)
    found = record.read_record(tmp_path)
    assert {"spec": found["spec"], "model": found["model"]} == {"spec": content["spec"], "model": content["model"]}
    assert found["config"]["batch"] == 2
    assert record.spec_from_dict(record.read_record(tmp_path)["spec"]) == SPEC
    assert record.spec_from_dict(json.loads(json.dumps(record.spec_to_dict(DatasetSpec())))) == DatasetSpec()


def test_differences_name_setting_and_both_values():
    old, new = {"batch": 2, "size": [96, 96], "flip": True}, {"batch": 4, "size": (96, 96), "flip": True, "crop": None}
    assert record.differences(old, new, ("batch", "size", "flip", "crop")) == ["batch: 2 in the run, 4 now"]


def test_folder_without_a_run_is_a_usage_error(tmp_path):
    with pytest.raises(errors.UsageError, match="is not a run folder"):
        record.read_record(tmp_path)
    for text in ("", "{", "[]", '{"config": {}}', "\0"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(errors.UsageError, match=r"config\.json: is damaged"):
            record.read_record(tmp_path)


def test_ignored_ids_keep_their_channel_and_are_not_scored():
    assert SPEC.num_classes == 4
    assert SPEC.scored_ids == (1, 2, 3)
    assert DatasetSpec(("a", "b"), (11,)).scored_ids == (0, 1)


def test_unnamed_classes_are_counted_up_to_the_highest_id():
    pixels = np.zeros(256, np.int64)
    pixels[[1, 4, 255]] = 9
    assert DatasetSpec((), (255,)).counted(pixels).class_names == tuple(f"class {i}" for i in range(5))
    assert DatasetSpec(("a", "b"), (255,)).counted(pixels).class_names == ("a", "b")


def test_generated_palette_has_distinct_colours_black_is_ignored():
    palette = DatasetSpec(("a", "b"), (255,)).palette()
    assert palette[:3] == [(128, 0, 0), (0, 128, 0), (128, 128, 0)]  # VOC's colours 1, 2 and 3
    assert palette[255] == (0, 0, 0)
    assert len(set(palette)) == 256


def test_a_run_of_an_older_version_is_named_as_such(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"spec": {}, "config": {}, "channels": {}, "mean_rgb": []}))
    with pytest.raises(errors.UsageError, match="made by an older version"):
        record.read_record(tmp_path)


def test_baseline_of_a_weighted_loss_is_its_weighted_entropy():
    """Classes of 30 and 10 pixels, and 60 that are ignored: unweighted ln 4 - 3/4 ln 3; weighed 1 and 3, ln 2."""
    spec, pixels = DatasetSpec(("a", "b"), (2,)), [30, 10, 60]
    assert baselines.numbers(pixels, spec) == pytest.approx((math.log(2), math.log(4) - 0.75 * math.log(3),
                                                                          0.75))
    assert baselines.numbers(pixels, spec, 2, (0, 1),
                                          (1.0, 3.0)) == pytest.approx((math.log(2), math.log(2), 0.75))


def test_only_the_baseline_counts_trained_ignored_pixels():
    spec = DatasetSpec(("a", "b"), (2,))
    uniform, prior, constant = baselines.numbers([25, 25, 50], spec, 3, (0, 1, 2))
    assert (uniform, constant) == pytest.approx((math.log(3), 0.5))
    assert prior == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))
