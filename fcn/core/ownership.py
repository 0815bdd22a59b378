"""Which files belong to this program. No file of the user is deleted or overwritten.

- A file or folder is made under a temporary name that contains a checksum of its final name (`temporary_path`). Other
  programs make no such names. A file with such a name was left by a killed process of this program.
- An output that the user names must not exist, unless it is an earlier output of the same command. `check_free` checks
  this before the work; atomic_io.rename with new=True checks it at the renaming.
"""

import contextlib
import fcntl
import hashlib
import itertools
import os
import pathlib
import re
import shlex
import shutil
import time

from fcn.core import errors

LONGEST_NAME = 200  # bytes of the final name in a temporary name; file systems allow 255 in all
WAIT_S = 60.0  # wait for another process that writes the same file; several workers prepare the demo together


def temporary_path(path):
    """The temporary path of a file or folder, in the same folder: .NAME.CHECKSUM.partial."""
    path = pathlib.Path(path)
    name = os.fsencode(path.name)
    shown = path.name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME].decode("utf-8", "ignore")
    return path.with_name(f".{shown}.{hashlib.sha256(b'fcn ' + name).hexdigest()[:16]}.partial")


def final_path(path):
    """The final path of a temporary path (the inverse of temporary_path); None for any other path."""
    name = re.fullmatch(r"\.(.+)\.[0-9a-f]{16}\.partial", path.name)
    final = path.with_name(name[1]) if name else None
    return final if final and temporary_path(final) == path else None


def is_temporary(path):
    """Whether this is a temporary path of temporary_path."""
    return final_path(path) is not None


def open_temporary(path, keep=False):
    """(descriptor, temporary path) of a new file for `path`, locked by this process until the descriptor is closed.

    keep: keep the content that a killed process left; otherwise the file is empty. Raises MachineError if another
    process holds it for longer than WAIT_S.
    """
    temporary = temporary_path(path)

    def opened():
        file = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o666)
        if os.fstat(file).st_nlink > 1:  # a process was killed between link and unlink (atomic_io.rename)
            temporary.unlink(missing_ok=True)
        return file
    file = _claimed(temporary, path, opened)
    if not keep and os.fstat(file).st_size:
        os.ftruncate(file, 0)
    return file, temporary


@contextlib.contextmanager
def workspace(path):
    """Context manager of an empty, locked folder beside `path` in which `path` is made. It is removed at the end.

    Raises MachineError if another process holds it for longer than WAIT_S.
    """
    folder = temporary_path(path)

    def opened():
        folder.mkdir(exist_ok=True)
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    handle = _claimed(folder, path, opened)
    try:
        for item in folder.iterdir():  # left by a killed process
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _claimed(temporary, path, open_):
    """Call open_() on `temporary` until this process holds its lock; returns the descriptor."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            handle = open_()
            if _flock(handle) and _is_at(handle, temporary):
                return handle
            os.close(handle)
        except FileNotFoundError:  # another process finished and removed the folder
            if not temporary.parent.is_dir():
                raise
        if time.monotonic() > deadline:
            raise errors.MachineError("is being written by another process", where=path,
                                      fix="wait until it is done, then run the same command again.")
        time.sleep(0.02)


def _flock(handle):
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # the file system has no locks
        return True
    return True


def _is_at(handle, path):
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def check_free(path, flag="", is_ours=lambda path: False):
    """Raise UsageError if `path` exists and is_ours(path), whether the same command wrote it, is false.

    flag: the option that names another path, for the message.
    """
    path = pathlib.Path(path)
    if occupied(path) and not is_ours(path):
        raise taken(path, flag)


def occupied(path):
    """Whether `path` exists and is not an empty folder."""
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir() or any(path.iterdir()))


def free(path, beside=lambda path: path):
    """The first of NAME-2.SUFFIX, NAME-3.SUFFIX, ... that does not exist, and for which beside(path) does not exist."""
    path = pathlib.Path(path)
    suffix = path.suffix if path.suffix[1:2].isalpha() else ""  # "v1.5" has no suffix
    stem = path.name.removesuffix(suffix)
    found = (path.with_name(f"{stem}-{number}{suffix}") for number in itertools.count(2))
    return next(other for other in found if not os.path.lexists(other) and not os.path.lexists(beside(other)))


def taken(path, flag=""):
    """The UsageError for an output that exists. flag: as for check_free()."""
    return errors.UsageError("exists already; nothing is overwritten", where=path,
                             fix=f"give {flag} {shlex.quote(str(free(path)))}, or move it away." if flag else
                             "move it away.")
