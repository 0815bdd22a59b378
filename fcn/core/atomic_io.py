"""Files that are whole or not there: the few calls that reach the disk, in the order that survives a sudden end.

Everything that must outlive a crash is written by these functions. They go through `os.*` at each call, so that
benchmarks/faults.py can make every single one of them fail or be the last.

    write_whole, write_json   a file whose content is in memory
    NewFile                   a file that is written piece by piece
    making                    a folder, or a file that a library writes to a path of its own
    rename                    gives a file or folder its name

Whatever it is, it is made under a temporary name (ownership.aside_of) and then renamed.
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
import psutil

from fcn.core import errors, ownership

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_RESERVE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)  # file systems that cannot set space aside
CACHE_ELSEWHERE = "free space, or give another --cache-dir."
LOCK_START = b'{"pid": '  # of the text in a lock file


@contextlib.contextmanager
def locked(path, doing="is being built", fix="wait until it is done and give the same command again.", where=None):
    """Hold `<path>.lock`: one writer of `path`. Raises MachineError naming who holds it; doing, fix, where: its words.

    The kernel gives the lock back when its holder dies; the file that stays behind means nothing. Raises UsageError if
    the lock file is not this program's.
    """
    lock_path = path.with_name(f"{path.name}.lock")
    found = _lock_text(lock_path)
    lock = filelock.FileLock(lock_path, blocking=False, fallback_to_soft=False)  # a soft lock outlives its holder
    try:
        lock.acquire()
    except filelock.Timeout:
        if not lock_path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(lock_path)) from None
        raise errors.MachineError(f"{doing} by {_holder(lock_path)}", where=where or path, fix=fix) from None
    try:
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        if found != b"":  # an empty file may be the lock of another program
            with contextlib.suppress(OSError):  # a full disk will be told with what is needed
                lock_path.write_text(json.dumps(facts))
        yield
    finally:
        lock.release()


def _lock_text(lock_path):
    """The first bytes of a lock file, None if there is none. Raises UsageError if it is not this program's, OSError."""
    if lock_path.is_file():
        with lock_path.open("rb") as file:
            found = file.read(len(LOCK_START))
        if LOCK_START.startswith(found):  # a full disk may have cut it off
            return found
    elif not os.path.lexists(lock_path):
        return None
    raise errors.UsageError("has the name of this program's lock file, and is another file", where=lock_path,
                            fix="move it away.")


def _holder(lock_path):
    """Who holds a lock, by the text in its file; that of a process that has ended is older than the holder."""
    try:
        facts = json.loads(lock_path.read_text())
        if facts["host"] != socket.gethostname() or psutil.pid_exists(facts["pid"]):
            return f"process {facts['pid']} on {facts['host']} since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        pass
    return "another process"


def reserve(file, size, folder, fix=CACHE_ELSEWHERE):
    """Give an open, empty file its full size on the disk, all zeros. Raises MachineError saying how much is missing."""
    try:
        os.posix_fallocate(file, 0, size)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_RESERVE:
            os.ftruncate(file, 0)  # what was set aside is of no use
            if error.errno in FULL:
                raise no_space(size, folder, fix) from None
            raise
        os.ftruncate(file, size)  # macOS, and file systems that cannot reserve


def no_space(size, folder, fix=CACHE_ELSEWHERE):
    return errors.MachineError(f"this needs {amount(size)}, the disk has {amount(shutil.disk_usage(folder).free)} free",
                               where=folder, fix=fix)


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


def rename(aside, path, new=False, sync=False):
    """Give a file or folder its name. new: nothing may have that name, except an empty folder. Raises UsageError.

    sync: the new name survives a power cut. What it names must be on the disk before.
    """
    if not new:
        aside.replace(path)
    else:
        _rename_new(aside, path)
    if sync:
        sync_path(path.parent)


def _rename_new(aside, path):
    try:
        os.link(aside, path)
    except OSError as error:  # folders have no hard links, and some file systems have none at all
        if ownership.occupied(path) or (isinstance(error, FileExistsError) and not aside.is_dir()):
            raise ownership.taken(path) from None
        aside.rename(path)
        return
    aside.unlink(missing_ok=True)  # another process that wants to write may have cleared it away


def sync_path(path):
    """Have the kernel write a file or folder to the disk: a name must not outlive a power cut without its content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(path):
    """sync_path() of everything in a folder, from the inside out, then of the folder; or of a file. Raises OSError."""
    inside = [pathlib.Path(place, name) for place, _, files in os.walk(path, topdown=False) for name in (*files, "")]
    for item in inside or [path]:
        sync_path(item)


class NewFile:
    """A context manager: a file under a temporary name, which commit() renames to `path`. Otherwise it is deleted.

    handle: its descriptor, for write_at() and reserve(). aside: its temporary path. keep: the file begins with what a
    killed process left, and stays for the next one if it is not committed or discarded.
    Raises MachineError if another process is writing the same file.
    """

    def __init__(self, path, keep=False):
        self.path, self.keep = pathlib.Path(path), keep

    def __enter__(self):
        self.handle, self.aside = ownership.open_aside(self.path, self.keep)
        return self

    def opened(self):
        """The same file as a Python file for writing bytes; to be closed before commit()."""
        return open(self.handle, "wb", closefd=False)

    def commit(self, new=False, sync=True):
        """Give the file its name; whoever opens `path` sees the old file or the whole new one.

        new: there must be no old one. sync=False: it need not survive a power cut. Raises UsageError if there is one.
        """
        if sync:
            os.fsync(self.handle)
        rename(self.aside, self.path, new, sync)
        self.keep = True

    def discard(self):
        """Delete the file at the end even with `keep`."""
        self.keep = False

    def __exit__(self, *_):
        try:
            if not self.keep:
                with contextlib.suppress(OSError):
                    self.aside.unlink()
        finally:
            os.close(self.handle)


def write_whole(path, data, new=False, sync=True):
    """Write bytes under a temporary name and rename: half a file is never seen under this name.

    new: never in the place of an existing file. sync=False: it need not survive a power cut. Raises UsageError if there
    is a file already, MachineError if another process is writing it.
    """
    with NewFile(path) as file:
        write_at(file.handle, data, 0)
        file.commit(new, sync)


def write_json(path, content):
    """Write what json takes as indented text, as write_whole() does."""
    write_whole(path, json.dumps(content, indent=1).encode())


@contextlib.contextmanager
def making(path, sync=True):
    """Yield a temporary path for a new file or folder, and rename what was made there to `path`, where nothing may be.

    If nothing was made, nothing is renamed. sync: all of it is on the disk before, and the name after. Raises
    UsageError if something is at `path`, MachineError if another process is making the same.
    """
    path = pathlib.Path(path)
    with ownership.workspace(path) as folder:
        made = folder / path.name
        yield made
        if os.path.lexists(made):
            publish(made, path, sync)


def publish(aside, path, sync=True):
    """Rename a finished file or folder to `path`, where nothing may be. sync: as for making(). Raises UsageError."""
    if sync:
        sync_tree(aside)
    rename(aside, path, new=True, sync=sync)
