"""Which weights a net starts from if none are given, and files and outputs that do not fit the net."""

import h5py
import numpy as np
import pytest
from scripts_help import call, train_words

from fcn.config.training_config import Config
from fcn.core import errors
from fcn.models.encoders import squeezenet11
from fcn.training import start, trainer


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_published_file_of_the_encoder_is_the_default(folder):
    settings = Config(net="unet_squeezenet11")
    assert start.with_weights(settings).weights == "none"
    (folder / squeezenet11.WEIGHTS).touch()
    assert start.with_weights(settings).weights == f"weights/{squeezenet11.WEIGHTS}"


def test_given_weights_and_those_of_the_fcns_stay(folder):
    for settings in (Config(net="fcn8s"), Config(net="unet_squeezenet11", weights="mine.h5")):
        assert start.with_weights(settings) == settings


@pytest.mark.slow
def test_file_of_another_net_is_refused_though_a_layer_fits(toy, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["conv1/conv1/kernel:0"] = np.ones((3, 3, 3, 64), np.float32)
        file["dense/dense/kernel:0"] = np.ones((1, 1, 64, 5), np.float32)
    done = call(train_words(toy, tmp_path, "--steps", "1", "--net", "unet_squeezenet11", "--weights",
                            tmp_path / "other.h5"), errors.WeightsError.exit_code)
    assert "has 1 of the 25 layers of the encoder squeezenet11" in done.stderr and squeezenet11.WEIGHTS in done.stderr


@pytest.mark.parametrize(("momentum", "batches", "share", "advice"), [
    (0.99, 80, "45%", "0.9"), (0.99, 230, "", ""), (0.999, 600, "55%", "0.9"), (0.9, 10, "35%", "0.63"),
    (0.99, 1, "99%", "0.01"), (0, 1, "", "")])
def test_note_says_that_moving_averages_will_not_settle(momentum, batches, share, advice):
    note = trainer.note_of_moving_averages(momentum, batches)
    assert bool(note) == bool(share) and share in note
    if advice:
        assert note.endswith(f"--norm-momentum {advice}")
        assert not trainer.note_of_moving_averages(float(advice), batches)  # the advice works


@pytest.mark.slow
@pytest.mark.parametrize("given", [False, True])
def test_short_run_warns_unless_averages_settle(toy, tmp_path, given):
    done = call(train_words(toy, tmp_path, "--steps", "2", "--net", "unet_vgg19",
                            *(["--norm-momentum", "0.1"] if given else [])))
    assert ("after 4 batches, moving averages of batch normalisation will still be 96% initial values" in
            " ".join(done.stdout.split())) != given


@pytest.mark.slow
def test_sigmoid_output_needs_two_classes(toy, tmp_path):
    done = call(train_words(toy, tmp_path, "--steps", "1", "--output", "sigmoid"), errors.UsageError.exit_code)
    assert "--output sigmoid is for two classes, this data set has 12" in done.stderr
