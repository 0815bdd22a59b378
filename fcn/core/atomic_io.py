"""Crash-safe file writes: a file or folder has its final name only when it is complete.

Every file that must survive a crash is written by these functions. They look up `os.*` at each call, so that
benchmarks/faults.py can make each call fail, or end the process there.

    write_whole, write_json   write a file whose content is in memory
    NewFile                   write a file in pieces
    making                    make a folder, or a file that a library writes to a path
    rename                    rename a file or folder to its final name

All of them write under a temporary name (ownership.temporary_path) and rename it at the end.
"""

import concurrent.futures
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
NO_RESERVE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)  # the file system cannot preallocate space
CACHE_ELSEWHERE = "free space, or give another --cache-dir."
MANY_FILES, SYNCED_AT_ONCE = 32, 8  # of sync_tree()
LOCK_START = b'{"pid": '  # the first bytes of a lock file


@contextlib.contextmanager
def locked(path, doing="is being built", fix="wait until it is done and give the same command again.", where=None):
    """Hold the lock `<path>.lock`, so that one process writes `path`.

    doing, fix, where: text of the error. The kernel releases the lock when its holder ends; the file remains and has no
    meaning by itself. Raises MachineError if another process holds the lock, and names that process. Raises UsageError
    if `<path>.lock` is another kind of file.
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
            with contextlib.suppress(OSError):  # the write that follows reports a full disk
                lock_path.write_text(json.dumps(facts))
        yield
    finally:
        lock.release()


def _lock_text(lock_path):
    """The first bytes of a lock file; None without a file. Raises UsageError for another kind of file, and OSError."""
    if lock_path.is_file():
        with lock_path.open("rb") as file:
            found = file.read(len(LOCK_START))
        if LOCK_START.startswith(found):  # it may be truncated, if the disk was full
            return found
    elif not os.path.lexists(lock_path):
        return None
    raise errors.UsageError("is not a lock file, but has the name of one", where=lock_path, fix="move it away.")


def _holder(lock_path):
    """'process 12 on HOST since TIME', from the text of a lock file; 'another process' if that process has ended."""
    try:
        facts = json.loads(lock_path.read_text())
        if facts["host"] != socket.gethostname() or psutil.pid_exists(facts["pid"]):
            return f"process {facts['pid']} on {facts['host']} since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        pass
    return "another process"


def reserve(file, size, folder, fix=CACHE_ELSEWHERE):
    """Allocate `size` bytes of zeros on the disk for an open, empty file. Raises MachineError if the disk is full.

    folder, fix: text of the error.
    """
    try:
        os.posix_fallocate(file, 0, size)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_RESERVE:
            os.ftruncate(file, 0)  # release the part that was allocated
            if error.errno in FULL:
                raise no_space(size, folder, fix) from None
            raise
        os.ftruncate(file, size)  # macOS, and file systems that cannot reserve


def no_space(size, folder, fix=CACHE_ELSEWHERE):
    """The MachineError for a disk without `size` free bytes."""
    free = format_bytes(shutil.disk_usage(folder).free)
    return errors.MachineError(f"this needs {format_bytes(size)}, the disk has {free} free", where=folder, fix=fix)


def format_bytes(size):
    """'4.46 GB' for a number of bytes."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


def write_at(file, data, offset):
    """Write all of `data` (bytes or a C-contiguous array) at an offset. One system call may write only a part of it."""
    left = memoryview(data).cast("B")
    while left:
        written = os.pwrite(file, left, offset)
        left, offset = left[written:], offset + written


def sync(file):
    """Return when the file's bytes are on the disk. Its size must have been set before."""
    getattr(os, "fdatasync", os.fsync)(file)


def rename(temporary, path, new=False, sync=False):
    """Rename a file or folder. Raises UsageError.

    new: refuse to replace anything but an empty folder. sync: the new name survives a power cut; the content must be
    on the disk before.
    """
    if not new:
        temporary.replace(path)
    else:
        _rename_new(temporary, path)
    if sync:
        sync_path(path.parent)


def _rename_new(temporary, path):
    try:
        os.link(temporary, path)
    except OSError as error:  # folders have no hard links, nor do some file systems
        if ownership.occupied(path) or (isinstance(error, FileExistsError) and not temporary.is_dir()):
            raise ownership.taken(path) from None
        temporary.rename(path)
        return
    temporary.unlink(missing_ok=True)  # another writer may have removed it


def sync_path(path):
    """fsync a file or folder, so that a power cut does not leave a name without its content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(path):
    """sync_path() of a file, or of a folder after everything in it. Raises OSError.

    Many files are synced by several threads: a file system then waits for the disk once for several of them.
    """
    found = list(os.walk(path, topdown=False))
    files = [pathlib.Path(place, name) for place, _, names in found for name in names]
    if len(files) < MANY_FILES:
        for file in files:
            sync_path(file)
    else:
        with concurrent.futures.ThreadPoolExecutor(SYNCED_AT_ONCE) as pool:
            for synced in [pool.submit(sync_path, file) for file in files]:
                synced.result()
    for folder in [pathlib.Path(place) for place, _, _ in found] or [path]:
        sync_path(folder)


class NewFile:
    """Context manager of a new file. commit() renames it to `path`; without commit() it is deleted at the end.

    handle: file descriptor, for write_at() and reserve(). temporary: path of the temporary file. keep: start with the
    content that a killed process left, and keep an uncommitted file for the next process.
    Raises MachineError if another process is writing the same file.
    """

    def __init__(self, path, keep=False):
        self.path, self.keep = pathlib.Path(path), keep

    def __enter__(self):
        self.handle, self.temporary = ownership.open_temporary(self.path, self.keep)
        return self

    def opened(self):
        """A binary file object for writing. Close it before commit()."""
        return open(self.handle, "wb", closefd=False)

    def commit(self, new=False, sync=True):
        """Rename the file to `path`. A reader of `path` gets the old file or the complete new one.

        new: raise UsageError if `path` exists. sync=False: the file need not survive a power cut.
        """
        if sync:
            os.fsync(self.handle)
        rename(self.temporary, self.path, new, sync)
        self.keep = True

    def discard(self):
        """Delete the file at the end, also with `keep`."""
        self.keep = False

    def __exit__(self, *_):
        try:
            if not self.keep:
                with contextlib.suppress(OSError):
                    self.temporary.unlink()
        finally:
            os.close(self.handle)


def write_whole(path, data, new=False, sync=True):
    """Write bytes under a temporary name and rename the file to `path`, so that `path` never holds a part of them.

    new: raise UsageError if `path` exists. sync=False: the file need not survive a power cut. Raises MachineError if
    another process is writing the same file.
    """
    with NewFile(path) as file:
        write_at(file.handle, data, 0)
        file.commit(new, sync)


def write_json(path, content):
    """Write `content` as indented JSON with write_whole()."""
    write_whole(path, json.dumps(content, indent=1).encode())


@contextlib.contextmanager
def making(path, sync=True):
    """Yield a temporary path. A file or folder that the caller makes there is renamed to `path` at the end.

    sync: content and name survive a power cut. Raises UsageError if `path` exists, MachineError if another process is
    making it.
    """
    path = pathlib.Path(path)
    with ownership.workspace(path) as folder:
        made = folder / path.name
        yield made
        if os.path.lexists(made):
            publish(made, path, sync)


def publish(temporary, path, sync=True):
    """Rename a finished file or folder to `path`. Raises UsageError if `path` exists. sync: as for making()."""
    if sync:
        sync_tree(temporary)
    rename(temporary, path, new=True, sync=sync)
