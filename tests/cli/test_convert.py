"""The command that converts learning rates: its table, lines for a config file, Caffe's solver, and what it refuses."""

import tomllib

import pytest

from fcn.cli import convert
from fcn.config import training_config
from fcn.core import errors


def test_command_prints_a_table_and_config_lines(capsys, tmp_path):
    convert.main(["--recipe", "long2015_fcn8s", "--to", "mean", "--size", "384"])
    text = capsys.readouterr().out
    assert "1.47456e-09" in text and "3.39084e-09" in text and "exact, step by step" in text
    lines = text[text.index("# converted"):]
    (tmp_path / "mean.toml").write_text(lines)
    settings = training_config.resolve({}, tmp_path / "mean.toml", "long2015_fcn8s")
    assert (settings.loss_reduction, settings.momentum) == ("mean", 0.99)
    assert settings.learning_rate == pytest.approx(1e-14 * 384 * 384)


def test_command_takes_numbers_and_the_labelled_share(capsys):
    convert.main(["--learning-rate", "1e-10", "--weight-decay", "5e-4", "--momentum", "0.99", "--loss-reduction", "sum",
                  "--batch", "1", "--size", "500x375", "--labelled", "0.8", "--to", "mean", "--to-momentum", "0.9"])
    text = capsys.readouterr().out
    found = tomllib.loads(text[text.index("# converted"):])
    assert found["optimizer"]["learning_rate"] == pytest.approx(1e-10 * 500 * 375 * 0.8 * 10)
    assert "first order: momentum changed" in text


@pytest.mark.parametrize(("words", "message", "advice"), [
    ("--schedule cosine", "schedule cosine is not a learning rate policy", "--schedule poly"),
    ("--warmup 10", "no learning rate policy of Caffe warms up", "--warmup 0"),
    ("--steps 0 --epochs 3", "Caffe counts steps", "--steps 9"),
    ("--patience 3", "does not stop early", "--patience 0"),
    ("--class-weights inverse", "no class weights", "--class-weights none"),
    ("--batch 2 --batches-per-step 3", "mean over 3 batches a step", "--to-batch 6 --to-batches-per-step 1"),
    ("--batch 2 --batches-per-step 3", "mean over 3 batches a step",
     "--to mean-per-image --to-batch 1 --to-batches-per-step 6"),
    ("--batch 2 --loss-reduction mean-per-image", "no mean of every image's mean", "--to-batch 1 "
     "--to-batches-per-step 2")])
def test_settings_missing_in_caffe_are_refused_with_a_fix(capsys, words, message, advice):
    given = ["--steps", "50", "--prototxt", *words.split()]
    with pytest.raises(errors.UsageError, match=message) as caught:
        convert.main(given)
    assert advice.split("--steps")[0] in caught.value.fix.replace("fixed, ", "")
    convert.main([*given, *advice.split()])
    assert "base_lr: " in capsys.readouterr().out


def test_clipped_gradient_is_not_converted_to_another_batch_size(capsys):
    given = ["--recipe", "matconvnet_fcn8s", "--clip-norm", "3", "--to-batch", "4"]
    with pytest.raises(errors.UsageError, match="cannot be converted from 20 to 40 images") as caught:
        convert.main(given)
    assert "keep 20 images per step" in caught.value.fix and "--clip-norm 0" in caught.value.fix
    convert.main([*given, "--clip-norm", "0"])
    convert.main([*given, "--to-batches-per-step", "5"])
    assert "exact: a step has the same images" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "advice"), [("--schedule step --step-size 10", "--step-size 8"),
                                               ("--warmup 1", "--warmup 4")])
def test_converted_steps_are_whole_or_refused(capsys, words, advice):
    given = [*words.split(), "--steps", "700", "--batch", "1", "--to-batch", "4"]
    with pytest.raises(errors.UsageError, match="steps of 1 images are") as caught:
        convert.main(given)
    assert advice in caught.value.fix
    convert.main([*given, *advice.split()])
    assert "to first order" in capsys.readouterr().out


def test_unused_step_size_is_ignored(capsys):
    convert.main(["--step-size", "10", "--schedule", "fixed", "--batch", "1", "--to-batch", "4"])
    assert "learning_rate = 0.0002" in capsys.readouterr().out


def test_converted_settings_for_native_size_are_valid(capsys, tmp_path):
    convert.main(["--recipe", "long2015_fcn8s", "--size", "384x512", "--to-batch", "4"])
    text = capsys.readouterr().out
    (tmp_path / "batch.toml").write_text(text[text.index("# converted"):])
    settings = training_config.resolve({}, tmp_path / "batch.toml", "long2015_fcn8s")
    assert (settings.batch, settings.size, settings.steps) == (4, (384, 512), 25_000)


def test_class_weights_cannot_be_converted_to_a_sum(capsys):
    given = ["--class-weights", "median", "--to"]
    with pytest.raises(errors.UsageError, match="divides by the sum of the pixels' weights"):
        convert.main([*given, "sum"])
    convert.main([*given, "mean-per-image"])
    assert 'class_weights = "median"' in capsys.readouterr().out
