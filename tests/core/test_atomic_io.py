"""What must be on the disk first is synced first; a file has its name only when it is whole."""

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import save

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import inject

from fcn.core import atomic_io, errors
from fcn.data.cache import builder, cache
from fcn.data.spec import DatasetSpec, Pair


class Recorder(inject.Injector):
    """The calls that reach the disk: [(name, arguments)]."""

    def __enter__(self):
        self.calls = []
        return super().__enter__()

    def _wrapped(self, name):
        call = super()._wrapped(name)

        def recorded(*arguments, **options):
            self.calls.append((name, arguments))
            return call(*arguments, **options)
        return recorded


@pytest.fixture
def pairs(tmp_path):
    return [Pair(str(i), save(tmp_path / f"{i}.png", np.full((4, 6, 3), i, np.uint8)),
                 save(tmp_path / f"{i}_.png", np.full((4, 6), i % 2, np.uint8))) for i in range(4)]


def test_rows_are_synced_before_marks_and_all_before_the_rename(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "ROWS_PER_SYNC", 2)
    with Recorder() as recorder:
        made = cache.prepare(pairs, DatasetSpec(), (4, 6), tmp_path / "c", "t")
    with h5py.File(made.path) as file:
        start = {name: file[name].id.get_offset() for name in ("images", "labels", "state")}
    kinds = []
    for name, arguments in recorder.calls:
        if name == "pwrite":
            offset = int(arguments[2])
            kinds.append("row" if start["images"] <= offset < start["images"] + 4 * 72 or
                         start["labels"] <= offset < start["labels"] + 4 * 24 else
                         "mark" if start["state"] <= offset < start["state"] + 4 else "other")
        elif name in ("fdatasync", "fsync", "replace"):
            kinds.append(name)
    order = [kind for kind in kinds if kind != "other"]
    assert order == [*["row"] * 4, "fdatasync", "mark", *["row"] * 4, "fdatasync", "mark", "mark",
                     "fsync", "replace", "fsync"]


def test_file_is_written_beside_synced_and_renamed(tmp_path):
    (tmp_path / "a").write_text("old")
    with Recorder() as recorder:
        atomic_io.write_whole(tmp_path / "a", b"new")
    assert [name for name, _ in recorder.calls] == ["open", "pwrite", "fsync", "replace", "open", "fsync"]
    assert (tmp_path / "a").read_bytes() == b"new" and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_write_accepted_in_pieces_is_written_whole(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: real(file, memoryview(data)[:3], offset))
    file = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    atomic_io.write_at(file, np.arange(10, dtype=np.uint8), 2)
    os.close(file)
    assert (tmp_path / "a").read_bytes() == b"\0\0" + bytes(range(10))


def test_lock_is_free_once_its_holder_ends(tmp_path):
    path = tmp_path / "a"
    hold_and_die = ("import os, pathlib, sys\nfrom fcn.core import atomic_io\n"
                    "with atomic_io.locked(pathlib.Path(sys.argv[1])):\n    os._exit(9)\n")
    assert subprocess.run([sys.executable, "-c", hold_and_die, path]).returncode == 9
    for _ in range(2):
        with atomic_io.locked(path), pytest.raises(errors.MachineError, match=f"process {os.getpid()} on "), \
                atomic_io.locked(path):
            pass


@pytest.mark.parametrize(("host", "named"), [(socket.gethostname(), "another process"), ("far-away", "process ")])
def test_ended_process_is_not_named_as_holder_of_a_lock(tmp_path, host, named):
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    with atomic_io.locked(tmp_path / "a"):
        (tmp_path / "a.lock").write_text(json.dumps({"pid": ended.pid, "host": host, "since": "today"}))
        with pytest.raises(errors.MachineError, match=f"is being built by {named}"), atomic_io.locked(tmp_path / "a"):
            pass


def test_file_system_without_locks_is_reported_and_keeps_no_lock(tmp_path, monkeypatch):
    import fcntl

    def none(file, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises((OSError, errors.MachineError)), atomic_io.locked(tmp_path / "a"):
        pass


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder in which nobody can make a file")
def test_lock_that_cannot_be_created_is_not_reported_as_held():
    with pytest.raises(OSError), atomic_io.locked(Path("/proc/a")):
        pass


@pytest.mark.parametrize("size, text", [(12, "12 bytes"), (4_460_000_000, "4.46 GB"), (254_000_000, "254 MB"),
                                        (6720, "6.72 kB")])
def test_sizes_in_bytes_are_short_to_read(size, text):
    assert atomic_io.format_bytes(size) == text
