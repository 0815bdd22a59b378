"""What a person sees of a run: the line, the logs, TensorBoard's events; and that none of it can end the run."""

import collections
import contextlib
import dataclasses
import os
import pathlib
import pty
import re
import subprocess
import sys

import numpy as np
import pytest

from fcn.data.spec import DatasetSpec
from fcn.models.tf_compat import tf
from fcn.runs import curves, run_log
from fcn.training import loop, progress_report, tensorboard, validation

SPEC = DatasetSpec(("other", "sky", "sea"), (0,))


class Shown:
    """A screen that keeps what it is given."""

    def __init__(self):
        self.lines, self.said = [], []

    def show(self, step, text, due):
        self.lines.append((step, text, due))

    def say(self, text):
        self.said.append(text)


@pytest.fixture
def report(tmp_path):
    return progress_report.ProgressReport(tmp_path, progress_report.RunFacts(SPEC, 4, (1.1, 1.0, 0.5), 2), 0,
                                          Shown())


def at_step(step, *losses, **more):
    """A Position whose window holds these mean losses, of ten pixels each."""
    window = collections.deque([(10 * loss, 10.0) for loss in losses])
    return loop.Position(step, window, learning_rate=0.5, gradient_norm=2.0, images=step * 4, wait_s=step / 2,
                         run_s=step * 3 / 2, **more)


def test_line_shows_loss_error_speed_waiting_memory_and_eta(report):
    report.after_step(at_step(1, 2.0))
    report.after_step(at_step(2, 2.0, 1.0))
    (_, first, _), (step, text, due) = report.screen.lines
    assert first.startswith("loss 2.000 of 1  ") and "to go" not in first
    assert (step, due) == (2, True)
    assert re.fullmatch(r"loss 1\.500 ± 0\.500 of 2  0 s to go  [\d.]+ images/s  data 25%  peak [\d.]+ [MG]B", text)


def test_speed_and_time_left_are_those_of_this_start(report, monkeypatch):
    """4 images and 2 s of waiting and running a step; on the clock step 1 takes 10 s, the others one."""
    now = [report.started]
    monkeypatch.setattr(progress_report.time, "monotonic", lambda: now[0])
    for step, seconds in ((1, 10), (2, 1), (3, 1)):
        now[0] += seconds
        report.after_step(at_step(step, 2.0, 1.0))
    assert "  1 s to go  2.00 images/s" in report.screen.lines[-1][1]
    report.facts = dataclasses.replace(report.facts, steps=10)
    now[0] += 1
    report.after_step(at_step(4, 2.0, 1.0))
    assert "  6 s to go  2.00 images/s" in report.screen.lines[-1][1]


def test_speed_is_measured_since_the_last_line(report):
    at = at_step(2, 2.0)
    report.after_step(at)
    at.step, at.images, at.run_s = 4, at.images + 8, at.run_s + 80
    report.after_step(at)
    timing = [entry for entry in run_log.read_entries(report.run / "speed.jsonl") if "images_per_s" in entry]
    assert [entry["images_per_s"] for entry in timing] == [2.0, 0.1] and timing[1]["wait_share"] == 0


def test_clock_readings_have_their_own_log(report):
    for step in (1, 2, 3, 4):
        report.after_step(at_step(step, 2.0, 1.0))
    entries = run_log.read_entries(report.run / "log.jsonl")
    assert [entry["step"] for entry in entries] == [1, 2, 4]
    assert entries[0] == {"step": 1, "loss": 1.5, "loss_se": 0.5, "batches": 2, "gradient_norm": 2.0,
                          "learning_rate": 0.5}
    start, *timing = run_log.read_entries(report.run / "speed.jsonl")
    assert start["event"] == "start" and start["step"] == 0
    assert [set(entry) for entry in timing] == [{"step", "images_per_s", "wait_share", "elapsed_s", "memory_gb"}] * 3


def test_memory_of_the_gpu_is_shown_and_logged(report, monkeypatch):
    monkeypatch.setattr(progress_report.tf_compat, "gpu_peak", lambda: 4_700_000_000)
    report.after_step(at_step(1, 2.0))
    assert report.screen.lines[0][1].endswith("  GPU peak 4.7 GB")
    assert run_log.read_entries(report.run / "speed.jsonl")[-1]["gpu_memory_gb"] == 4.7


def test_error_bar_of_one_batch_is_left_out(report):
    report.after_step(at_step(1, 2.0))
    assert "loss_se" not in run_log.read_entries(report.run / "log.jsonl")[0] and "±" not in report.screen.lines[0][1]


@pytest.mark.slow
def test_validation_is_logged_drawn_and_printed_with_the_best(report):
    numbers = {"val_loss": 1.0, "val_loss_se": 0.1, "val_pixel_accuracy": 0.5, "val_mean_iou": 0.25}
    report.validation(at_step(4, score=0.25, best={"step": 4, "score": 0.25}), numbers, [])
    report.validation(at_step(6, score=0.2, best={"step": 4, "score": 0.25}), numbers | {"val_mean_iou": 0.2}, [])
    assert "best so far" in report.screen.said[0] and "best 0.250 at step 4" in report.screen.said[1]
    assert run_log.read_entries(report.run / "log.jsonl")[0] == {"step": 4, **numbers}
    assert (report.run / "curves.png").exists()


@pytest.mark.slow
def test_validation_shows_the_f_score_if_it_counts(report):
    numbers = {"val_loss": 1.0, "val_loss_se": 0.1, "val_pixel_accuracy": 0.5, "val_mean_iou": 0.25,
               "val_f_score": 0.375}
    for best_by in ("f_score", "mean_iou"):
        report.validation(at_step(4, score=0.25, best={"step": 4, "score": 0.25}, best_by=best_by), numbers, [])
    assert ["F-score 0.375, " in said for said in report.screen.said] == [True, False]


@pytest.mark.slow
def test_validation_without_a_finite_loss_says_so(report):
    numbers = {"val_loss": None, "val_loss_se": None, **validation.NO_SCORES, "not_finite": True}
    report.validation(at_step(4, validated=4), numbers, [])
    assert "the loss is not finite, so no score" in report.screen.said[0]
    assert "unlabelled" not in report.screen.said[0]


@pytest.mark.parametrize(("losses", "said"), [((2.0, 20.0), []), ((2.0, 3.0, 21.0, 900.0), [3]), ((345.0, 9.0), []),
                                             ((float("nan"), 50.0), [])])
def test_loss_of_ten_times_the_first_has_one_note(report, losses, said):
    for step, loss in enumerate(losses, 1):
        report.after_step(at_step(step, loss))
    assert [int(text.split()[1]) for text in report.screen.said] == said
    assert all("the loss 21 is 10 times that of step 1" in text for text in report.screen.said)


def test_run_that_is_resumed_has_no_note_about_its_first_loss(report):
    report.after_step(at_step(7, 0.1))
    report.after_step(at_step(8, 50.0))
    assert report.screen.said == []


def unlabelled_step(step, *window):
    return loop.Position(step, collections.deque(window), learning_rate=0.5, gradient_norm=0.0, images=step)


@pytest.mark.slow
def test_unlabelled_step_is_reported_and_logged_as_null(report):
    report.events = tensorboard.EventWriter(report.run, 0)
    report.after_step(unlabelled_step(1, (0.0, 0.0)))
    report.after_step(unlabelled_step(2, (0.0, 0.0), (0.0, 0.0)))
    report.after_step(unlabelled_step(4, (0.0, 0.0), (0.5, 0.25)))  # class weights: a quarter of a pixel
    texts = [text for _, text, _ in report.screen.lines]
    assert texts[0].startswith("no labelled pixels in the last batch  ")
    assert texts[1].startswith("no labelled pixels in the last 2 batches  ")
    assert texts[2].startswith("loss 2.000 of 2  ")
    rest = {"gradient_norm": 0.0, "learning_rate": 0.5}
    assert run_log.read_entries(report.run / "log.jsonl") == [
        {"step": 1, "loss": None, "batches": 1, "unlabelled_batches": 1, **rest},
        {"step": 2, "loss": None, "batches": 2, "unlabelled_batches": 2, **rest},
        {"step": 4, "loss": 2.0, "batches": 2, "unlabelled_batches": 1, **rest}]
    path, = (report.run / "events").iterdir()
    found = [(event.step, value.simple_value) for event in tensorboard.tf.train.summary_iterator(str(path))
             for value in event.summary.value if value.tag == "loss"]
    assert found == [(4, 2.0)] and report.events.error == ""
    report.draw()


@pytest.mark.slow
def test_unlabelled_validation_is_reported_and_logged(report):
    numbers = {"val_loss": None, "val_loss_se": float("nan"), "val_pixel_accuracy": None, "val_mean_iou": None,
               "unlabelled_images": 3}
    report.validation(at_step(4, validated=4), numbers, [])
    assert "no labelled pixels in these 3 validation images, so no score" in report.screen.said[0]
    assert "nan" not in report.screen.said[0]
    assert run_log.read_entries(report.run / "log.jsonl") == [
        {"step": 4, "val_loss": None, "val_pixel_accuracy": None, "val_mean_iou": None, "unlabelled_images": 3}]


def test_resumes_are_marked_in_the_curves(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(curves, "draw", lambda entries, path, baselines, starts: drawn.append(starts))
    for step in (0, 30, 20):
        progress_report.ProgressReport(tmp_path, progress_report.RunFacts(SPEC, 40, None, 2), step, Shown()).draw()
    assert drawn == [[], [30], [30, 20]]


def test_full_disk_is_reported_once_and_training_continues(report, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(curves, "draw", full)
    for step in (1, 2, 4):
        report.after_step(at_step(step, 2.0, 1.0))
        report.draw()
    assert len(report.screen.said) == 2 and "log.jsonl" in report.screen.said[0]
    assert "No space left on device" in report.screen.said[1]


def test_curves_are_redrawn_if_that_takes_1_percent_of_the_time(report, monkeypatch):
    now, drawn = [0.0], []

    def draw(*_):
        drawn.append(now[0])
        now[0] += 5
    monkeypatch.setattr(progress_report.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(curves, "draw", draw)
    report.drawn = 0.0
    for step in range(2, 2000, 2):
        now[0] += 1
        report.after_step(at_step(step, 2.0, 1.0))
    assert drawn[0] == pytest.approx(31) and drawn[1] - drawn[0] == pytest.approx(506, abs=2)


NOBODY = """
from fcn.core import progress_bar, terminal
with terminal.as_command(), progress_bar.ProgressBar("step", 9) as view:
    for step in range(9):
        view.show(step, "text " * 1000, due=True)
        view.say("more " * 1000)
open("came.txt", "w").write("through")
"""


@pytest.mark.slow
def test_closed_pipe_does_not_end_a_run(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", NOBODY], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               cwd=tmp_path)
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    assert process.wait() == 0 and (tmp_path / "came.txt").exists()


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="there is no device here that is always full")
def test_full_disk_behind_a_redirect_does_not_end_a_run(tmp_path):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run([sys.executable, "-c", NOBODY], stdout=full, stderr=subprocess.PIPE, cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "came.txt").exists(), done.stderr


def written_on_a_terminal(columns, **environment):
    """What a process writes on a terminal of so many columns."""
    code = ("from fcn.core import progress_bar, terminal\n"
            "with terminal.as_command(), progress_bar.ProgressBar('step', 12345) as view:\n"
            "    view.show(12345, 'loss 1.842 ± 0.031 of 320  12 min to go  1.02 images/s  data 0%  peak 4.6 GB')\n")
    file, terminal = pty.openpty()  # not pty.fork: a fork of a process with TensorFlow's threads may hang
    with subprocess.Popen([sys.executable, "-c", code], stdin=terminal, stdout=terminal, stderr=terminal,
                          start_new_session=True,
                          env=os.environ | {"COLUMNS": str(columns), "TERM": "xterm-256color"} | environment):
        os.close(terminal)
        said = b""
        with contextlib.suppress(OSError):  # that is how the end of a terminal looks
            while part := os.read(file, 4096):
                said += part
    os.close(file)
    return said.decode()


def test_narrow_terminal_keeps_step_and_loss():
    narrow, wide = written_on_a_terminal(60), written_on_a_terminal(140)
    assert "step 12345/12345" in narrow and "loss 1.842 ± 0.031" in narrow and "━" not in narrow
    assert "peak 4.6 GB" in wide and "━" in wide


def test_no_color_variable_is_obeyed():
    assert "\x1b[38;" in written_on_a_terminal(140)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", written_on_a_terminal(140, NO_COLOR="1"))


class FullDisk:
    """As a TFRecordWriter: takes what it is given, and fails when it has to put it down."""

    def __init__(self, path):
        pathlib.Path(path).touch()

    def write(self, record):
        pass

    def flush(self):
        raise tensorboard.tf_errors.ResourceExhaustedError(None, None, "No space left on device")


def test_failing_events_are_reported_once_and_restarted(report, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tensorboard.tf.io, "TFRecordWriter", FullDisk)
        report.events = tensorboard.EventWriter(report.run, 0)
        for step in (1, 2):
            report.after_step(at_step(step, 2.0, 1.0))
    assert [text for text in report.screen.said if "No space left on device" in text] == report.screen.said[-1:]
    report.after_step(at_step(4, 2.0, 1.0))
    assert report.events.error == ""
    path, = (report.run / "events").iterdir()
    tags = [value.tag for event in tensorboard.tf.train.summary_iterator(str(path)) for value in event.summary.value]
    assert "loss" in tags


def test_file_at_the_events_path_does_not_end_a_run(tmp_path):
    (tmp_path / "events").write_text("a file")
    writer = tensorboard.EventWriter(tmp_path, 0)
    writer.scalars({"step": 1, "loss": 1.5})
    assert writer.error


def test_events_hold_scalars_pictures_and_graph(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="one")
    writer = tensorboard.EventWriter(tmp_path, 0, graph)
    writer.scalars({"step": 3, "loss": 1.5})
    photo, label = np.full((6, 8, 3), 7, np.uint8), np.ones((6, 8), np.uint8)
    writer.samples(3, [(photo, label, label + 1)], SPEC)
    later = list((tmp_path / "events").iterdir())
    assert len(later) == 1
    values, graphs = {}, 0
    for event in tf.train.summary_iterator(str(later[0])):
        graphs += b"one" in event.graph_def
        for value in event.summary.value:
            values[value.tag] = event.step, value
    assert graphs == 1 and values["loss"][0] == 3 and values["loss"][1].simple_value == 1.5
    step, value = values["validation/0"]
    assert step == 3 and value.image.encoded_image_string.startswith(b"\x89PNG") and value.image.height > 6
