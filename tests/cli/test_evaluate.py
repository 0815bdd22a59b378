"""eval_fcn.py as a user starts it: what it writes, every way of looking at an image, and what it refuses."""

import collections
import errno
import itertools
import json
import pathlib
import re
import shutil
import subprocess
import sys
import types
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageFile
from scripts_help import call, command, evaluate, run_process, train_words

from fcn.cli import evaluate_flags, export
from fcn.cli import report as report_command
from fcn.config import training_config
from fcn.core import atomic_io, registry
from fcn.data import images
from fcn.data.label_formats import ids
from fcn.data.spec import DatasetSpec
from fcn.evaluation import image_sources, results
from fcn.metrics import confusion
from fcn.runs import checkpoint_files
from fcn.training import setup

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def usual(trained, tmp_path_factory):
    """(folder of an evaluation with every output, what was printed), as a user starts it."""
    out = tmp_path_factory.mktemp("usual")
    return out, run_process(command("eval_fcn.py", "--run", trained[0] / "run", "--checkpoint", "latest", "--out", out,
                                    "--outputs", "predictions,colour,overlays,panels,probabilities,zip")).stdout


def latest(trained, out, *words, code=0):
    return evaluate("--run", trained[0] / "run", "--checkpoint", "latest", "--out", out, *words, code=code)


def pairs(toy):
    return registry.load("layouts", "ade20k").listing(toy / "scenes", "validation").pairs


def report(out):
    return json.loads((out / "report.json").read_text())


def predictions(out):
    return [ids.read(path, None) for path in sorted((out / "predictions").iterdir())]


def test_pixel_accuracy_matches_the_written_files(usual, toy):
    folder, output = usual
    content, hits, labelled = report(folder), 0, 0
    assert content["protocol"] == "benchmark" and content["ignored_ids"] == [0]
    assert content["images"] == 2 and content["checkpoint_step"] == 8
    assert f"{content['mean_iou']:.4f}" in output
    for pair in pairs(toy):
        label, prediction = (ids.read(path, None) for path in (pair.label, folder / f"predictions/{pair.name}.png"))
        assert prediction.shape == label.shape and 0 not in prediction
        hits, labelled = hits + (prediction == label)[label > 0].sum(), labelled + (label > 0).sum()
        assert Image.open(folder / f"colour/{pair.name}.png").size == label.shape[::-1]
        assert Image.open(folder / f"overlays/{pair.name}.jpg").size == label.shape[::-1]
        assert Image.open(folder / f"panels/{pair.name}.jpg").width > 4 * label.shape[1]
    assert content["pixel_accuracy"] == pytest.approx(hits / labelled)
    assert content["protocols"]["benchmark"]["scores"]["pixel_accuracy"] == content["pixel_accuracy"]


def test_tutorial_protocol_is_at_network_size(usual, toy):
    """All pixels of the small labels, "other" among them, against the prediction as the net made it."""
    folder, _ = usual
    network = confusion.load(folder / "confusion_network.npz")
    hits = labelled = 0
    for number, pair in enumerate(pairs(toy)):
        label = images.resize_label(ids.read(pair.label, None), (40, 56))
        large = ids.read(folder / f"predictions/{pair.name}.png", None)
        small = images.resize_label(large, (40, 56))  # shrinking undoes the enlarging by nearest neighbour
        np.testing.assert_array_equal(network.of_image(number), confusion.matrix(label, small, 12))
        hits, labelled = hits + (label == small).sum(), labelled + label.size
    assert report(folder)["protocols"]["tutorial"]["scores"]["pixel_accuracy"] == pytest.approx(hits / labelled)


def test_probabilities_sum_to_1_with_the_prediction_as_argmax(usual, toy):
    folder, _ = usual
    for pair in pairs(toy):
        found = np.load(folder / f"probabilities/{pair.name}.npy").astype(np.float32)
        prediction = images.resize_label(ids.read(folder / f"predictions/{pair.name}.png", None), (40, 56))
        assert found.shape == (40, 56, 12) and np.abs(found.sum(axis=2) - 1).max() < 5e-3
        assert (found[..., 0] == 0).all()  # "other" is never said
        best = np.take_along_axis(found, prediction[..., None].astype(int), 2)[..., 0]
        assert (best >= found.max(axis=2) - 1e-3).all()


def test_every_photo_and_label_is_decoded_once_per_evaluation(trained, toy, tmp_path, monkeypatch):
    """With all outputs, at a network size above half the photos': a smaller one has JPEGs decoded at 1/2 besides."""
    decoded: collections.Counter = collections.Counter()
    real = ImageFile.ImageFile.load

    def load(image):
        decoded[pathlib.Path(image.filename)] += bool(image.tile)  # tiles are what is not decoded yet
        return real(image)
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    latest(trained, tmp_path, "--size", "80x96", "--outputs", "all")
    files = [path for pair in pairs(toy) for path in (pair.image, pair.label)]
    assert len(files) == 4 and [decoded[path] for path in files] == [1] * 4


def test_report_exists_and_files_are_named(usual):
    folder, output = usual
    assert (folder / "report.html").stat().st_size > 10_000 and (folder / "predictions.zip").exists()
    for name in ("report.html", "confusion.npz", "panels", "predictions.zip"):
        assert name in output
    assert re.search(r"2 images in \d+ s, .* the net waited for reading and writing", output)


WAYS = {"flip": ["--flip"], "scales": ["--scales", "0.75,1,1.5"], "window": ["--window", "64"],
        "all": ["--size", "native", "--window", "64", "--scales", "1,1.25", "--flip", "--merge", "max"],
        "scores": ["--enlarge", "scores", "--merge", "probability", "--flip"]}


@pytest.mark.parametrize("way", WAYS)
def test_every_inference_mode_predicts_at_the_size_of_the_photo(trained, toy, tmp_path, way):
    latest(trained, tmp_path, *WAYS[way], "--outputs", "predictions")
    for pair, prediction in zip(pairs(toy), predictions(tmp_path), strict=True):
        assert prediction.shape == Image.open(pair.image).size[::-1] and 0 not in prediction
    content = report(tmp_path)
    assert ("tutorial" in content["protocols"]) == (way not in ("all", "scores"))
    said = content["inference"]
    assert ("mirrored" in said) == ("--flip" in WAYS[way])
    assert ("windows of 64 x 64" in said) == ("--window" in WAYS[way])


def test_exact_tiles_predict_like_the_whole_image(trained, tmp_path):
    scenes = tmp_path / "photos"
    scenes.mkdir()
    photo = np.random.default_rng(0).integers(0, 256, (70, 700, 3), np.uint8)
    Image.fromarray(photo).save(scenes / "wide.png")
    common = ["--images", scenes, "--size", "native", "--outputs", "predictions"]
    latest(trained, tmp_path / "whole", *common)
    latest(trained, tmp_path / "windows", *common, "--window", "608", "--overlap", "exact", "--merge", "centre")
    one, other = predictions(tmp_path / "whole")[0], predictions(tmp_path / "windows")[0]
    assert one.shape == (70, 700) and (one != other).mean() < 1e-3  # but for ties of floats


def test_results_of_other_options_are_kept(trained, tmp_path):
    shutil.copytree(trained[0] / "run", tmp_path / "run")
    for words in ([], ["--flip"], ["--size", "native", "--window", "96x64", "--merge", "max"]):
        evaluate("--run", tmp_path / "run", "--outputs", "none", "--checkpoint", "latest", *words)
    assert sorted(path.name for path in (tmp_path / "run/eval").glob("[!.]*")) == [
        "validation-8", "validation-8-flip", "validation-8-native-window96x64-0.5-max"]


def test_results_of_other_data_are_kept_and_leftovers_removed(trained, toy, tmp_path):
    shutil.copytree(trained[0] / "run", tmp_path / "run")
    shutil.copytree(toy / "scenes", tmp_path / "other")
    for kind in ("images", "annotations"):
        min((tmp_path / "other" / kind / "validation").iterdir()).unlink()
    words = "--run", tmp_path / "run", "--checkpoint", "latest", "--outputs"
    evaluate(*words, "predictions,zip")
    evaluate(*words, "colour", "--data", tmp_path / "other")
    one, other = tmp_path / "run/eval/validation-8", *(tmp_path / "run/eval").glob("validation-8-other-*")
    assert report(one)["images"] == 2 and report(other)["images"] == 1 and (one / "predictions.zip").exists()
    evaluate(*words, "colour")
    assert not (one / "predictions").exists() and not (one / "predictions.zip").exists()
    assert len(list((one / "colour").iterdir())) == 2


def test_unlabelled_dataset_gives_no_result(trained, toy, tmp_path):
    shutil.copytree(toy / "scenes", tmp_path / "scenes")
    for path in (tmp_path / "scenes/annotations/validation").iterdir():
        ids.write(path, np.zeros_like(ids.read(path, None)), DatasetSpec())
    said = latest(trained, tmp_path / "out", "--data", tmp_path / "scenes", code=3)
    assert "nothing to score" in said and not (tmp_path / "out/report.json").exists()


def test_numbers_are_printed_even_if_they_cannot_be_written(trained, tmp_path, monkeypatch):
    write_whole = atomic_io.write_whole

    def full(path, data):
        if path.name != "manifest.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, data)
    monkeypatch.setattr(atomic_io, "write_whole", full)
    assert "benchmark  original" in latest(trained, tmp_path / "out", "--outputs", "none", code=5)


def test_photos_of_equal_stem_get_two_predictions(trained, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "a.png", "a.jpg.jpg"):
        Image.new("RGB", (40, 30), (90, 80, 70)).save(tmp_path / "photos" / name)
    latest(trained, tmp_path / "out", "--images", tmp_path / "photos", "--outputs", "predictions")
    assert sorted(path.name for path in (tmp_path / "out/predictions").iterdir()) == [
        "a.jpg.jpg.png", "a.jpg.png", "a.png.png"]


def test_evaluation_export_and_transfer_use_the_same_checkpoint(trained, tmp_path, capsys):
    run = shutil.copytree(trained[0] / "run", tmp_path / "run")
    best = run / "checkpoints/step-000006"
    checkpoint_files.write_state(best, checkpoint_files.read_state(best) | {"score": 0.9})
    said = f"{best} (step 6, validation mean IoU 0.9000, the best; the newest is step 8)"
    assert f"checkpoint: {said}" in evaluate("--run", run, "--out", tmp_path / "out", "--outputs", "none")
    export.main(["--run", str(run), "--to", str(tmp_path / "net.npz")])
    assert f"checkpoint: {said}" in capsys.readouterr().out
    facts = json.loads((tmp_path / "net.npz.json").read_text())
    assert (facts["checkpoint"], facts["step"], facts["validation_mean_iou"]) == (str(best), 6, 0.9)
    weights = setup.read_weights(training_config.Config(weights=str(run)))
    assert said in weights.notes[0] and weights.of_run["step"] == 6
    export.main(["--run", str(run), "--checkpoint", "latest", "--to", str(tmp_path / "newest.npz")])
    assert json.loads((tmp_path / "newest.npz.json").read_text())["step"] == 8


def test_checkpoint_of_another_run_is_refused_and_the_fix_works(trained, tmp_path):
    other = shutil.copytree(trained[0] / "run", tmp_path / "other")
    content, theirs = json.loads((other / "config.json").read_text()), other / "checkpoints/step-000008"
    content["fingerprints"]["settings"] = "another"
    (other / "config.json").write_text(json.dumps(content))
    checkpoint_files.write_state(theirs, checkpoint_files.read_state(theirs) | {
        "fingerprints": content["fingerprints"]})
    words = "--out", tmp_path / "out", "--outputs", "none"
    said = evaluate("--run", trained[0] / "run", "--checkpoint", theirs, *words, code=4)
    assert "belongs to another run" in said and not (tmp_path / "out").exists()
    advised = re.search(r"as a part of its own run: (--run \S+)", said)[1].split()
    assert f"checkpoint: {theirs} (step 8" in evaluate(*advised, *words)


def test_checkpoint_folder_is_evaluated_like_its_run(trained, usual, tmp_path):
    evaluate("--run", trained[0] / "run/checkpoints/step-000008", "--out", tmp_path, "--outputs", "none")
    assert report(tmp_path)["mean_iou"] == report(usual[0])["mean_iou"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "confusion.npz", "confusion_boundary.npz", "confusion_network.npz", "gallery", "manifest.json", "per_class.csv",
        "report.html", "report.json"]


def test_class_other_is_predicted_only_in_the_tutorial_protocol(toy, tmp_path):
    """Half of every label is made 0, so that the net learns to say 0."""
    shutil.copytree(toy / "scenes", tmp_path / "scenes")
    for path in (tmp_path / "scenes/annotations").rglob("*.png"):
        label = ids.read(path, None).copy()
        label[:, :label.shape[1] * 3 // 4] = 0
        ids.write(path, label, DatasetSpec())
    words = [*train_words(toy, tmp_path, "--steps", "12"), "--data", str(tmp_path / "scenes"), "--train-ignored",
             "--learning-rate", "1e-2"]
    call(words)
    evaluate("--run", tmp_path / "run", "--checkpoint", "latest", "--out", tmp_path / "out", "--data",
             tmp_path / "scenes")
    assert all(0 not in prediction for prediction in predictions(tmp_path / "out"))
    assert confusion.load(tmp_path / "out/confusion.npz").total()[:, 0].sum() == 0
    assert confusion.load(tmp_path / "out/confusion_network.npz").total()[:, 0].sum() > 0


def test_unlabelled_photos_are_predicted_at_their_own_size(trained, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("L", (61, 35), 90).save(tmp_path / "photos/grey.JPG", format="JPEG")
    latest(trained, tmp_path / "out", "--images", tmp_path / "photos")
    assert ids.read(tmp_path / "out/predictions/grey.png", None).shape == (35, 61)
    assert not (tmp_path / "out/report.json").exists()


def test_prediction_first_reports_how_photos_will_be_converted(trained, tmp_path):
    (tmp_path / "photos").mkdir()
    band = np.full((48, 64, 4), (10, 20, 30, 255), np.uint8)
    band[:, 32:, 3] = 128
    Image.fromarray(band).save(tmp_path / "photos/alpha.png")
    deep = (np.arange(64) * 4095 // 63)[None].repeat(48, 0).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "photos/deep.png")
    said = latest(trained, tmp_path / "out", "--images", tmp_path / "photos", "--outputs", "predictions")
    assert "converted: transparent pixels blended with white: 1 image, the first " \
           f"{tmp_path / 'photos/alpha.png'}\n" in said
    assert f"converted: 16-bit image scaled to 8 bits: 1 image, the first {tmp_path / 'photos/deep.png'}\n" in said
    assert "4,095 of 65,535, which becomes 15 of 255" in said
    assert said.index("converted:") < said.index("evaluated ")


def test_skip_bad_leaves_out_pairs_that_only_reading_finds_bad(trained, toy, tmp_path):
    shutil.copytree(toy / "scenes", tmp_path / "scenes")
    path = tmp_path / "scenes/images/validation/ADE_val_00000001.jpg"
    path.write_bytes(path.read_bytes()[:700])
    words = tmp_path / "out", "--data", tmp_path / "scenes"
    assert "--skip-bad continues without it" in latest(trained, *words, code=3)
    assert "ADE_val_00000001.jpg: cannot be decoded" in latest(trained, *words, "--skip-bad")
    content = report(tmp_path / "out")
    assert content["images"] == 1 and path.name in content["left_out"][0]


@pytest.mark.parametrize("words, code, said", [
    (["--overlap", "0.25"], 2, "--overlap is the overlap of tiles: it needs --window"),
    (["--window", "100"], 2, "a multiple of 32"),
    (["--window", "512", "--overlap", "16"], 2, "Fix: give --overlap 0.0312: 16 of 512 px."),
    (["--split", "validatoin"], 3, "Fix: did you mean --split validation?"),
    (["--window", "512", "--overlap", "exact", "--merge", "centre"], 2, "windows must have at least 608 px"),
    (["--window", "512", "--overlap", "exact"], 2, "--overlap exact needs --merge centre"),
    (["--enlarge", "scores", "--size", "native"], 2, "at their own size"),
    (["--images", "x", "--split", "training"], 2, "--split is about labels"),
    (["--images", "x", "--outputs", "none"], 2, "nothing would be written"),
    (["--scales", "0"], 2, "invalid scales '0'"),
    (["--outputs", "panel"], 2, "unknown output 'panel'"),
    (["--layout", "voc"], 2, "--layout needs --weights"),
    (["--images", "i/{name}.jpg"], 2, "one pattern of --images and one of --labels"),
    (["--labels", "l/{name}.png"], 2, "one pattern of --images and one of --labels"),
    (["--images", "i/{name}.jpg", "--labels", "l/{name}.png"], 2, "--images, --labels needs --weights"),
    (["--merge", "centre"], 2, "--merge"),
])
def test_invalid_options_are_refused_in_one_message(trained, tmp_path, words, code, said):
    error = latest(trained, tmp_path / "out", *words, code=code)
    assert said in error and "Traceback" not in error and not (tmp_path / "out").exists()


def test_file_in_the_place_of_the_results_is_reported_first(trained, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "is not a folder" in latest(trained, tmp_path / "out", code=2)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.fixture
def thesis(tmp_path):
    """A folder of the user's, with files that are called as those of an evaluation."""
    for name in ("predictions/thesis.png", "colour/a.png", "gallery/index.json", "report.html"):
        (tmp_path / "thesis" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "thesis" / name).write_text("mine")
    return tmp_path / "thesis"


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [[], ["--outputs", "none"], ["--images", "photo.png"]])
@pytest.mark.parametrize("out", [".", "../thesis", ".."])
def test_files_of_the_user_are_never_deleted(trained, thesis, monkeypatch, out, words):
    monkeypatch.chdir(thesis)
    Image.new("RGB", (40, 30)).save("photo.png")
    before = contents(thesis.parent)
    said = latest(trained, out, *words, code=2)
    assert "is or contains the current folder" in said and contents(thesis.parent) == before
    monkeypatch.chdir(trained[0])
    said = latest(trained, thesis, *words, code=3 if words[:1] == ["--images"] else 2)
    assert contents(thesis.parent) == before
    if not words:
        checkpoint, refused = said.split("\n", 1)
        assert checkpoint.startswith(f"checkpoint: {trained[0]}/run/checkpoints/step-000008 (")
        assert refused == (f"UsageError: {thesis}: is not empty and holds no results of this program\n"
                           f"  colour\n  gallery\n  photo.png\n  predictions\n  report.html\n"
                           f"  Fix: --out {thesis}-2 is free.\n")


def test_run_folder_as_output_is_refused_with_a_working_fix(trained, tmp_path):
    before = contents(trained[0] / "run")
    said = latest(trained, trained[0] / "run", "--outputs", "none", code=2)
    assert "config.json" in said and contents(trained[0] / "run") == before
    out = re.search(r"--out (\S+) is free", said)[1]
    shutil.copytree(trained[0] / "run", tmp_path / "run")
    latest(trained, str(out).replace(str(trained[0]), str(tmp_path)), "--outputs", "none")


def test_evaluation_with_an_added_file_is_not_replaced(trained, tmp_path):
    out = tmp_path / "out"
    latest(trained, out, "--outputs", "none")
    report_command.main([str(out), "--html"])  # a page that was written anew is none of the user's
    latest(trained, out, "--outputs", "none")
    (out / "notes.txt").write_text("mine")
    before = contents(out)
    assert "notes.txt" in latest(trained, out, "--outputs", "none", code=2) and contents(out) == before


def test_interrupted_evaluation_keeps_the_older_one(trained, tmp_path, monkeypatch):
    out = tmp_path / "out"
    latest(trained, out, "--outputs", "none")
    before = contents(out)

    def interrupt(*_):
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(results, "save", interrupt)
        said = latest(trained, out, "--outputs", "predictions", code=130)
    assert contents(out) == before
    unfinished = tmp_path / ".out.unfinished"
    assert f"written files are in {unfinished}" in said and len(list((unfinished / "predictions").iterdir())) == 2
    assert f"deleting files of an interrupted command in {unfinished}" in latest(trained, out, "--outputs", "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "out"]


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in "abc":
        Image.new("RGB", (40, 30), (90, 80, 70)).save(tmp_path / f"photos/{name}.png")
    return tmp_path / "photos"


def test_datasets_in_folders_of_equal_name_have_own_evaluations(tmp_path):
    of = types.SimpleNamespace(step=4, data=str(tmp_path / "own/scenes"), folder=tmp_path / "run")
    names = [evaluate_flags.folder(evaluate_flags.parse(["--run", "run", "--data", str(tmp_path / data)], ""), of).name
             for data in ("own/scenes", "a/scenes", "b/scenes", "b/../a/scenes")]
    assert names[0] == "validation-4" and names[1] == names[3] != names[2]
    assert all(name.startswith("validation-4-scenes-") for name in names[1:])


def test_predictions_go_into_the_next_free_folder(trained, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in ("", "-2", "-3"):
        said = evaluate("--run", trained[0] / "run", "--images", photos, "--outputs", "predictions")
        assert f"3 predictions are in predictions{number}: predictions" in said
    made = json.loads((tmp_path / "predictions-3/manifest.json").read_text())
    assert "run/checkpoints/step-" in made["weights"]
    assert made["photos"] == [str(photos / f"{name}.png") for name in "abc"]
    assert set(made["files"]) == {f"predictions/{name}.png" for name in "abc"}


def test_predictions_of_other_photos_are_not_replaced(trained, photos, tmp_path):
    words = trained, tmp_path / "out", "--images", photos, "--outputs"
    latest(*words, "predictions")
    latest(*words, "colour")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["colour", "manifest.json"]
    (photos / "c.png").unlink()
    assert f"holds predictions of other photos\n  {photos}/c.png\n" in latest(*words, "colour", code=2)
    latest(trained, tmp_path / "out-2", "--images", photos)


def test_predictions_before_a_full_disk_are_kept(trained, photos, tmp_path, monkeypatch):
    real, numbers = ids.write, itertools.count(1)

    def full(*arguments):  # several threads call it
        if next(numbers) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*arguments)
    monkeypatch.setattr(ids, "write", full)
    said = latest(trained, tmp_path / "out", "--images", photos, "--outputs", "predictions", code=5)
    unfinished = tmp_path / ".out.unfinished"
    assert f"No space left on device\n  written files are in {unfinished}" in said
    written = {path.name for path in (unfinished / "predictions").iterdir()}
    assert len(written) == 2
    assert written < {"a.png", "b.png", "c.png"}
    assert not (tmp_path / "out").exists()
    run_process(re.search(r"to keep them: (mv .*)", said)[1].split())
    assert len(list((tmp_path / "out-2/predictions").iterdir())) == 2


def test_evaluation_that_lacks_pictures_replaces_no_older_one(trained, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")
    latest(trained, tmp_path / "out", "--outputs", "colour")
    monkeypatch.setattr(images, "write_png", full)
    before = contents(tmp_path / "out")
    said = latest(trained, tmp_path / "out", "--outputs", "colour", code=5)
    assert contents(tmp_path / "out") == before and f"written files are in {tmp_path / '.out.unfinished'}" in said
    latest(trained, tmp_path / "new", "--outputs", "colour", code=5)  # where there is none, numbers are better
    assert (tmp_path / "new/report.json").exists()


def test_tutorial_protocol_needs_all_images(trained, toy, tmp_path):
    """Enlarged scores are of the network's size only where a photo happens to have it."""
    one, other = (Image.open(pair.image).size[::-1] for pair in pairs(toy))
    assert one != other
    latest(trained, tmp_path, "--size", f"{one[0]}x{one[1]}", "--enlarge", "scores", "--outputs", "none")
    assert "tutorial" not in report(tmp_path)["protocols"] and not (tmp_path / "confusion_network.npz").exists()


def put(path, shape=(48, 64, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, 90, np.uint8)).save(path)


def written(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_mac_metadata_is_skipped_and_sub_folders_are_predicted(trained, tmp_path):
    photos = tmp_path / "photos"
    for name in ("1.jpg", "10.jpg", "2.JPG", "cam2/11.jpg", "cam2/1.jpg"):
        put(photos / name)
    for name in ("._1.jpg", "cam2/._11.jpg", "__MACOSX/1.jpg"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"\0\5\x16\7" + bytes(100))
    (photos / "cam2/clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (photos / "cam2/circle").symlink_to(photos)
    out, names = photos / "out", ["1", "10", "2", "cam2/1", "cam2/11"]
    for _ in range(2):  # the second time, the first one's predictions lie there
        said = latest(trained, out, "--images", photos, "--outputs", "predictions,overlays,probabilities,zip")
        assert written(out / "predictions") == sorted(f"{name}.png" for name in names)
    assert written(out / "overlays") == sorted(f"{name}.jpg" for name in names)
    assert written(out / "probabilities") == sorted(f"{name}.npy" for name in names)
    assert sorted(zipfile.ZipFile(out / "predictions.zip").namelist()) == sorted(f"{name}.png" for name in names)
    assert f"photos in {photos / 'cam2'}: 2" in said and "1 .mp4 file is not read; readable: .jpg" in said


def test_photos_of_equal_stem_in_a_sub_folder_are_both_predicted(trained, tmp_path):
    for name in ("a/1.jpg", "a/1.png", "b/1.jpg"):
        put(tmp_path / "photos" / name)
    latest(trained, tmp_path / "out", "--images", tmp_path / "photos", "--outputs", "predictions")
    assert written(tmp_path / "out/predictions") == ["a/1.jpg.png", "a/1.png.png", "b/1.jpg.png"]


def test_photos_are_in_natural_order(tmp_path):
    for name in ("img10.jpg", "img2.jpg", "cam10/1.jpg", "cam9/1.jpg"):
        put(tmp_path / name)
    assert [source.name for source in image_sources.from_photos(tmp_path)[0]] == ["cam9/1", "cam10/1", "img2", "img10"]


def test_folder_of_other_files_and_a_video_are_explained(trained, tmp_path):
    put(tmp_path / "photos/1.gif")
    said = latest(trained, tmp_path / "out", "--images", tmp_path / "photos", code=3)
    assert "1 .gif file is not read; readable: .jpg .jpeg .png" in said and "this writes a .png beside each" in said
    command_line = said.split("beside each: ")[1].strip().replace("python ", f"{sys.executable} ", 1)
    subprocess.run(command_line, shell=True, check=True)
    latest(trained, tmp_path / "out", "--images", tmp_path / "photos", "--outputs", "predictions")
    assert written(tmp_path / "out/predictions") == ["1.png"]
    clip = tmp_path / "clips/my clip.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    said = latest(trained, tmp_path / "out", "--images", clip, code=3)
    assert "my clip.mp4: cannot be opened as a video" in said
    said = latest(trained, tmp_path / "out", "--images", clip.parent, code=3)
    assert f"Fix: give a video by its name: {clip}" in said
    assert "is missing" in latest(trained, tmp_path / "out", "--images", tmp_path / "nowhere", code=3)


def test_file_that_only_looks_like_a_photo_is_reported_first(trained, tmp_path):
    put(tmp_path / "photos/1.jpg")
    (tmp_path / "photos/gone.jpg").symlink_to("nowhere")
    said = latest(trained, tmp_path / "out", "--images", tmp_path / "photos", code=3)
    assert "1 problem in 1 photos" in said and "gone.jpg: is a broken link" in said and not (tmp_path / "out").exists()
    latest(trained, tmp_path / "out", "--images", tmp_path / "photos", "--outputs", "predictions", "--skip-bad")
    assert written(tmp_path / "out/predictions") == ["1.png"]


def test_older_results_among_the_photos_are_skipped(trained, tmp_path, monkeypatch):
    put(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    for number in ("", "-2"):
        said = evaluate("--run", trained[0] / "run", "--images", ".", "--outputs", "predictions,colour")
        assert f"1 predictions are in predictions{number}: " in said
