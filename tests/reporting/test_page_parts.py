"""The sections of report.html: matrix, pictures, charts, curves and numbers, each by itself."""

import base64
import dataclasses
import re

import numpy as np
import page_help
import pytest
from page_help import Parsed

from fcn.reporting import gallery
from fcn.reporting.sections import _chart, _html, _report, classes, confusion, images, training


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return _report.read(page_help.write(tmp_path_factory.mktemp("runs") / "beaches"))


def test_matrix_picture_is_dark_where_rows_are_large():
    shades = confusion.shades(np.array([[100, 0, 0], [25, 75, 0], [0, 0, 0]]))
    assert shades[0].tolist() == [127, 0, 0]
    assert shades[1].tolist() == [128 + 64, 110, 0]  # the square roots of 0.25 and 0.75, of 127
    assert shades[2].tolist() == [0, 0, 0]


def test_predicted_ignored_class_has_a_column_but_no_row(report):
    total = report.total.copy()
    total[1, 0] = 5
    rows, columns = confusion.order(dataclasses.replace(report, total=total))
    assert (rows, columns) == ([1, 2, 3], [1, 2, 3, 0])
    assert confusion.order(report) == ([1, 2, 3], [1, 2, 3])  # label 0 was called sky, which counts nowhere
    assert confusion.data(report)["counts"] == [[135, 0, 10], [18, 27, 0], [0, 0, 0]]


def test_matrix_of_many_classes_shows_the_most_frequent(report, monkeypatch):
    monkeypatch.setattr(confusion, "MOST_SHOWN", 2)
    assert confusion.order(report) == ([1, 2], [1, 2])
    assert "(the most frequent 2 of 3 classes)" in confusion.build(report)


def test_errors_and_ignored_pixels_look_different():
    label, prediction = np.array([[1, 2, 0, 255]], np.uint8), np.array([[1, 1, 1, 1]], np.uint8)
    assert images.errors_of(label, prediction, page_help.SPEC).tolist() == [[0, 1, 2, 2]]


def test_label_and_prediction_are_embedded_as_ids(report):
    shown = re.findall(r'<figure class="(label|prediction)">.*?base64,([^"]*)"', images.build(report))
    worst = report.pictures["worst"][0]
    assert worst.name == "beach"
    decoded = [gallery.ids(base64.b64decode(data)) for _, data in shown[:2]]
    np.testing.assert_array_equal(decoded, page_help.two_images()[0][1:])


def test_axes_map_values_to_positions():
    axis = _chart.linear(0, 40)
    assert axis.at([0, 10, 50]).tolist() == [0, 0.25, 1]
    assert [value for value, _ in axis.ticks] == [0, 10, 20, 30, 40]
    axis = _chart.logarithmic(0.0012, 0.3)
    assert (axis.low, axis.high) == (0.001, 0.5)
    assert [name for _, name in axis.ticks] == ["0.1 %", "1 %", "10 %"]
    assert axis.at(0.001 * 500 ** 0.5) == pytest.approx(0.5)
    assert [name for _, name in _chart.logarithmic(0.03, 0.18).ticks] == ["2 %", "5 %", "10 %", "20 %"]
    assert _chart.logarithmic(1, 1).low < _chart.logarithmic(1, 1).high == 1


def test_lines_rise_with_their_values():
    x, y = _chart.linear(0, 10), _chart.linear(0, 4)
    chart = _chart.Chart(x, y, "step", "")
    chart.line(np.array([0, 5]), np.array([0, 4]), "a")
    chart.bar(5, 0, 4, "a")
    chart.dot(5, 3, "a", "")
    drawn = chart.svg()
    assert 'points="0.0,1000.0 500.0,0.0"' in drawn
    assert 'y1="100.00%" y2="0.00%"' in drawn
    assert 'cx="50.00%" cy="25.00%"' in drawn


@pytest.mark.parametrize(("value", "shown"), [(0.2314, "23.1 %"), (0, "0.0 %"), (0.00004, "0.004 %"), (1, "100.0 %"),
                                              (None, "-"), (float("nan"), "-"), ("0.5", "-"), (1e-12, "1e-10 %")])
def test_small_shares_are_never_shown_as_zero(value, shown):
    assert _html.percent(value) == shown


def test_names_in_a_chart_do_not_overlap():
    def drawn(names):
        chart = _chart.Chart(_chart.linear(0, 1), _chart.linear(0, 1), "", "")
        chart.names([(0.5, 0.5, name) for name in names], "wide", (300, 300))
        return re.findall(r'<text class="wide".*>(.*)</text>', chart.svg())
    assert drawn([f"name {i}" for i in range(9)]) == [f"name {i}" for i in range(4)]  # right, left, above and below
    assert drawn(["x" * 99]) == []


def test_classes_without_pixels_have_no_dot_but_are_counted(report):
    built = classes.build(report)
    assert built.count("<circle") == 2
    assert "1 class without labelled pixels" in built
    assert "sky: IoU 0.828, 76.3 % of the pixels" in built


def test_long_log_is_thinned_and_its_spike_noted(report):
    entries = [{"step": step, "loss": 1.0 if step != 5000 else 70.0, "learning_rate": 1e-3} for step in range(20000)]
    built = training.build(dataclasses.replace(report, entries=entries))
    assert "1 above the chart, up to 70" in built
    assert len(built) < 60_000


@pytest.mark.parametrize("entries", [
    [], [{"step": 1, "loss": 2.0}], [{"step": 0, "loss": 0.0}], [{"step": 1, "loss": float("nan")}, "text", 7],
    [{"step": 3, "val_mean_iou": 0.5}], [{"step": 3, "learning_rate": 0.0}], [{"step": -3, "loss": -1.0}],
])
def test_curves_are_drawn_however_little_there_is_to_show(report, entries):
    built = training.build(dataclasses.replace(report, entries=entries))
    assert Parsed(built).faults == []
    assert not re.search(r"\bnan\b", built)
