"""Both scripts end to end, as a user starts them: on eight generated scenes and a VGG-19 of a few channels."""

import json
import os
import shutil
import signal
import subprocess
import tomllib

import numpy as np
import pytest
from PIL import Image
from scripts_help import call, command, run_process, train_words

from fcn.core import registry
from fcn.data import images
from fcn.data.cache import cache
from fcn.data.label_formats import ids
from fcn.runs import checkpoint_files, run_log


@pytest.mark.slow
def test_run_prints_the_expected_first_loss_and_starts_there(trained):
    work, output = trained
    assert "a zero-initialised net starts at loss ln 12 = 2.485" in output
    first = run_log.read_entries(work / "run/log.jsonl")[0]
    assert first["step"] == 1 and first["loss"] == pytest.approx(np.log(12), abs=5e-4)


@pytest.mark.slow
def test_run_writes_log_curves_events_and_checkpoints(trained):
    run = trained[0] / "run"
    entries = run_log.read_entries(run / "log.jsonl")
    assert [e["step"] for e in entries if "loss" in e] == list(range(1, 9))
    assert [e["step"] for e in entries if "val_loss" in e] == [4, 8]
    assert Image.open(run / "curves.png").size[0] > 600
    assert list((run / "events").glob("events.out.tfevents.*"))
    assert [path.name for path, _ in checkpoint_files.listed(run / "checkpoints")][:2] == ["step-000008", "step-000006"]
    assert json.loads((run / "config.json").read_text())["config"]["steps"] == 8


@pytest.mark.slow
def test_killed_run_resumes_and_ends_like_an_uninterrupted_one(toy, trained, tmp_path):
    words = train_words(toy, tmp_path, "--steps", "8")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("step 5/"):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    last = checkpoint_files.listed(tmp_path / "run/checkpoints")[0][1]["step"]
    assert 2 <= last < 8
    assert f"resumed at step {last}" in run_process(words).stdout
    for path in (*(trained[0] / "run/checkpoints/step-000008").iterdir(), trained[0] / "run/log.jsonl"):
        again = tmp_path / path.relative_to(trained[0])
        assert again.read_bytes() == path.read_bytes(), path.name


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_finishes_the_step_and_saves(toy, tmp_path, number, code):
    process = subprocess.Popen(train_words(toy, tmp_path, "--steps", "5000"), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("step 3/"):
            process.send_signal(number)
            break
    _, said = process.communicate(timeout=120)
    assert process.returncode == code and "saved" in said and "Traceback" not in said
    step = checkpoint_files.listed(tmp_path / "run/checkpoints")[0][1]["step"]
    assert f"stopped by {number.name} after step {step}" in said


@pytest.mark.slow
def test_locked_run_folder_is_refused(trained, toy, tmp_path):
    work = tmp_path / "copy"
    shutil.copytree(trained[0], work)
    said = call(train_words(toy, work, "--steps", "8", "--batch", "3"), code=2).stderr
    assert "batch: 2 in the run, 3 now" in said
    assert "holds a run already" in call(train_words(toy, work, "--resume", "never"), code=2).stderr


@pytest.mark.slow
def test_diverging_run_stops_before_weights_are_changed(toy, tmp_path):
    words = train_words(toy, tmp_path, "--steps", "40", "--optimizer", "momentum", "--learning-rate", "1e30")
    said = call(words, code=6).stderr
    assert "is not finite" in said and (tmp_path / "run/bad_batch.npz").exists() and "Traceback" not in said


# What is bad is said in one block before TensorFlow is even imported, and nothing is left half-written.
def refused(toy, tmp_path, code, *words, data=None, weights=None):
    arguments = command("train_fcn.py", "--data", data or toy / "scenes", "--weights", weights or toy / "vgg.mat",
                        "--cache-dir", tmp_path / "cache", "--run", tmp_path / "run", "--size", "32", *words)
    (tmp_path / "barred").mkdir()
    (tmp_path / "barred/tensorflow.py").write_text("raise SystemExit(99)")
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300,
                          env=os.environ | {"PYTHONPATH": str(tmp_path / "barred")})
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
    assert not [p for p in tmp_path.glob("cache/*") if p.suffix not in (".h5", ".partial", ".lock")]
    return done.stderr


@pytest.fixture
def scenes(toy, tmp_path):
    shutil.copytree(toy / "scenes", tmp_path / "scenes")
    return tmp_path / "scenes"


@pytest.mark.slow
def test_a_wrong_folder_is_named(toy, tmp_path):
    assert str(tmp_path / "nowhere") in refused(toy, tmp_path, 3, data=tmp_path / "nowhere")


@pytest.mark.slow
def test_a_missing_label_is_named(toy, tmp_path, scenes):
    (scenes / "annotations/training/ADE_train_00000002.png").unlink()
    assert "ADE_train_00000002.jpg: has no label" in refused(toy, tmp_path, 3, data=scenes)


@pytest.mark.slow
def test_a_label_id_out_of_range_is_named(toy, tmp_path, scenes):
    path = scenes / "annotations/training/ADE_train_00000003.png"
    label = ids.read(path, None).copy()
    label[0, 0] = 99
    images.write_png(path, label)
    said = refused(toy, tmp_path, 3, data=scenes)
    assert "label id 99 is out of range" in said and path.name in said


@pytest.mark.slow
def test_a_truncated_photo_is_named(toy, tmp_path, scenes):
    path = scenes / "images/validation/ADE_val_00000001.jpg"
    path.write_bytes(path.read_bytes()[:700])
    said = refused(toy, tmp_path, 3, data=scenes)
    assert path.name in said and "700 bytes" in said


@pytest.mark.slow
@pytest.mark.parametrize("content, word", [(b"<!DOCTYPE html>", "is a web page"), (b"", "is empty"),
                                           (None, "No such file")])
def test_a_wrong_weights_file_is_named(toy, tmp_path, content, word):
    path = tmp_path / "weights.mat"
    if content is not None:
        path.write_bytes(content)
    said = refused(toy, tmp_path, 4, weights=path)
    assert word in said and str(path) in said


@pytest.mark.slow
def test_a_truncated_weights_file_is_named(toy, tmp_path):
    path = tmp_path / "weights.mat"
    path.write_bytes((toy / "vgg.mat").read_bytes()[:20_000])
    assert "20,000 bytes" in refused(toy, tmp_path, 4, weights=path)


@pytest.mark.slow
@pytest.mark.parametrize("words, answer", [
    (["--bath", "3"], "did you mean --batch?"), (["--net", "fcn8"], "fcn8s"), (["--size", "big"], "invalid size 'big'"),
    (["--crop-size", "99"], "larger than")])
def test_wrong_flag_is_answered_with_the_right_one(toy, tmp_path, words, answer):
    assert answer in refused(toy, tmp_path, 2, *words)


@pytest.mark.slow
def test_help_and_settings_need_no_data(tmp_path):
    assert "--batch N" in run_process(command("train_fcn.py", "--help")).stdout
    words = command("train_fcn.py", "--data", tmp_path, "--print-config", "--batch", "7")
    shown = tomllib.loads(run_process(words).stdout)
    assert shown["optimizer"]["batch"] == 7 and shown["model"]["net"] == "fcn8s_atonce"


def test_seven_real_ade20k_pairs_are_cached(tmp_path, shared_file):
    layout, root = registry.load("layouts", "ade20k"), shared_file("data/ade20k_samples/ADEChallengeData2016")
    spec = layout.spec(root)
    pairs = layout.listing(root, "training").pairs + layout.listing(root, "validation").pairs
    made = cache.prepare(pairs, spec, (96, 128), tmp_path, "ade")
    assert len(made) == 7 and spec.num_classes == 151 and made.path.stat().st_size > 7 * 96 * 128 * 4


@pytest.mark.slow
def test_other_settings_are_refused_before_a_cache_is_built(trained, toy):
    done = call([*train_words(toy, trained[0], "--steps", "8"), "--size", "48x64"], code=2)
    assert "size: [40, 56] in the run, [48, 64] now" in done.stderr
    assert "files in --data" not in done.stderr and "cache of" not in done.stdout


@pytest.mark.slow
def test_run_of_an_older_sampling_version_is_not_resumed(trained, toy, tmp_path):
    shutil.copytree(trained[0] / "run", tmp_path / "run")
    content = json.loads((tmp_path / "run/config.json").read_text())
    kept = {k: v for k, v in content["config"].items() if k not in ("augment", "crop_size")}
    del content["fingerprints"]
    content["config"] = kept | {"flip": True}
    content["spec"] = {k: v for k, v in content["spec"].items() if k not in ("encoding", "mask_threshold")}
    (tmp_path / "run/config.json").write_text(json.dumps(content))
    done = call(train_words(toy, tmp_path, "--steps", "9"), code=2)
    assert "older version" in done.stderr and "fcn evaluate" in done.stderr
    call(command("eval_fcn.py", "--run", tmp_path / "run", "--outputs", "none", "--checkpoint", "latest"))


@pytest.mark.slow
def test_labels_edited_to_the_same_size_prevent_resuming(trained, toy, tmp_path, scenes):
    words = [*train_words(toy, tmp_path, "--steps", "2"), "--data", str(scenes)]
    label = next((scenes / "annotations/training").glob("*.png"))
    Image.fromarray(ids.read(label, None)).save(label.with_suffix(".bmp"))  # plain bytes: an edit keeps the size
    label.unlink()
    call(words)
    with label.with_suffix(".bmp").open("r+b") as file:
        file.seek(-2000, os.SEEK_END)
        file.write(bytes([1, 2] * 1000))
    done = call([*words, "--steps", "4"], code=2)
    assert "have changed since the run started" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nowhere/b.png", "b.jpg", "."])
def test_unwritable_picture_is_reported_before_caches_are_built(toy, tmp_path, name):
    assert "--show-batch" in refused(toy, tmp_path, 2, "--show-batch", tmp_path / name)
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_first_batch_is_shown_without_weights_and_tensorflow(toy, tmp_path):
    (tmp_path / "barred").mkdir()
    (tmp_path / "barred/tensorflow.py").write_text("raise SystemExit(99)")
    words = [*train_words(toy, tmp_path), "--weights", "nowhere.mat", "--show-batch", str(tmp_path / "b.png"),
             "--augment", "hflip,scale,hue"]
    done = subprocess.run(words, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(tmp_path / "barred")})
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "b.png").width > 3 * 47 and not (tmp_path / "run").exists()
