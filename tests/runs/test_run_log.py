"""The log of a run: appended, torn, cut, and on a disk that is full for a while."""

import json
import os

import pytest

from fcn.runs import run_log


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path, *entries):
    log = run_log.Log(path)
    for entry in entries:
        log.append(entry)
    return log


def test_truncated_last_line_of_the_log_is_ignored(tmp_path):
    path = tmp_path / "log.jsonl"
    assert run_log.read_entries(path) == []
    written(path, *({"step": step, "loss": step / 10} for step in (1, 2, 3)))
    whole = path.read_bytes()
    for length in range(len(whole) - 2, len(whole) - len(whole) // 3, -1):
        path.write_bytes(whole[:length])
        assert [entry["step"] for entry in run_log.read_entries(path)] == [1, 2]
    path.write_bytes(whole + b"\0" * 100)  # what a power cut may leave
    assert [entry["step"] for entry in run_log.read_entries(path)] == [1, 2, 3]


def test_line_after_a_truncated_one_is_kept(tmp_path):
    path = tmp_path / "speed.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2, "lo')
    written(path, {"step": 2}, {"step": 3})
    assert path.read_bytes() == b'{"step": 1}\n{"step": 2}\n{"step": 3}\n'


def test_lines_that_are_not_entries_are_ignored(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('17\n[1]\n"step"\n{"loss": 1}\n{"step": "2"}\n\n{"step": 3}\n\xff', encoding="latin-1")
    assert run_log.read_entries(path) == [{"step": 3}]


def test_resumed_run_cuts_its_log_after_its_step(tmp_path):
    path = tmp_path / "log.jsonl"
    written(path, *({"step": step} for step in (10, 20, 30)))
    with path.open("a") as file:
        file.write('{"step": 35, "lo')
    run_log.cut(path, 20)
    written(path, {"step": 21})
    assert lines(path) == [{"step": 10}, {"step": 20}, {"step": 21}]
    assert list(tmp_path.iterdir()) == [path]
    run_log.cut(tmp_path / "other.jsonl", 5)
    assert run_log.read_entries(tmp_path / "other.jsonl") == []


def test_validation_after_the_checkpoint_is_cut_and_repeated(tmp_path):
    """Killed after the validation of step 20 was logged, before the checkpoint of step 20 had been told of it."""
    path = tmp_path / "log.jsonl"
    written(path, {"step": 10, "loss": 2.0}, {"step": 10, "val_loss": 2.1}, {"step": 20, "loss": 1.0},
            {"step": 20, "val_loss": 1.1})
    run_log.cut(path, 20, 10)
    assert lines(path) == [{"step": 10, "loss": 2.0}, {"step": 10, "val_loss": 2.1}, {"step": 20, "loss": 1.0}]


def test_validation_without_a_score_is_treated_like_any_other(tmp_path):
    path = tmp_path / "log.jsonl"
    written(path, {"step": 10, "val_loss": None}, {"step": 20, "loss": None}, {"step": 20, "val_loss": None},
            {"step": 20, "val_mean_iou": 0.0})  # as versions wrote it that left out what was NaN
    run_log.cut(path, 20, 20)
    assert len(lines(path)) == 4
    run_log.cut(path, 20, 10)
    assert lines(path) == [{"step": 10, "val_loss": None}, {"step": 20, "loss": None}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_numbers_are_null_in_json(tmp_path, value):
    written(tmp_path / "log.jsonl", {"step": 1, "loss": value})
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "loss": null}\n'


def test_cutting_the_log_keeps_earlier_bytes(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step":  1, "loss": 1.50}\n{"step": 2}\n')
    run_log.cut(path, 1)
    assert path.read_bytes() == b'{"step":  1, "loss": 1.50}\n'


@pytest.mark.parametrize("taken", [0, 5, 20])
def test_lines_refused_by_a_full_disk_are_written_later_in_order(tmp_path, monkeypatch, taken):
    path = tmp_path / "log.jsonl"
    log, real = written(path, {"step": 1}), os.pwrite
    room = [taken]

    def full(file, data, offset):
        if not room[0]:
            raise OSError(28, "No space left on device")
        count = real(file, memoryview(data)[:room[0]], offset)
        room[0] -= count
        return count
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        for step in (2, 3):
            log.append({"step": step, "loss": 1.25})
        assert log.waiting
        with pytest.raises(OSError, match="No space"):
            log.flush()
        assert path.read_bytes() == b'{"step": 1}\n'
    log.append({"step": 4})
    assert lines(path) == [{"step": 1}, {"step": 2, "loss": 1.25}, {"step": 3, "loss": 1.25}, {"step": 4}]
    assert not log.waiting


def test_log_lines_are_synced_before_their_checkpoint(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    log = written(tmp_path / "log.jsonl", {"step": 1})
    assert synced == []
    log.flush(sync=True)
    assert len(synced) == 1
