"""An evaluation that dies or meets a failing disk at any call to it loses nothing. `make faults` does more."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import evaluation_faults
import inject

from fcn.core import errors
from fcn.evaluation import result_folder

pytestmark = [pytest.mark.slow, pytest.mark.forks]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return evaluation_faults.Case(tmp_path_factory.mktemp("case"))


def test_lost_evaluation_or_changed_file_would_be_detected(case):
    place = case.start(replacing=True)
    assert case.stands(place, True)
    (place / "confusion.npz").write_bytes(b"half")
    assert not case.stands(place, True)
    place = case.start(replacing=False)
    assert case.stands(place, False) and not case.stands(place, True)
    (place.parent / "predictions/thesis.png").unlink()
    with pytest.raises(FileNotFoundError):
        case.stands(place, False)


def test_pictures_are_missing_only_after_an_error(case):
    place = case.start(replacing=False)
    evaluation_faults.evaluate(place, "new")
    (place / "colour/a.png").unlink()
    assert case.stands(place, False, errors.MachineError.exit_code)
    assert not case.stands(place, False) and not case.stands(place, True, errors.MachineError.exit_code)


@pytest.mark.parametrize("mode", ["die before", "EIO"])
def test_crash_or_disk_error_during_an_evaluation_loses_nothing(case, mode):
    (tried, lost), = evaluation_faults.every_call(case, (mode,), replacings=(True,), step=8).values()
    assert tried > 15 and lost == 0


@pytest.mark.parametrize("mode", ["die after", "ENOSPC from here on"])
def test_crash_around_the_renames_loses_nothing(case, mode):
    total = evaluation_faults.calls(case, True)
    for at in range(total - 30, total - 18):
        place = case.start(True)
        code = inject.wait(inject.child(case.attempt, place, at, mode))
        assert case.stands(place, True, code), at
        assert case.recovers(place), at


def test_user_files_stay_and_two_processes_leave_one_evaluation(case):
    assert evaluation_faults.with_foreign_files(case) == (10, 0)
    assert evaluation_faults.two_at_once(case, 2)[2] == 0
    assert evaluation_faults.twice(case, 3, random.Random(0))[1] == 0


def test_deleting_foreign_files_would_be_detected(case, monkeypatch):
    monkeypatch.setattr(result_folder.manifest, "foreign", lambda *_: [])
    assert evaluation_faults.with_foreign_files(case)[1] == 5
