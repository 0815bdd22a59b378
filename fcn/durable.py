"""Files that are whole or not there: the few calls that reach the disk, in the order that survives a sudden end.

Everything that must outlive a crash is written by these functions. They go through `os.*` at each call, so that
benchmarks/faults.py can make every single one of them fail or be the last.
"""

import contextlib
import errno
import json
import os
import pathlib
import shutil
import socket
import time

import filelock

from fcn import errors

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_RESERVE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)  # file systems that cannot set space aside


@contextlib.contextmanager
def locked(path, doing="is being built", cure="wait until it is done and give the same command again."):
    """Hold `<path>.lock`: one writer of `path`. Raises MachineError naming who holds it; doing, cure: its words.

    The kernel gives the lock back when its holder dies; the file that stays behind means nothing.
    """
    lock_path = path.with_name(f"{path.name}.lock")
    lock = filelock.FileLock(lock_path, blocking=False, fallback_to_soft=False)  # a soft lock outlives its holder
    try:
        lock.acquire()
    except filelock.Timeout:
        raise errors.MachineError(f"{doing} by {_holder(lock_path)}", where=path, cure=cure) from None
    try:
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        with contextlib.suppress(OSError):  # a full disk will be told with what is needed
            lock_path.write_text(json.dumps(facts))
        yield
    finally:
        lock.release()


def _holder(lock_path):
    try:
        facts = json.loads(lock_path.read_text())
        return f"process {facts['pid']} on {facts['host']} since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def reserve(file, size, folder):
    """Give an open, empty file its full size on the disk, all zeros. Raises MachineError saying how much is missing."""
    try:
        os.posix_fallocate(file, 0, size)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_RESERVE:
            os.ftruncate(file, 0)  # what was set aside is of no use
            if error.errno in FULL:
                raise no_space(size, folder) from None
            raise
        os.ftruncate(file, size)  # macOS, and file systems that cannot reserve


def no_space(size, folder, cure="free space, or give another --cache-dir."):
    return errors.MachineError(f"this needs {amount(size)}, the disk has {amount(shutil.disk_usage(folder).free)} free",
                               where=folder, cure=cure)


def amount(size):
    """'4.46 GB'."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


def write_at(file, data, offset):
    """All of `data` (bytes, or a C-contiguous array) at an offset; one call of the system may write fewer."""
    left = memoryview(data).cast("B")
    while left:
        written = os.pwrite(file, left, offset)
        left, offset = left[written:], offset + written


def sync(file):
    """Return when the file's bytes are on the disk (its size was set before)."""
    getattr(os, "fdatasync", os.fsync)(file)


def commit(file, aside, path):
    """The open file `aside` gets its name; whoever opens `path` sees the old file or the whole new one."""
    os.fsync(file)
    aside.replace(path)
    sync_path(path.parent)


def sync_path(path):
    """Have the kernel write a file or folder to the disk: a name must not outlive a power cut without its content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path, data):
    """Write bytes aside and rename: half a file is never seen under this name."""
    path = pathlib.Path(path)
    aside = path.with_name(f"{path.name}.partial")
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        write_at(file, data, 0)
        commit(file, aside, path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    finally:
        os.close(file)
