"""Which files are the program's own: nothing of the user's is deleted or overwritten.

- A file or folder is made under a temporary name that holds a checksum of its name (`aside_of`). Nobody else's file has
  such a name, so whatever has it was left by a process of this program that was killed.
- An output that the user names must not be there yet (`check_free`, and atomic_io.rename with new=True, which refuses
  in the moment of the renaming), unless it is proven to be an earlier output of the same command.
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

LONGEST_NAME = 200  # bytes of a file's name in its temporary name; file systems allow 255
WAIT_S = 10.0  # for another process that writes the same file


def aside_of(path):
    """The temporary name of a file or folder, in the same folder: with a checksum of its name, which is the proof that
    what lies there is this program's.
    """
    path = pathlib.Path(path)
    name = os.fsencode(path.name)
    shown = path.name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME].decode("utf-8", "ignore")
    return path.with_name(f".{shown}.{hashlib.sha256(b'fcn ' + name).hexdigest()[:16]}.partial")


def final_of(path):
    """The path whose temporary name (aside_of) this path has; None if it has none."""
    name = re.fullmatch(r"\.(.+)\.[0-9a-f]{16}\.partial", path.name)
    final = path.with_name(name[1]) if name else None
    return final if final and aside_of(final) == path else None


def is_aside(path):
    """Whether a path has a temporary name as aside_of makes it."""
    return final_of(path) is not None


def open_aside(path, keep=False):
    """(descriptor, temporary path) of `path`: an empty file that this process alone writes, until it is closed.

    keep: with what a killed process left in it. Raises MachineError if another process writes it for longer than
    WAIT_S.
    """
    aside = aside_of(path)

    def opened():
        file = os.open(aside, os.O_RDWR | os.O_CREAT, 0o666)
        if os.fstat(file).st_nlink > 1:  # a process was killed when the file had its name already (atomic_io.rename)
            aside.unlink(missing_ok=True)
        return file
    file = _claimed(aside, path, opened)
    if not keep and os.fstat(file).st_size:
        os.ftruncate(file, 0)
    return file, aside


@contextlib.contextmanager
def workspace(path):
    """An empty folder beside `path`, of this process alone, in which `path` is made; it is removed in the end.

    Raises MachineError if another process makes the same for longer than WAIT_S.
    """
    folder = aside_of(path)

    def opened():
        folder.mkdir(exist_ok=True)
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    handle = _claimed(folder, path, opened)
    try:
        for item in folder.iterdir():  # of a process that was killed
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _claimed(aside, path, open_):
    """The descriptor that open_() gives of `aside`, once no other process has it."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            handle = open_()
            if _flock(handle) and _is_at(handle, aside):
                return handle
            os.close(handle)
        except FileNotFoundError:  # another process was done with the folder in between
            if not aside.parent.is_dir():
                raise
        if time.monotonic() > deadline:
            raise errors.MachineError("is being written by another process", where=path,
                                      fix="wait until it is done, and give the same command again.")
        time.sleep(0.02)


def _flock(handle):
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _is_at(handle, path):
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def check_free(path, flag="", is_ours=lambda path: False):
    """Raise UsageError if `path` is there, unless is_ours(path) proves it to be an earlier output of the same command.

    flag: the option that can name another place, for the message.
    """
    path = pathlib.Path(path)
    if occupied(path) and not is_ours(path):
        raise taken(path, flag)


def occupied(path):
    """Whether something is at `path`: anything but an empty folder."""
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir() or any(path.iterdir()))


def free(path, beside=lambda path: path):
    """A path like this one that is not there, nor beside(path): NAME-2.SUFFIX, NAME-3.SUFFIX, ..."""
    path = pathlib.Path(path)
    suffix = path.suffix if path.suffix[1:2].isalpha() else ""  # "v1.5" has none
    stem = path.name.removesuffix(suffix)
    found = (path.with_name(f"{stem}-{number}{suffix}") for number in itertools.count(2))
    return next(other for other in found if not os.path.lexists(other) and not os.path.lexists(beside(other)))


def taken(path, flag=""):
    return errors.UsageError("is there already; nothing is overwritten", where=path,
                             fix=f"give {flag} {shlex.quote(str(free(path)))}, or move it away." if flag else
                             "move it away.")
