"""Which weights a net starts from if none are given, and files and outputs that do not fit the net."""

import h5py
import numpy as np
import pytest
from scripts_help import call, train_words

from fcn.config.training_config import Config
from fcn.core import errors, machine
from fcn.models import graph_builder, tf_compat
from fcn.models.architecture import Architecture
from fcn.models.encoders import squeezenet11
from fcn.models.tf_compat import tf
from fcn.training import loading_checks, start


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
    text = loading_checks.note(momentum, batches)
    assert bool(text) == bool(share) and share in text
    if advice:
        assert text.endswith(f"--norm-momentum {advice}")
        assert not loading_checks.note(float(advice), batches)  # the advice works


@pytest.mark.slow
@pytest.mark.parametrize("given", [False, True])
def test_short_run_warns_unless_averages_settle(toy, tmp_path, given):
    done = call(train_words(toy, tmp_path, "--steps", "2", "--net", "unet_vgg19",
                            *(["--norm-momentum", "0.1"] if given else [])))
    assert ("after 4 batches, moving averages of batch normalisation will still be 96% initial values" in
            " ".join(done.stdout.split())) != given


@pytest.fixture(scope="module")
def siblings(tmp_path_factory):
    """Files of SqueezeNet 1.1: whole, without its last layer, and of a deeper net with layers of the same names."""
    folder = tmp_path_factory.mktemp("siblings")
    with tf.Graph().as_default():
        graph_builder.build(Architecture("unet_squeezenet11", 2))
        shapes = {v.op.name: v.shape.as_list() for v in tf.trainable_variables()
                  if v.op.name.startswith(("conv1/", "fire"))}
    rng = np.random.default_rng(0)
    deeper = {"fire10_squeeze1x1/kernel": [1, 1, 512, 64], "fire10_squeeze1x1/bias": [64]}
    shorter = {name: shape for name, shape in shapes.items() if not name.startswith("fire9_expand3x3")}
    for file, own in (("whole", shapes), ("shorter", shorter), ("deeper", shapes | deeper)):
        with h5py.File(folder / f"{file}.h5", "w") as stored:
            for name, shape in own.items():
                layer, _, part = name.partition("/")
                stored[f"{layer}/{layer}/{part}:0"] = rng.normal(0, 0.05, shape).astype(np.float32)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("file", "said"), [
    ("whole", []),
    ("shorter", ["has 24 of the 25 layers of the encoder squeezenet11\n", "it lacks fire9_expand3x3 ..."]),
    ("deeper", ["has 25 of the 25 layers of the encoder squeezenet11, and more", "it has fire10_squeeze1x1 ..."])])
def test_file_of_a_sibling_net_is_refused(toy, tmp_path, siblings, file, said):
    done = call(train_words(toy, tmp_path, "--steps", "1", "--net", "unet_squeezenet11", "--weights",
                            siblings / f"{file}.h5", "--freeze", "encoder"), errors.WeightsError.exit_code * bool(said))
    assert all(words in done.stderr for words in [*said, *[squeezenet11.WEIGHTS] * bool(said)])


@pytest.mark.slow
def test_random_layers_cannot_be_frozen_for_the_whole_run(toy, tmp_path):
    words = ["--steps", "2", "--net", "unet_squeezenet11", "--weights", "none", "--freeze", "encoder"]
    done = call(train_words(toy, tmp_path, *words), errors.UsageError.exit_code)
    assert "--freeze encoder would keep 25 layers at random values, such as conv1" in done.stderr
    call(train_words(toy, tmp_path, *words, "--freeze", "none"))  # the advice works


@pytest.mark.slow
def test_sigmoid_output_needs_two_classes(toy, tmp_path):
    done = call(train_words(toy, tmp_path, "--steps", "1", "--output", "sigmoid"), errors.UsageError.exit_code)
    assert "--output sigmoid is for two classes, this data set has 12" in done.stderr


@pytest.mark.parametrize(("instructions", "gpu", "own", "chosen"), [
    ({"avx2", "avx512_bf16"}, [], {}, "bfloat16"), ({"amx_bf16"}, [], {}, "bfloat16"), ({"avx2"}, [], {}, "float32"),
    (set(), [], {}, "float32"), ({"amx_bf16"}, ["nvidia-smi"], {}, "float32"),
    ({"amx_bf16"}, [], {"precision": "float32"}, "float32"), ({"avx2"}, [], {"precision": "bfloat16"}, "bfloat16")])
def test_automatic_precision(instructions, gpu, own, chosen, monkeypatch):
    monkeypatch.setattr(machine, "instructions", lambda: frozenset(instructions))
    monkeypatch.setattr(machine, "signs_of_a_gpu", lambda: gpu)
    settings = Config.create(precision="auto")
    assert start.with_precision(settings, own).precision == chosen
    given = Config.create(precision="float16")
    assert start.with_precision(given, own) is given


@pytest.mark.parametrize("precision, instructions, noted", [
    ("bfloat16", {"avx2"}, True), ("bfloat16", {"avx512_bf16"}, False), ("bfloat16", {"amx_bf16"}, False),
    ("bfloat16", set(), False), ("float32", {"avx2"}, False)])
def test_bfloat16_is_noted_on_processors_without_it(precision, instructions, noted, monkeypatch):
    monkeypatch.setattr(machine, "instructions", lambda: frozenset(instructions))
    monkeypatch.setattr(tf_compat, "has_gpu", lambda: False)
    assert bool(loading_checks.note_of_precision(precision)) == noted
