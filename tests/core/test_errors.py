"""A command called as a program: it needs no output streams, and leaves no file open."""

import gc
import sys
import warnings

from fcn.core import errors


def fail(argv):
    raise errors.DataError("no such class")


def test_failed_command_leaves_no_file_open(capsys):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert errors.run_command(fail, []) == 3
        gc.collect()
    assert [str(one.message) for one in caught if one.category is ResourceWarning] == []


def test_command_runs_without_output_streams(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert errors.run_command(lambda argv: print("said to nobody"), []) == 0
    assert sys.stdout is sys.stderr
    sys.stdout.close()
