"""--hours: the number of steps by hand, shares of stages, and runs that take about the given time."""

import dataclasses
import json

import pytest
from scripts_help import tiny_runs

from fcn.cli import train
from fcn.config import training_config
from fcn.core import errors, registry
from fcn.models.tf_compat import tf
from fcn.runs import stages
from fcn.training import dry_run, resources, time_budget

SETTINGS = training_config.resolve({"eval_every": 100, "save_every": 200})


@pytest.fixture(autouse=True)
def no_graph_left_behind():
    yield
    tf.reset_default_graph()


@pytest.mark.parametrize(("seconds", "changes", "steps"), [
    (3600, {}, 1550),                     # 2 s, 30 s / 100 steps, 4 s / 200 steps: 2.32 s
    (100, {}, 43),
    (1, {}, 0),
    (3600, {"eval_every": 0.5}, 890),
])
def test_steps_by_hand(seconds, changes, steps):
    settings = dataclasses.replace(SETTINGS, **changes)
    size = 4 * resources.WRITTEN_PER_S
    assert time_budget.steps_in(seconds, 2, 30, size, settings) == steps


def test_stages_share_the_time_by_their_pixels():
    large = dataclasses.replace(SETTINGS, steps=100, batch=2, size=(40, 40), crop_size=(20, 30))
    small = dataclasses.replace(SETTINGS, steps=200, batch=1, size=(10, 20), crop_size=None)
    assert stages.shares([large, small]) == [0.75, 0.25]  # 120,000 and 40,000 pixels
    assert stages.shares([large, dataclasses.replace(small, size=None)]) == [0.5, 0.5]
    assert stages.shares([dataclasses.replace(large, steps=0), small, small]) == [1 / 3] * 3


@pytest.mark.parametrize("words", ["--steps 5", "--epochs 2", "--dry-run", "--sanity", "--print-config",
                                   "--resume somewhere"])
def test_options_that_contradict_hours_are_refused(words):
    with pytest.raises(errors.UsageError, match=f"--hours cannot be used with {words.split()[0]}"):
        train.parse(["--data", "x", "--hours", "1", *words.split()])


def test_several_seeds_of_different_lengths_are_refused():
    with pytest.raises(errors.UsageError, match="--multi-run cannot be used with --hours"):
        train.main(["--data", "x", "--hours", "1", "--multi-run", "2"])


@pytest.mark.slow
def test_run_of_some_hours_is_resumed_with_its_own_steps(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(dry_run, "TIMED_S", 0)
    monkeypatch.setattr(time_budget, "steps_in", lambda *numbers: 3)
    (tmp_path / "plugins/recipes").mkdir(parents=True)
    (tmp_path / "plugins/recipes/mine.toml").write_text("[schedule]\nsteps = 50\n")
    words = ["--data", toy / "scenes", "--weights", toy / "vgg.mat", "--cache-dir", tmp_path / "cache", "--run",
             tmp_path / "run", "--layout", "ade20k", "--size", "33x47", "--batch", 2, "--eval-batches", 1,
             "--no-deterministic", "--recipe", "mine", "--plugins", tmp_path / "plugins", "--hours", 2]
    try:
        for _ in range(2):
            with tiny_runs():
                train.main([str(word) for word in words])
    finally:
        registry.use(())
    said = capsys.readouterr().out
    content = json.loads((tmp_path / "run/config.json").read_text())
    assert content["steps"] == content["config"]["steps"] == 3
    assert "s: 3 steps" in said and "this one keeps its 3 steps" in said
    assert "the run is complete" in said
