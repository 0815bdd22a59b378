"""How much memory is left, in a container with a limit or without one."""

import types

import psutil
import pytest

from fcn.core import machine

GIB = 1 << 30


@pytest.fixture
def system(tmp_path):
    """system({path: text}): a folder with these files, in the place of /."""
    def make(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path
    return make


@pytest.fixture(autouse=True)
def machine_of_8_gib(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(total=16 * GIB, available=8 * GIB))


def test_unlimited_memory_is_what_the_system_reports(system):
    assert machine.available_memory(system({})) == 8 * GIB
    assert machine.available_memory(system({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n",
                                            "sys/fs/cgroup/memory.current": "5\n",
                                            "sys/fs/cgroup/memory.stat": "inactive_file 1\n"})) == 8 * GIB


@pytest.mark.parametrize(("line", "folder", "limit", "used", "files"), [
    ("0::/", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("0::/slurm/job_7/task", "sys/fs/cgroup/slurm/job_7", "memory.max", "memory.current", "inactive_file"),
    ("4:cpu,memory:/jobs/a", "sys/fs/cgroup/memory/jobs/a", "memory.limit_in_bytes", "memory.usage_in_bytes",
     "inactive_file 1\ntotal_inactive_file"),
    ("4:memory:/not/mounted/here", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
     "inactive_file")])
def test_cgroup_limit_leaves_unused_memory_and_page_cache(system, line, folder, limit, used, files):
    root = system({"proc/self/cgroup": f"7:pids:/\n{line}\n", f"{folder}/{limit}": f"{4 * GIB}\n",
                             f"{folder}/{used}": f"{3 * GIB}\n", f"{folder}/memory.stat": f"anon 5\n{files} {GIB}\n"})
    assert machine.available_memory(root) == 2 * GIB


def test_cgroup_limit_above_the_system_changes_nothing(system):
    root = system({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{64 * GIB}\n",
                             "sys/fs/cgroup/memory.current": "0\n", "sys/fs/cgroup/memory.stat": "anon 0\n"})
    assert machine.available_memory(root) == 8 * GIB


def test_unknown_system_memory_is_none(tmp_path, monkeypatch):
    def unknown():
        raise NotImplementedError
    monkeypatch.setattr(psutil, "virtual_memory", unknown)
    assert machine.available_memory(tmp_path) is None
