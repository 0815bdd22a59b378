"""What a run of days relies on, as a user starts it: going on, forking, stopping early, keeping out of the way."""

import json
import shlex
import shutil
import subprocess

import pytest
from scripts_help import call, run_process, train_words

from fcn.cli import train
from fcn.config import training_config
from fcn.core import errors
from fcn.data import batch_loader
from fcn.data.cache import cache
from fcn.runs import checkpoint_files, run_log, stages
from fcn.training import setup

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory):
    """A run of 4 steps with a validation after the second and the fourth."""
    work = tmp_path_factory.mktemp("long")
    call(train_words(toy, work, "--steps", "4", "--eval-every", "2"))
    return work


def copy(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "copy")
    return tmp_path / "copy"


def test_run_without_improvement_stops_early_for_good(toy, tmp_path):
    words = train_words(toy, tmp_path, "--steps", "40", "--eval-every", "2", "--learning-rate", "1e-30", "--patience",
                        "2")
    output = call(words).stdout
    assert "since step 2 (" in output and "stopped at step 6 of 40 (--patience)" in output
    log = (tmp_path / "run/log.jsonl").read_bytes()
    speed, config_json = ((tmp_path / "run" / name).read_bytes() for name in ("speed.jsonl", "config.json"))
    assert "nothing is left to train" in call(words).stdout
    assert (tmp_path / "run/log.jsonl").read_bytes() == log
    assert (tmp_path / "run/speed.jsonl").read_bytes() == speed
    assert (tmp_path / "run/config.json").read_bytes() == config_json
    ends = [e["event"] for e in run_log.read_entries(tmp_path / "run/speed.jsonl") if "event" in e]
    assert len(ends) == 2 and ends[0] == "start" and "--patience" in ends[1]


def test_checkpoint_stores_the_next_validation_of_a_time_budget(toy, tmp_path):
    call(train_words(toy, tmp_path, "--steps", "24", "--eval-every", "50%"))
    validated = [e["step"] for e in run_log.read_entries(tmp_path / "run/log.jsonl") if "val_loss" in e]
    assert validated[0] == 20 and validated[-1] == 24
    assert checkpoint_files.listed(tmp_path / "run/checkpoints")[0][1]["next_eval"] > 20


def test_fork_takes_another_rate_but_no_other_batch_size(toy, trained, tmp_path):
    start = trained / "run/checkpoints/step-000002"
    shutil.copytree(trained / "cache", tmp_path / "cache")
    words = train_words(toy, tmp_path, "--steps", "4", "--eval-every", "2", "--resume", str(start))
    refused = call([*words, "--batch", "3"], code=2)
    assert "batch: 2 in the run, 3 now" in refused.stderr
    assert "the run whose checkpoint this one starts from" in refused.stderr
    assert not (tmp_path / "run").exists()
    output = call([*words, "--learning-rate", "1e-4"]).stdout
    assert "resumed at step 2" in output and "learning_rate: 0.001 in the run, 0.0001 now" in output
    entries = run_log.read_entries(tmp_path / "run/log.jsonl")
    assert [e["step"] for e in entries if "loss" in e] == [3, 4] and entries[0]["learning_rate"] < 1e-4
    assert len(json.loads((tmp_path / "run/config.json").read_text())["starts"]) == 1
    assert checkpoint_files.paths(tmp_path / "run/checkpoints")[-1].name == "step-000002"  # its own, from the start


def test_later_checkpoints_do_not_seem_to_go_back(toy, trained):
    words = train_words(toy, trained, "--steps", "4", "--resume", str(trained / "run/checkpoints/step-000002"))
    assert "has later checkpoints" in call(words, code=2).stderr


def test_stage_stopped_in_its_last_validation_is_not_finished(trained, tmp_path):
    run = copy(trained, tmp_path) / "run"
    settings = training_config.from_dict(json.loads((run / "config.json").read_text())["config"])
    assert stages.is_finished(run, settings, False)
    newest = run / "checkpoints/step-000004"
    checkpoint_files.write_state(newest, checkpoint_files.read_state(newest) | {"validated": 2})
    assert not stages.is_finished(run, settings, False)


def test_start_overtaken_by_another_one_leaves_that_one_alone(toy, trained, tmp_path, monkeypatch):
    """The other run comes into being while this one reads its weights."""
    work = tmp_path / "work"
    shutil.copytree(trained / "cache", work / "cache")
    read = setup.read_weights

    def slowly(settings):
        shutil.copytree(trained / "run", work / "run")
        return read(settings)
    monkeypatch.setattr(setup, "read_weights", slowly)
    words = train_words(toy, work, "--steps", "4", "--eval-every", "2", "--seed", "7")[2:]
    with pytest.raises(errors.MachineError, match="another process has trained in this folder"):
        train.main(words)
    assert (work / "run/config.json").read_bytes() == (trained / "run/config.json").read_bytes()


STOPPED = """
import signal, sys
from fcn.cli import train
from fcn.core import errors
from fcn.training import signals
signals.Signals.caught = property(lambda self: signal.SIGTERM, lambda self, value: None)
sys.exit(errors.run_command(train.main, sys.argv[1:]))
"""


def test_stop_before_the_first_resumed_step_keeps_the_checkpoint(toy, trained, tmp_path):
    """Else it is swept, as one that a stop has made: an undisturbed run still has it at its end."""
    work = copy(trained, tmp_path)
    words = train_words(toy, work, "--steps", "6", "--eval-every", "2")
    before = (work / "run/checkpoints/step-000004/state.json").read_bytes()
    run_process([words[0], "-c", STOPPED, *words[2:]], code=143)
    assert (work / "run/checkpoints/step-000004/state.json").read_bytes() == before
    call(words)
    assert [path.name for path in checkpoint_files.paths(work / "run/checkpoints")][:2] == ["step-000006",
                                                                                          "step-000004"]


def test_run_works_without_output_streams(toy, tmp_path):
    words = train_words(toy, tmp_path, "--steps", "2", "--eval-every", "2")
    assert subprocess.run(f"{shlex.join(words)} >&- 2>&-", shell=True).returncode == 0
    assert len(run_log.read_entries(tmp_path / "run/log.jsonl")) == 3


def test_foreign_checkpoint_in_the_folder_is_named_and_not_used(toy, trained, tmp_path):
    work = copy(trained, tmp_path)
    state = json.loads((work / "run/checkpoints/step-000004/state.json").read_text())
    state["fingerprints"]["settings"] = "0" * 64
    checkpoint_files.write_state(work / "run/checkpoints/step-000004", state)
    output = call(train_words(toy, work, "--steps", "4", "--eval-every", "2")).stdout
    assert "step-000004: belongs to another run" in output and "resumed at step 2" in output
    kept = checkpoint_files.verify(work / "run/checkpoints/step-000004-2")  # moved aside, not deleted
    assert kept["fingerprints"]["settings"] == "0" * 64
    assert (work / "run/log.jsonl").read_bytes() == (trained / "run/log.jsonl").read_bytes()


def test_run_with_lost_checkpoints_is_not_restarted(toy, trained, tmp_path):
    work = copy(trained, tmp_path)
    shutil.rmtree(work / "run/checkpoints")
    said = call(train_words(toy, work, "--steps", "4"), code=2).stderr
    assert "whose checkpoints are missing" in said and (work / "run/log.jsonl").stat().st_size > 0


def test_changes_that_affect_the_last_bits_are_noted_on_resume(toy, trained, tmp_path):
    work = copy(trained, tmp_path)
    content = json.loads((work / "run/config.json").read_text())
    content["starts"][-1]["versions"]["tensorflow"] = "2.20.0"
    content["starts"][-1]["machine"] = "Linux, 64 cores of something"
    (work / "run/config.json").write_text(json.dumps(content))
    output = call(train_words(toy, work, "--steps", "5")).stdout
    assert "tensorflow: 2.20.0 in the run" in output and "64 cores of something in the run" in output
    assert output.count("results may differ in their last bits") == 2


def test_too_long_warm_up_is_reported_before_loading_tensorflow(toy, trained, tmp_path):
    shutil.copytree(trained / "cache", tmp_path / "cache")
    said = run_process(train_words(toy, tmp_path, "--steps", "4", "--warmup", "4"), code=2).stderr
    assert "--warmup 4" in said and not (tmp_path / "run").exists()


def flip(split, work, row, part):
    """Flip a bit in the image or label of a row of a run's cache; (the file, the name of the row)."""
    made = cache.open_cache(next((work / "cache").glob(f"*-{split}-*.h5")))
    place = int(made._offsets[part][row]) + 1000
    with made.path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x80]))
    return made.path, made.names[row]


BY_STEP = ("--steps", "4", "--eval-every", "4", "--save-every", "1", "--keep", "9")


@pytest.fixture(scope="module")
def by_step(toy, tmp_path_factory):
    """A run of 4 steps with a checkpoint of each and a validation after the last."""
    work = tmp_path_factory.mktemp("by_step")
    call(train_words(toy, work, *BY_STEP))
    return work


@pytest.mark.parametrize("split, stopped_at, part", [("training", 1, "image"), ("validation", 3, "label")])
def test_damaged_cache_row_ends_the_run_and_the_fix_repairs_it(toy, by_step, tmp_path, split, stopped_at, part):
    shutil.copytree(by_step / "cache", tmp_path / "cache")
    row = int(batch_loader.order(3, 0, 6)[5]) if split == "training" else 1  # the sixth sample is of batch 2, in step 2
    path, name = flip(split, tmp_path, row, part == "label")
    words = train_words(toy, tmp_path, *BY_STEP)
    said = call(words, code=3).stderr
    assert f"DataError: {path}: is damaged: {part} of row {row} ('{name}')\n" in said
    assert checkpoint_files.paths(tmp_path / "run/checkpoints")[0].name == f"step-{stopped_at:06}"
    command = said.partition("Fix: ")[2].partition(" and the same command again")[0]
    subprocess.run(command, shell=True, check=True)
    assert f"resumed at step {stopped_at}" in call(words).stdout
    for file in ("log.jsonl", *(f"checkpoints/step-00000{step}/state.json" for step in range(5))):
        assert (tmp_path / "run" / file).read_bytes() == (by_step / "run" / file).read_bytes()
