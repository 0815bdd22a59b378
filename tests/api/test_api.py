"""The Python API as a program uses it: beside eager TensorFlow, beside other models, from threads, after errors."""

import gc
import logging
import pathlib
import subprocess
import sys
import threading
import weakref

import imageio.v3 as imageio
import numpy as np
import pytest
import scripts_help
from PIL import Image

import fcn
from fcn.evaluation import stored

SETTINGS = {"size": (40, 56), "crop_size": "33x47", "batch": 2, "batches_per_step": 2, "learning_rate": 1e-3,
            "steps": 4, "seed": 3, "log_every": 1, "eval_every": 2, "eval_batches": 2, "save_every": 2}


def train(toy, work, **settings):
    return fcn.train(toy / "scenes", **{"run": work / "run", "weights": toy / "vgg.mat", "cache_dir": work / "cache",
                                        **SETTINGS, **settings})


@pytest.fixture(scope="module")
def run(toy, tmp_path_factory):
    return train(toy, tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def model(run):
    with fcn.load(run.folder) as loaded:
        yield loaded


@pytest.fixture
def photo(toy):
    return min((toy / "scenes/images/validation").glob("*.jpg"))


@pytest.mark.slow
def test_importing_fcn_imports_and_changes_nothing():
    """In a process of its own: no TensorFlow, no other logging, and Pillow's limit as it was."""
    code = ("import logging, sys, warnings\nfrom PIL import Image\nlimit, filters = Image.MAX_IMAGE_PIXELS, "
            "list(warnings.filters)\nimport fcn\nfcn.Config, fcn.train, fcn.load, fcn.Scores, fcn.errors\n"
            "assert 'tensorflow' not in sys.modules\nassert Image.MAX_IMAGE_PIXELS == limit\n"
            "assert not logging.getLogger('fcn').handlers and not logging.getLogger().handlers\n"
            "assert [f for f in warnings.filters if 'PIL' in str(f)] == [f for f in filters if 'PIL' in str(f)]")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_train_returns_the_run(run):
    assert run.steps == 4
    assert [entry["step"] for entry in run.log if "val_mean_iou" in entry] == [2, 4]
    assert run.best_mean_iou == max(entry["val_mean_iou"] for entry in run.log if "val_mean_iou" in entry)


@pytest.mark.slow
def test_nothing_is_printed_and_log_lines_are_sent(toy, tmp_path, capfd, caplog):
    with caplog.at_level(logging.INFO, "fcn"):
        train(toy, tmp_path, steps=2)
    assert "step 2  validation" in caplog.text
    said = capfd.readouterr()
    assert said.out == "" and "step" not in said.err


@pytest.mark.slow
def test_same_call_resumes_and_ends_as_uninterrupted(run, toy, tmp_path):
    train(toy, tmp_path, steps=4)
    log = (tmp_path / "run/log.jsonl").read_bytes()
    assert log == (run.folder / "log.jsonl").read_bytes()
    assert train(toy, tmp_path, steps=4).steps == 4  # complete: nothing is trained
    assert (tmp_path / "run/log.jsonl").read_bytes() == log


@pytest.mark.slow
def test_prediction_has_the_size_of_the_image(model, photo):
    image = imageio.imread(photo)
    ids = model.predict(photo)
    assert ids.shape == image.shape[:2] and ids.dtype == np.uint8 and ids.max() < model.num_classes
    assert model.palette[ids].shape == image.shape
    assert not (ids == 0).any()  # 0 is ignored in ADE20K


@pytest.mark.slow
def test_array_and_file_give_the_same_prediction(model, photo):
    assert (model.predict(imageio.imread(photo)) == model.predict(str(photo))).all()


@pytest.mark.slow
def test_probabilities_add_up_to_one(model, photo):
    found = model.predict(photo, probabilities=True)
    assert found.shape == (*imageio.imread(photo).shape[:2], model.num_classes) and found.dtype == np.float32
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


@pytest.mark.slow
def test_tile_larger_than_the_image_changes_nothing(model, photo):
    plain = model.predict(photo, size=None, probabilities=True)
    np.testing.assert_allclose(model.predict(photo, size=None, tile=256, probabilities=True), plain, atol=1e-6)


@pytest.mark.slow
def test_flip_of_a_mirrored_image_is_the_mirrored_result(model, photo):
    image = imageio.imread(photo)[:64, :64]
    one = model.predict(image, size=None, flip=True, probabilities=True)
    np.testing.assert_allclose(model.predict(image[:, ::-1], size=None, flip=True, probabilities=True), one[:, ::-1],
                               atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("image, fix", [
    (np.zeros((5, 5), np.uint8), "numpy.stack"), (np.zeros((5, 5, 3)), "255 * image"),
    (np.zeros((1, 5, 5, 3), np.uint8), "one image at a time"), (np.zeros((5, 5, 4), np.uint8), "[..., :3]")])
def test_array_of_another_kind_is_refused_with_a_fix(model, image, fix):
    with pytest.raises(fcn.errors.UsageError, match=r"expected \(height, width, 3\) of uint8") as caught:
        model.predict(image)
    assert fix in caught.value.fix


@pytest.mark.slow
def test_evaluation_gives_the_numbers_of_the_command(model, run, tmp_path):
    scores = model.evaluate()
    scripts_help.evaluate("--run", run.folder, "--out", tmp_path / "eval", "--outputs", "none")
    read = stored.read_evaluation(tmp_path / "eval").content
    assert scores.mean_iou == read["mean_iou"] and scores.pixel_accuracy == read["pixel_accuracy"]
    assert scores.per_class == {row["name"]: row["iou"] for row in read["per_class"]}


@pytest.mark.slow
def test_scores_are_saved_as_a_page_or_a_folder(model, tmp_path):
    scores = model.evaluate()
    for _ in range(2):  # an earlier page of ours is replaced
        assert scores.save(tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
        assert stored.read_evaluation(scores.save(tmp_path / "scores")).content["mean_iou"] == scores.mean_iou
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(fcn.errors.UsageError):
        scores.save(tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == "mine"


@pytest.mark.slow
def test_two_models_and_eager_tensorflow_in_one_process(model, run, photo):
    import tensorflow
    assert tensorflow.executing_eagerly()
    expected = model.predict(photo)
    with fcn.load(run.folder, checkpoint=run.folder / "checkpoints/step-000004") as other:
        differs = other.predict(photo, probabilities=True)
        assert float(tensorflow.reduce_sum(tensorflow.ones(3))) == 3
        assert (model.predict(photo) == expected).all()
        assert (other.predict(photo, probabilities=True) == differs).all()
    assert np.abs(model.predict(photo, probabilities=True) - differs).max() > 0
    assert tensorflow.executing_eagerly()


@pytest.mark.slow
def test_threads_share_a_model(run, photo):
    with fcn.load(run.folder) as shared:
        found = []
        threads = [threading.Thread(target=lambda: found.append(shared.predict(photo))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4 and all((ids == shared.predict(photo)).all() for ids in found)


@pytest.mark.slow
def test_repeated_predictions_add_nothing_to_the_graph(model, photo):
    model.predict(photo)
    nodes = len(model._loaded._session.graph.get_operations())
    model.predict(photo)
    assert len(model._loaded._session.graph.get_operations()) == nodes


@pytest.mark.slow
def test_training_works_in_a_thread_and_beside_a_model(model, photo, toy, tmp_path):
    before, runs = model.predict(photo), []
    thread = threading.Thread(target=lambda: runs.append(train(toy, tmp_path, steps=2)))
    thread.start()
    thread.join()
    assert runs[0].steps == 2 and (model.predict(photo) == before).all()


@pytest.mark.slow
def test_error_in_training_leaves_no_global_state(toy, tmp_path, monkeypatch):
    import signal

    import tensorflow
    from tensorflow.python.framework import config as framework_config

    from fcn.training import loop
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    def fail(*_):
        assert framework_config.is_op_determinism_enabled()
        raise ZeroDivisionError
    monkeypatch.setattr(loop, "train", fail)
    with pytest.raises(ZeroDivisionError):
        train(toy, tmp_path)
    assert tensorflow.executing_eagerly() and not framework_config.is_op_determinism_enabled()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers
    assert isinstance(tensorflow.ones(1), tensorflow.__internal__.EagerTensor)
    monkeypatch.undo()
    assert train(toy, tmp_path, steps=2).steps == 2  # the lock of the folder is free again


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "checkpoint", "latest", "npz", "mat"])
def test_load_takes_what_evaluation_takes(kind, model, run, photo, tmp_path):
    if kind in ("npz", "mat"):
        path = model.export(tmp_path / f"net.{kind}")
        expected = model.predict(photo)
    else:
        path = run.folder / ("checkpoints/step-000004" if kind == "checkpoint" else "")
        expected = run.load("latest" if kind == "latest" else "best").predict(photo)
    with fcn.load(path, **({"checkpoint": "latest"} if kind == "latest" else {})) as loaded:
        assert (loaded.predict(photo) == expected).all() and loaded.class_names == model.class_names
        assert loaded.input_size == model.input_size


@pytest.mark.slow
@pytest.mark.parametrize("call, found", [
    (lambda work, toy: fcn.load(work / "nowhere"), "no such file or folder"),
    (lambda work, toy: fcn.load(work), "neither a run folder nor a checkpoint"),
    (lambda work, toy: fcn.load(toy / "vgg.mat"), "VGG without score layers"),
    (lambda work, toy: fcn.train(toy / "scenes", learning_rte=1), "did you mean learning_rate?"),
    (lambda work, toy: fcn.train(toy / "scenes", lr=3), "did you mean learning_rate?"),
    (lambda work, toy: fcn.train(toy / "scenes", batch=0), "batch"),
    (lambda work, toy: fcn.train(), "no data set"),
    (lambda work, toy: fcn.Config.create(size="x"), "size")])
def test_invalid_calls_raise_one_clear_error(call, found, toy, tmp_path):
    with pytest.raises(fcn.errors.FcnError, match=found):
        call(tmp_path, toy)


def test_config_takes_a_recipe_a_file_and_settings(tmp_path):
    (tmp_path / "own.toml").write_text("batch = 3\nseed = 5\n")
    made = fcn.Config.create("camvid", tmp_path / "own.toml", seed=7, size=(240, 320))
    assert (made.layout, made.batch, made.seed, made.size) == ("camvid", 3, 7, (240, 320))


def test_pillow_limit_is_left_alone(tmp_path):
    from fcn.data import images
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    before = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = 100  # a program's own; above twice of it Pillow raises an error
        assert images.read_image(pathlib.Path(tmp_path / "a.png")).shape == (30, 40, 3)
        assert Image.MAX_IMAGE_PIXELS == 100
    finally:
        Image.MAX_IMAGE_PIXELS = before


@pytest.mark.slow
@pytest.mark.parametrize("call, found", [
    (lambda model, photo: model.predict(photo, scales=0), "scales=0: expected numbers from 0.1 to 8"),
    (lambda model, photo: model.predict(photo, scales="1"), "scales"),
    (lambda model, photo: model.predict(photo, size=(None, 96)), "size="),
    (lambda model, photo: model.predict(photo, tile="x"), "tile="),
    (lambda model, photo: model.predict("a" * 300), "name is too long"),
    (lambda model, photo: model.predict([[1], [1, 2]]), "invalid image"),
    (lambda model, photo: model.evaluate(split=""), "split"),
    (lambda model, photo: model.evaluate(b"x"), "expected a path"),
    (lambda model, photo: model.evaluate(batch=3), "unknown argument batch"),
    (lambda model, photo: model.export(None), "expected a path"),
    (lambda model, photo: fcn.load(5), "expected a path"),
    (lambda model, photo: fcn.load(model.source, precision="fp32"), "fp32"),
    (lambda model, photo: fcn.train(5), "expected a path"),
    (lambda model, photo: fcn.train(photo, config={"batch": 3}), "expected a fcn.Config"),
    (lambda model, photo: fcn.Config.create(weights=None), "weights"),
    (lambda model, photo: fcn.Config.create(steps=np.float32("inf")), "steps")])
def test_invalid_arguments_raise_one_clear_error(call, found, model, photo):
    with pytest.raises(fcn.errors.FcnError) as caught:
        call(model, photo)
    assert found in str(caught.value)


@pytest.mark.slow
def test_numpy_values_and_paths_are_taken(model, photo, tmp_path):
    assert (model.predict(photo, size=np.int64(64)) == model.predict(photo, size=64)).all()
    made = fcn.Config.create(size=np.array([96, 128]), seed=np.int64(3), data=tmp_path, ignore_label=np.array([0, 9]))
    assert (made.size, made.seed, made.data, made.ignore_label) == ((96, 128), 3, str(tmp_path), (0, 9))
    assert fcn.Config.create(size=None, batch=1).size is None
    assert fcn.Config.create(pool_scaling=None).pool_scaling is None


@pytest.mark.slow
def test_closed_model_is_named(run, photo):
    closed = run.load()
    closed.close()
    for call in (lambda: closed.predict(photo), closed.evaluate, lambda: closed.export("a.npz")):
        with pytest.raises(fcn.errors.UsageError, match="the model is closed"):
            call()


@pytest.mark.slow
def test_closed_model_frees_its_graph(run, photo):
    closed = run.load()
    closed.predict(photo)
    graph = weakref.ref(closed._loaded._session.graph)
    closed.close()
    del closed
    gc.collect()
    assert graph() is None


@pytest.mark.slow
def test_determinism_lasts_until_the_last_training_ends():
    from tensorflow.python.framework import config as framework_config

    from fcn.models import tf_compat
    first, second = tf_compat.deterministic(), tf_compat.deterministic()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert framework_config.is_op_determinism_enabled()
    second.__exit__(None, None, None)
    assert not framework_config.is_op_determinism_enabled()
