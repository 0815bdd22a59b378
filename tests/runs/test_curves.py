"""Curves of a run, and of several over each other: whatever a log holds, however long it is, no spike is hidden."""

import errno
import math

import numpy as np
import pytest
from PIL import Image

from fcn.core import atomic_io
from fcn.runs import curves

BASELINES = (2.0, 1.5, 0.4)
VALIDATED = {"step": 5, "val_loss": 1.5, "val_loss_se": 0.1, "val_pixel_accuracy": 0.5, "val_mean_iou": 0.25}


def long_log(count, spikes=()):
    """Entries of steps 10, 20, ... with loss 1, but for {index: loss}."""
    return [{"step": 10 * (i + 1), "loss": dict(spikes).get(i, 1.0), "loss_se": 0.1} for i in range(count)]


@pytest.fixture
def figure_of(monkeypatch):
    """figure_of(curves.draw, entries, ...) is the figure instead of the file, {title's first word: axes} of it."""
    kept = []
    monkeypatch.setattr(curves, "write_figure", lambda figure, path, *_: kept.append(figure))

    def make(what, *arguments):
        what(arguments[0], "nowhere.png", *arguments[1:])
        return kept[-1], {axes.get_title().split()[0].strip(":"): axes for axes in kept[-1].axes}
    return make


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def points(axes, label):
    """[(x, y)] of the line that the legend calls `label...`."""
    handles, labels = axes.get_legend_handles_labels()
    handle = next(h for h, name in zip(handles, labels, strict=True) if name.startswith(label))
    return [tuple(xy) for xy in (handle[0] if isinstance(handle, tuple) else handle).get_xydata().tolist()]


def highest(axes):
    """The highest point of the bands."""
    return max(path.vertices[:, 1].max() for band in axes.collections for path in band.get_paths() if len(path))


@pytest.mark.slow
@pytest.mark.parametrize("entries", [
    [],
    [{"step": 1, "loss": 2.0}],
    [{"step": 1, "loss": 2.0, "loss_se": 0.1, "gradient_norm": 3.0, "learning_rate": 1e-4}, VALIDATED],
    [{"step": 1, "gradient_norm": 0.0, "learning_rate": 0.0}],
    [{"step": 1, "loss": math.nan}, {"step": 2, "val_mean_iou": None}, {"step": 10 ** 400, "loss": 10 ** 400},
     {"step": 3, "loss": math.inf, "loss_se": math.nan}, {"loss": 1.0}, {"step": "4", "loss": True}, "text", 7],
    [{"step": 1, "loss": 2.0, "loss_se": -1.0}, {"step": 1, "loss": 1e37, "val_loss": 0.0, "val_loss_se": -3}],
    [{"step": 9, "loss": 1.0}] * 5000,
])
def test_curves_are_drawn_however_little_there_is_to_show(tmp_path, entries):
    curves.draw(entries, tmp_path / "curves.png", *((BASELINES, [3, 4]) if len(entries) > 1 else ()))
    curves.overlay([("no formula: $\\frac$", entries), ("_b \u4e2d \udcff", [VALIDATED])], tmp_path / "compare.png")
    for path in (tmp_path / "curves.png", tmp_path / "compare.png"):
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert np.asarray(image.convert("L")).std() > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compare.png", "curves.png"]


@pytest.mark.slow
def test_full_disk_is_an_os_error_and_keeps_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "curves.png"
    curves.draw([VALIDATED], path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(atomic_io, "write_at", full)
    with pytest.raises(OSError, match="No space"):
        curves.draw([], path)
    assert path.read_bytes() == before


def test_series_holds_finite_numbers_in_step_order():
    entries = [{"step": 20, "loss": 1.0, "loss_se": 0.5}, {"step": 10, "loss": 2}, {"step": 15, "val_loss": 9.0},
               {"step": 30, "loss": math.nan}, {"step": 40, "loss": "3"}, {"step": None, "loss": 3.0},
               {"step": 50, "loss": True}, ["loss"]]
    steps, values, errors = curves.series(entries, "loss")
    assert (steps.tolist(), values.tolist(), errors.tolist()) == ([10, 20], [2, 1], [0, 0.5])
    assert [len(column) for column in curves.series(entries, "gradient_norm")] == [0, 0, 0]


def test_joined_points_are_means_and_extremes_of_equal_bins(monkeypatch):
    """Steps 0 to 10 in two bins: [0, 5) holds 0, 1, 4; [5, 10] holds 5 and 10."""
    monkeypatch.setattr(curves, "MOST", 4)
    monkeypatch.setattr(curves, "BINS", 2)
    found = [np.array(column, np.float64) for column in ((0, 1, 4, 5, 10), (3, 6, 0, 8, 2), (1, 1, 4, 2, 4))]
    steps, values, errors, least, largest = curves.thinned(found)
    assert steps.tolist() == pytest.approx([5 / 3, 7.5])
    assert values.tolist() == [3, 5] and errors.tolist() == [2, 3]
    assert least.tolist() == [0, 2] and largest.tolist() == [6, 8]


def test_empty_bins_are_left_out_and_no_point_is_missing(monkeypatch):
    monkeypatch.setattr(curves, "MOST", 3)
    monkeypatch.setattr(curves, "BINS", 10)
    found = [np.array(column, np.float64) for column in ((0, 1, 99, 100), (1, 2, 3, 4), (0, 0, 0, 0))]
    steps, values, *_ = curves.thinned(found)
    assert (steps.tolist(), values.tolist()) == ([0.5, 99.5], [1.5, 3.5])


def test_few_points_are_drawn_unchanged(figure_of):
    entries = long_log(700, {300: 2.5})
    _, axes = figure_of(curves.draw, entries)
    assert points(axes["loss"], "training") == [(e["step"], e["loss"]) for e in entries]


def test_long_log_is_drawn_with_few_points_and_visible_spikes(figure_of):
    _, axes = figure_of(curves.draw, long_log(100_000, {41_234: 2.5}))
    assert len(points(axes["loss"], "training")) == 500
    assert highest(axes["loss"]) == 2.5 < axes["loss"].get_ylim()[1]
    assert any("pale: range of 200 entries each" in text for text in legend(axes["loss"]))


def test_spike_far_above_the_rest_is_cut_off_and_noted(figure_of):
    _, axes = figure_of(curves.draw, long_log(700, {300: 90.0}))
    assert "1 values above the axis, up to 90 at step 3,010" in axes["loss"].get_title()
    assert 1.1 < axes["loss"].get_ylim()[1] < 5


def test_first_loss_is_inside_the_picture(figure_of):
    _, axes = figure_of(curves.draw, long_log(700, {0: 50.0}))
    assert axes["loss"].get_ylim()[1] > 50 and "above" not in axes["loss"].get_title()


def test_baselines_without_images_are_drawn_as_lines(figure_of):
    _, axes = figure_of(curves.draw, [VALIDATED], BASELINES)
    assert points(axes["loss"], "class frequencies, 1.500")[0][1] == 1.5
    assert points(axes["scores,"], "best constant prediction: pixel accuracy 0.400")[0][1] == 0.4


def test_first_of_the_best_validations_is_marked(figure_of):
    entries = [{"step": step, "val_mean_iou": iou} for step, iou in ((10, 0.1), (20, 0.375), (30, 0.375), (40, 0.2))]
    _, axes = figure_of(curves.draw, entries)
    assert points(axes["scores,"], "best mean IoU: 0.3750 at step 20") == [(20, 0.375)]


def test_error_bars_are_the_standard_error(figure_of):
    _, axes = figure_of(curves.draw, [VALIDATED])
    low, high = axes["loss"].containers[0][2][0].get_segments()[0]
    assert (low.tolist(), high.tolist()) == ([5, pytest.approx(1.4)], [5, pytest.approx(1.6)])


@pytest.mark.parametrize("starts", [(), (20,), (20, 20, 70)])
def test_each_start_has_a_tick_and_one_legend_entry(figure_of, starts):
    _, axes = figure_of(curves.draw, long_log(9), None, starts)
    for panel in axes.values():
        ticks = [path.vertices[0, 0] for band in panel.collections for path in band.get_paths() if len(path) == 2]
        assert ticks == list(starts)
    assert legend(axes["loss"]).count("resumed") == (len(starts) > 0)


@pytest.mark.slow
def test_gradient_norm_has_a_panel_if_known(figure_of):
    entries = [{"step": step, "gradient_norm": norm} for step, norm in ((10, 100.0), (20, 0.0), (30, 1.0))]
    _, axes = figure_of(curves.draw, entries)
    assert axes["norm"].get_yscale() == "log"
    assert axes["norm"].lines[0].get_xydata().tolist() == [[10, 100], [30, 1]]
    assert "norm" not in figure_of(curves.draw, [VALIDATED])[1]


def test_ten_runs_have_distinct_styles_in_legend_order(figure_of):
    names = [f"_run ${i}$" for i in range(10)]
    figure, axes = figure_of(curves.overlay, [(name, [{"step": i, "loss": 1.0}]) for i, name in enumerate(names)])
    shown = figure.legends[0]
    assert [text.get_text().strip().replace(r"\$", "$") for text in shown.get_texts()] == names
    looks = [(line.get_color(), line.get_linestyle()) for line in shown.get_lines()]
    assert len(set(looks)) == 10
    drawn = [line for line in axes["training"].lines if len(line.get_xdata())]
    assert [(line.get_xdata()[0], (line.get_color(), line.get_linestyle())) for line in drawn] == list(enumerate(looks))
