"""A killed run ends as an undisturbed one, and what was lost would be seen. `make faults` does far more."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import inject
import small_run
import table
import training_damage

from fcn.runs import checkpoint_files

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def make_run(folder, steps=(3, 6)):
    """What small_run looks at, without TensorFlow: two checkpoints and a log."""
    for step in steps:
        path = folder / "checkpoints" / checkpoint_files.name(step)
        path.mkdir(parents=True)
        (path / training_damage.DATA).write_bytes(bytes(range(256)) * 20)
        (path / training_damage.INDEX).write_bytes(b"index" * 20)
        checkpoint_files.seal(path, {"step": step, "batch": 3 * step, "since_best": 0, "validated": 0,
                                     "window": [[2.5, 10.0]]})
    (folder / "log.jsonl").write_text('{"step": 6, "loss": 2.5}\n')
    return folder


def small_of(run):
    """A SmallRun that expects what `run` holds now."""
    small = small_run.SmallRun.__new__(small_run.SmallRun)
    small.expected = small_run.contents(run)
    return small


@pytest.mark.parametrize("name", training_damage.DAMAGE)
def test_every_damage_changes_the_file_and_would_be_detected(tmp_path, name):
    run = make_run(tmp_path / "run")
    small = small_of(run)
    assert small.differences(run) == [] == small_run.damaged(run)
    file, damage = training_damage.DAMAGE[name]
    damage(run / "checkpoints/step-000006" / file)
    assert small.differences(run) == [f"checkpoints/step-000006/{file}"]
    assert [text.split(":")[0] for text in small_run.damaged(run)] == ["step-000006 is damaged"]


def test_none_of_the_two_newest_checkpoints_may_be_damaged(tmp_path):
    run = make_run(tmp_path / "run", steps=(3, 6, 9))
    for step, count in ((3, 0), (6, 1), (9, 2)):  # what is older may be half deleted
        (run / f"checkpoints/step-{step:06d}/state.json").unlink()
        assert len(small_run.damaged(run)) == count


def test_extra_file_or_changed_log_line_would_be_detected(tmp_path):
    run = make_run(tmp_path / "run")
    small = small_of(run)
    (run / "checkpoints/.step-000009.tmp").mkdir()
    (run / "checkpoints/.step-000009.tmp/model.index").touch()
    (run / "log.jsonl").write_text('{"step": 6, "loss": 2.6}\n')
    assert small.differences(run) == ["checkpoints/.step-000009.tmp/model.index", "log.jsonl"]


def test_changed_byte_of_index_or_state_is_detected(tmp_path):
    make_run(tmp_path / "run")
    for file in (training_damage.INDEX, training_damage.STATE):
        wrong, _ = training_damage.bytes_changed(tmp_path / "run", (file, 0, 1))
        assert wrong == []


def test_unchecked_byte_would_be_detected(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")
    monkeypatch.setattr(checkpoint_files, "verify", lambda path: json.loads((path / "state.json").read_text()))
    wrong, _ = training_damage.bytes_changed(run, (training_damage.INDEX, 0, 50))
    assert len(wrong) == 2 and wrong[1].startswith("byte 50 of model.index may be ")


def test_injector_intercepts_pathlib(tmp_path):
    with inject.Injector() as injector:
        (tmp_path / "a/b").mkdir(parents=True)  # b, then a, then b again
        (tmp_path / "a/b").replace(tmp_path / "c")
        (tmp_path / "c").rmdir()
    assert injector.count == 5


@pytest.mark.slow
@pytest.mark.forks
def test_child_is_killed_only_after_it_has_begun(tmp_path):
    def work(seconds):
        (tmp_path / "begun").touch()
        time.sleep(seconds)
    begun = tmp_path / "begun"
    assert inject.kill_after(inject.child(work, 60), 0, begun.exists) and begun.exists()
    assert not inject.kill_after(inject.child(work, 0), 60, lambda: False)
    pid = inject.child(work, 60)
    os.kill(pid, signal.SIGTERM)
    assert inject.wait(pid) == -signal.SIGTERM


def test_row_counts_losses_and_outcomes(capsys):
    shown = table.Table()
    shown.results("kills", [([], ["a", "b"]), (["log.jsonl differs"], ["a"])])
    assert shown.end() == 1
    assert " ".join(capsys.readouterr().out.split()) == (
        "kills 2 cases 1 lost 2 x a, 1 x b log.jsonl differs 2 cases, 1 lost")
    assert table.Table().end() == 0


@pytest.mark.slow
@pytest.mark.parametrize("net", [[], ["--half"]], ids=["float32", "float16"])
def test_killed_run_ends_like_an_uninterrupted_one(tmp_path, net):
    """In a process of its own: one that has had a session cannot be forked. Seed 5: killed after batch 45 of 72."""
    words = [sys.executable, str(BENCHMARKS / "training_faults.py"), *net, "--only", "kills", "--cases", "1"]
    done = subprocess.run([*words, "--seed", "5"], capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "2 cases, 0 lost"
