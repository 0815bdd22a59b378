"""--hours: the number of steps by hand, shares of stages, and what a resumed run keeps."""

import dataclasses
import json

import pytest
from runs_help import a_run
from scripts_help import tiny_runs

from fcn.cli import train
from fcn.config import checks, training_config
from fcn.core import errors, registry
from fcn.models.tf_compat import tf
from fcn.runs import stages
from fcn.training import dry_run, resources, time_budget

SETTINGS = training_config.resolve({})


@pytest.fixture(autouse=True)
def no_graph_left_behind():
    yield
    tf.reset_default_graph()


# A step takes 2 s, a validation 30 s, a checkpoint 4 s: 4 + 2 n + 34 for each begun 100 steps. With half of the time
# for validations: 4 + 4 n + 4 for each 200 steps, and at the end.
@pytest.mark.parametrize(("total_s", "eval_every", "steps"), [
    (3600, 100, 1520), (100, 100, 31), (37, 100, 0), (40, 100, 1), (3600, 0.5, 890)])
def test_steps_by_hand(total_s, eval_every, steps):
    assert time_budget.steps_in(total_s, (2, 30), 4 * resources.WRITTEN_PER_S, (200, eval_every)) == steps


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


def test_shortest_time_is_said(capsys):
    with pytest.raises(SystemExit):
        train.parse(["--data", "x", "--hours", "0.0005"])
    assert "invalid number '0.0005': expected a number from 0.001 to 100000" in capsys.readouterr().err


def test_warm_up_is_compared_with_the_steps_of_the_hours_only(tmp_path):
    words = ["--data", "x", "--recipe", "camvid", "--layout", "camvid", "--warmup", "4000", "--run", str(tmp_path)]
    with pytest.raises(errors.UsageError, match="only 1300 steps"):
        train.resolve(train.parse(words))
    assert train.resolve(train.parse([*words, "--hours", "20"]))[0].warmup == 4000
    with pytest.raises(errors.UsageError) as refusal:
        checks.check_durations(100, 4000, 0, "--hours")
    assert refusal.value.fix == "give --warmup 99 or less, or more --hours."


def test_finished_stage_needs_no_checkpoint(tmp_path):
    run = a_run(tmp_path / "run", {}, steps=3)
    content = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(content | {"steps": 3}))
    settings = dataclasses.replace(training_config.from_dict(content["config"]), steps=0)  # as --hours resolves it
    assert stages.is_finished(run, settings, begun_after=True)
    assert not stages.is_finished(run, settings, begun_after=False)


@pytest.fixture
def words(toy, tmp_path, monkeypatch):
    """The command of a run of two hours, which are three steps, with a recipe of 50."""
    monkeypatch.setattr(dry_run, "TIMED_S", 0)
    monkeypatch.setattr(time_budget, "steps_in", lambda total_s, *_: 3 if total_s >= 3600 else 0)
    for name in ("mine", "other"):
        path = tmp_path / f"plugins/recipes/{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[schedule]\nsteps = 50\n")
    monkeypatch.chdir(tmp_path)
    yield [str(word) for word in (
        "--data", toy / "scenes", "--weights", toy / "vgg.mat", "--cache-dir", tmp_path / "cache", "--layout",
        "ade20k", "--size", "33x47", "--batch", 2, "--eval-batches", 1, "--no-deterministic", "--plugins",
        tmp_path / "plugins")]
    registry.use(())


@pytest.mark.slow
@pytest.mark.parametrize("further", [("--run", "here"), ("--ema", "0.5", "--batches-per-step", "2")])
def test_run_of_some_hours_is_resumed_with_its_own_steps(words, further, tmp_path, capsys):
    for _ in range(2):
        with tiny_runs():
            train.main([*words, "--recipe", "mine", "--hours", "2", *further])
    said = capsys.readouterr().out
    content = json.loads(next(tmp_path.glob("**/config.json")).read_text())
    assert content["steps"] == content["config"]["steps"] == 3
    assert "s: 3 steps" in said and "this one keeps its 3 steps" in said
    assert said.count("the run is complete") == 1


@pytest.mark.slow
def test_next_stage_keeps_its_share_when_resumed(words, monkeypatch):
    given_s = []

    def three_steps(total_s, *_):
        given_s.append(total_s)
        return 0 if len(given_s) == 2 else 3  # the first start ends between the stages
    monkeypatch.setattr(time_budget, "steps_in", three_steps)
    command = [*words, "--stages", "mine,other", "--run", "both", "--hours", "2"]
    with tiny_runs(), pytest.raises(errors.UsageError, match="too short"):
        train.main(command)
    with tiny_runs():
        train.main(command)
    assert given_s == [3600, 3600, 3600]  # not 50 of 53 parts, now that the first stage has 3 steps


@pytest.mark.slow
def test_too_few_hours_are_refused_and_leave_no_run(words, tmp_path):
    with tiny_runs(), pytest.raises(errors.UsageError, match="too short for a step and a validation"):
        train.main([*words, "--hours", "0.1", "--run", "here"])
    assert not (tmp_path / "here/config.json").exists()
