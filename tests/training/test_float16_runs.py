"""Runs in float16, as a user starts them: skipped steps, a run that only skips, averages of the weights."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from scripts_help import call, train_words

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import small_run

from fcn.cli import export
from fcn.core import registry
from fcn.models.tf_compat import tf
from fcn.runs import checkpoint_files, run_log

pytestmark = pytest.mark.slow


@pytest.fixture
def words(toy, tmp_path):
    """A function that returns the words of a run in float16. factor: by which its net multiplies features."""
    def of(*more, factor=1000):
        for kind, text in (("encoders", small_run.ENCODER), ("nets", small_run.NET.replace("1000", str(factor)))):
            (tmp_path / "plugins" / kind).mkdir(parents=True)
            (tmp_path / "plugins" / kind / "small.py").write_text(text)
        return train_words(toy, tmp_path, "--net", "small", "--plugins", str(tmp_path / "plugins"), "--precision",
                           "float16", "--log-every", "1", *more)
    yield of
    registry.use()


def test_skipped_steps_are_shown_logged_and_saved(words, tmp_path):
    said = call(words("--steps", "12", "--eval-every", "12", "--learning-rate", "1e-9")).stdout
    entries = [e for e in run_log.read_entries(tmp_path / "run/log.jsonl") if "loss_scale" in e]
    skipped = [e["gradient_norm"] is None for e in entries]
    assert 0 < sum(skipped) < 12 == len(skipped)
    assert said.count("  skipped: float16 overflowed at loss scale") == sum(skipped)
    assert [e["loss_scale"] for e in entries] == [2.0 ** (15 - sum(skipped[:i])) for i in range(12)]
    assert [e["skipped_steps"] for e in entries] == [sum(skipped[:i + 1]) for i in range(12)]
    state = checkpoint_files.listed(tmp_path / "run/checkpoints")[0][1]
    assert (state["skipped"], state["loss_scale"]) == (sum(skipped), entries[-1]["loss_scale"])


def test_run_that_only_skips_ends_as_diverged(words, tmp_path):
    said = call(words("--steps", "60", "--eval-every", "60", factor=60_000), code=6)
    assert "the loss is not finite at step 26; the weights were not changed" in said.stderr
    assert "float16 overflowed: 25 steps were skipped, and the loss scale is 0.00195312" in said.stderr
    assert "--precision bfloat16" in said.stderr
    assert (tmp_path / "run/bad_batch.npz").exists()
    entries = run_log.read_entries(tmp_path / "run/log.jsonl")
    assert [e["loss"] for e in entries] == [None] * 25 and "no loss, because every step was skipped" in said.stdout


def test_averages_are_exported_and_predicted_with(words, tmp_path):
    call(words("--steps", "20", "--eval-every", "20", "--ema", "0.5", "--learning-rate", "0.01"))
    run = tmp_path / "run"
    reader = tf.train.load_checkpoint(str(checkpoint_files.paths(run / "checkpoints")[0] / "model"))
    export.main(["--run", str(run), "--to", str(tmp_path / "net.npz")])
    with np.load(tmp_path / "net.npz") as file:
        for name in ("conv/kernel", "bn/moving_mean", "classes/bias"):
            np.testing.assert_array_equal(file[name], reader.get_tensor(f"{name}/average"))
            assert (file[name] != reader.get_tensor(name)).any()


def test_validation_is_that_of_the_averages(words, tmp_path):
    """With decay 1, averages follow (1 + n) / (10 + n); the log has their scores, and training goes on as without."""
    seen = {}
    for ema in ("0", "1"):
        call(words("--steps", "8", "--eval-every", "8", "--ema", ema, "--learning-rate", "0.01",
                   "--precision", "float32"))
        seen[ema] = run_log.read_entries(tmp_path / "run/log.jsonl")
        shutil.rmtree(tmp_path / "run")
        shutil.rmtree(tmp_path / "plugins")
    assert seen["0"][:-1] == seen["1"][:-1]
    assert seen["0"][-1]["val_loss"] != seen["1"][-1]["val_loss"]
