"""A build that dies, or meets a failing disk, at any call that reaches it loses nothing. `make faults` does more."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import faults
import inject

from fcn.data.cache import builder

pytestmark = [pytest.mark.slow, pytest.mark.forks]


@pytest.fixture
def case(tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "ROWS_PER_SYNC", 1)
    return faults.Case(tmp_path, 2)


def test_fault_comes_at_the_requested_call(tmp_path):
    (tmp_path / "a").touch()
    with inject.Injector(at=2, mode="EIO") as injector:
        (tmp_path / "a").replace(tmp_path / "b")
        with pytest.raises(OSError, match="Input/output error"):
            (tmp_path / "b").replace(tmp_path / "c")
    assert injector.count == 2 and (tmp_path / "b").exists()


def test_lost_cache_would_be_detected(case, monkeypatch):
    monkeypatch.setattr(builder.atomic_io.NewFile, "commit", lambda file, *_: file.path.write_bytes(b"half"))
    where = case.start(replacing=True)
    inject.wait(inject.child(case.attempt, where))
    assert not case.stands(where, replacing=True)


@pytest.mark.parametrize("mode", inject.MODES)
def test_crash_or_disk_error_during_a_build_loses_nothing(case, mode):
    (tried, lost), = faults.every_call(case, (mode,), replacings=(True,)).values()
    assert tried > 20 and lost == 0


def test_killed_builds_continue_and_two_processes_leave_one_file(case):
    kills, finished, lost = faults.random_kills(case, 10, random.Random(0))
    assert kills >= 10 and finished and not lost
    assert faults.two_builders(case, 5)[2] == 0
