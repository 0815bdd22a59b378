"""What an evaluation writes for every image: read back it is what was predicted, whatever the labels' encoding."""

import argparse
import dataclasses
import errno
import threading
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from fcn.core import errors, registry
from fcn.data import images, render
from fcn.data.spec import DatasetSpec
from fcn.evaluation import prediction_writer, read_ahead
from fcn.evaluation.prediction_writer import BackgroundWorker

SPEC = DatasetSpec(("sky", "sea", "dune"), (255,), ((10, 20, 30), (40, 50, 60), (70, 80, 90)))
PREDICTED = {"binary": (0, 1, 1), "blue_bits": (1, 2, 8)}  # ids that such a data set has
READ_BY = {"ade20k_full": "ids"}  # it is written in the benchmark's form
PHOTO = np.full((4, 6, 3), 100, np.uint8)
IDS = np.arange(24, dtype=np.uint8).reshape(4, 6) % 3


@pytest.mark.parametrize("encoding", registry.names("label_formats"))
def test_written_prediction_is_read_by_the_label_format(tmp_path, encoding):
    spec = dataclasses.replace(SPEC, encoding=encoding)
    ids = np.array(PREDICTED.get(encoding, (0, 1, 2)), np.uint8)[IDS]
    prediction_writer.PredictionWriter(tmp_path, spec, ["predictions"], needed=True).write("a", PHOTO, None, ids)
    path, = (tmp_path / "predictions").iterdir()
    reader = registry.load("label_formats", READ_BY.get(encoding, encoding))
    assert path.suffix == reader.SUFFIX
    np.testing.assert_array_equal(reader.read(path, spec), ids)


def test_only_requested_outputs_are_written(tmp_path):
    prediction_writer.PredictionWriter(tmp_path, SPEC, ["colour", "panels"], needed=True).write("a", PHOTO, IDS, IDS)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == [
        "colour/a.png", "panels/a.jpg"]


def test_an_overlay_is_half_photo_and_half_colour():
    overlay = render.overlay(PHOTO, IDS, SPEC.palette())
    assert overlay[0, 0].tolist() == [55, 60, 65] and overlay[0, 2].tolist() == [85, 90, 95]


def test_error_picture_is_red_if_wrong_and_grey_if_not_scored():
    label, prediction = np.array([[0, 1, 255]], np.uint8), np.array([[0, 2, 2]], np.uint8)
    picture = render.error_map(np.full((1, 3, 3), 100, np.uint8), label, prediction, SPEC)
    assert picture.tolist() == [[[217] * 3, list(render.WRONG), list(render.NOT_SCORED)]]


def test_panels_of_large_pages_are_reduced_and_keep_ids():
    page = np.zeros((3000, 2000), np.uint8)
    page[:, 1000:] = 2
    shrunk = render.shrunk(page, 1024)
    assert shrunk.shape == (1024, 683) and set(np.unique(shrunk)) == {0, 2}
    assert render.panel(np.zeros((3000, 2000, 3), np.uint8), None, page, SPEC).shape[1] == 2 * 683 + render.GAP


def test_probabilities_are_written_strip_by_strip(tmp_path):
    made = prediction_writer.PredictionWriter(tmp_path, SPEC, ["probabilities"])
    with made.probabilities("a", 3, 2, 4) as sink:
        sink(0, np.full((2, 2, 4), 0.25, np.float32))
        assert not (made.folder / "probabilities/a.npy").exists()
        sink(2, np.eye(4, dtype=np.float32)[None, :2])
    array = np.load(made.folder / "probabilities/a.npy", mmap_mode="r")
    assert array.shape == (3, 2, 4) and array.dtype == np.float16
    assert array[1, 1].tolist() == [0.25] * 4 and array[2].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]
    with prediction_writer.PredictionWriter(tmp_path, SPEC, ["colour"]).probabilities("b", 3, 2, 4) as sink:
        assert sink is None


def test_full_disk_ends_only_the_writing_of_pictures(tmp_path, monkeypatch):
    made = prediction_writer.PredictionWriter(tmp_path, SPEC, ["colour", "probabilities"])
    made.write("a", PHOTO, None, IDS)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(images, "write_png", full)
    made.write("b", PHOTO, None, IDS)
    monkeypatch.undo()
    made.write("c", PHOTO, None, IDS)
    with made.probabilities("c", 3, 2, 4) as sink:
        assert sink is None
    assert [path.name for path in made.folder.rglob("*.*")] == ["a.png"]
    assert made.full and [name for name, _ in made.unwritten] == ["b"]
    with pytest.raises(errors.MachineError, match="'b' and all later files could not be written: No space left"):
        made.complain(tmp_path)
    with pytest.raises(OSError, match="No space"):  # photos without labels have no numbers: files are all they are for
        monkeypatch.setattr(images, "write_png", full)
        prediction_writer.PredictionWriter(tmp_path, SPEC, ["colour"], needed=True).write("b", PHOTO, None, IDS)


def test_invalid_file_name_is_reported_and_others_written(tmp_path):
    made = prediction_writer.PredictionWriter(tmp_path, SPEC, ["colour", "probabilities"])
    for name in ("a", "n" * 300, "z"):
        made.write(name, PHOTO, None, IDS)
        with made.probabilities(name, 1, 1, 2) as sink:
            sink(0, np.zeros((1, 1, 2), np.float32))
    assert sorted(path.name for path in made.folder.rglob("*.*")) == ["a.npy", "a.png", "z.npy", "z.png"]
    with pytest.raises(errors.MachineError, match="File name too long") as told:
        made.complain(tmp_path)
    assert "rename the image" in str(told.value)


def test_interrupted_probabilities_leave_no_file(tmp_path):
    made = prediction_writer.PredictionWriter(tmp_path, SPEC, ["probabilities"])
    with pytest.raises(KeyboardInterrupt), made.probabilities("a", 3, 2, 4) as sink:
        sink(0, np.zeros((1, 2, 4), np.float32))
        raise KeyboardInterrupt
    assert not list(tmp_path.rglob("*.npy*"))


def test_failure_of_another_image_keeps_probabilities(tmp_path):
    made = prediction_writer.PredictionWriter(tmp_path, SPEC, ["probabilities"])
    with made.probabilities("a", 1, 1, 2) as sink:
        made.unwritten.append(("earlier", OSError(errno.ENAMETOOLONG, "File name too long")))  # by the other thread
        sink(0, np.zeros((1, 1, 2), np.float32))
    assert np.load(made.folder / "probabilities/a.npy").shape == (1, 1, 2)


def test_probabilities_without_disk_space_leave_no_file(tmp_path):
    made = prediction_writer.PredictionWriter(tmp_path, SPEC, ["probabilities"], needed=True)
    (tmp_path / "probabilities").write_text("a file where the folder should be")
    with made.probabilities("a", 3, 2, 4) as sink:
        sink(0, np.zeros((3, 2, 4), np.float32))
    assert made.unwritten[0][0] == "a"


def test_server_zip_holds_predictions_without_folders(tmp_path):
    made = prediction_writer.PredictionWriter(tmp_path, SPEC, ["zip"])
    for name in ("ADE_val_00000002", "ADE_val_00000001"):
        made.write(name, PHOTO, None, IDS)
    made.finish()
    with zipfile.ZipFile(tmp_path / "predictions.zip") as archive:
        assert sorted(archive.namelist()) == ["ADE_val_00000001.png", "ADE_val_00000002.png"]
        with archive.open("ADE_val_00000001.png") as file, Image.open(file) as image:
            assert image.mode == "L" and np.array_equal(np.asarray(image), IDS)


def test_server_zip_needs_png_labels_of_ids():
    with pytest.raises(errors.UsageError, match="one-channel PNGs of ids"):
        prediction_writer.refuse_zip(["zip"], DatasetSpec(("a", "b"), encoding="blue"))
    prediction_writer.refuse_zip(["zip"], SPEC)
    prediction_writer.refuse_zip(["colour"], DatasetSpec(("a", "b"), encoding="blue"))


def test_outputs_are_selected_by_name():
    assert prediction_writer.parse_outputs("panels, zip") == ("panels",
                                                              "zip") and prediction_writer.parse_outputs("none") == ()
    assert prediction_writer.parse_outputs("all") == ("predictions", "colour", "overlays", "panels", "errors",
                                                        "probabilities")
    with pytest.raises(argparse.ArgumentTypeError, match="unknown output 'panel': expected predictions, colour"):
        prediction_writer.parse_outputs("panel")


def test_background_work_is_done_in_order_before_the_end():
    done = []
    with BackgroundWorker(2) as behind:
        for number in range(20):
            behind.submit(done.append, number)
    assert done == list(range(20))


def test_background_failure_is_raised_and_stops_later_work():
    def fail():
        raise OSError(errno.ENOSPC, "No space left on device")
    done, gate = [], threading.Event()
    with pytest.raises(OSError, match="No space"), BackgroundWorker(8) as behind:
        behind.submit(gate.wait)
        behind.submit(fail)
        behind.submit(done.append, 1)
        gate.set()
        behind.submit(done.append, 2)
    assert not done


def test_background_queue_is_bounded():
    running, gate = [], threading.Event()

    def slow(number):
        running.append(number)
        gate.wait(5)
    with BackgroundWorker(2) as behind:
        behind.submit(slow, 0)
        behind.submit(slow, 1)
        late = threading.Thread(target=behind.submit, args=(slow, 2))
        late.start()
        late.join(0.2)
        assert late.is_alive() and len(behind.waiting) <= 2
        gate.set()
        late.join(5)
    assert running == [0, 1, 2]


def test_results_of_several_threads_are_noted_in_order():
    noted = []
    with BackgroundWorker(4, 3, noted.append) as behind:
        for number in range(40):
            behind.submit(lambda number: time.sleep((number % 3) * 1e-3) or number, number, pixels=0)
    assert noted == list(range(40))


def test_failure_while_noting_stops_later_work():
    done = []

    def note(number):
        if number == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space"), BackgroundWorker(2, 1, note) as behind:
        for number in range(40):
            behind.submit(lambda number: done.append(number) or number, number)
    assert len(done) < 8


def test_many_small_images_may_wait_and_few_large_ones():
    gate = threading.Event()
    with BackgroundWorker(2) as behind:
        for _ in range(read_ahead.MANY):
            behind.submit(gate.wait, 9, pixels=100)
        assert len(behind.waiting) == read_ahead.MANY
        gate.set()
        behind.finish()
        assert not behind.waiting and behind.pixels == 0
        for _ in range(9):
            behind.submit(time.sleep, 1e-3, pixels=2e7)
            assert len(behind.waiting) <= 2


def test_failures_are_noted_in_the_order_of_the_images(tmp_path, monkeypatch):
    made = prediction_writer.PredictionWriter(tmp_path, SPEC, ["predictions", "colour"])

    def full(path, array):
        if path.parent.name == "colour":
            raise OSError(errno.EACCES, "Permission denied")
        path.write_bytes(b"")
    monkeypatch.setattr(images, "write_png", full)
    with BackgroundWorker(8, 4, made.note) as behind:
        for number in range(30):
            behind.submit(made.attempt, f"{number:02}", PHOTO, None, IDS, pixels=0)
    names = [f"{number:02}" for number in range(30)]
    assert [name for name, _ in made.unwritten] == names == [path.stem for path in made.written]
