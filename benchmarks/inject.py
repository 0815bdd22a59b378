"""Fault injection at system calls that change the disk: one call fails or kills the process.

fcn writes durable files only through functions of `os`, so wrapping these reaches every durable call. A case runs in a
forked process, so that the fault affects only that process.
"""

import contextlib
import errno
import io
import os
import signal
import sys
import time
import traceback

CALLS = ("open", "mkdir", "pwrite", "ftruncate", "posix_fallocate", "fdatasync", "fsync", "replace", "rename",
         "link", "unlink", "rmdir", "truncate")
DIED = 99  # exit code of a child that a fault ended
MODES = ("die before", "die torn", "die after", "ENOSPC", "EIO", "ENOSPC from here on")


def child(work, *arguments):
    """Run work(*arguments) in a forked process and return its pid. Its exit code is the result of work, or DIED."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        with io.StringIO() as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            code = work(*arguments) or 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def wait(pid):
    """Wait for a child and return its exit code; minus the number of the signal if one killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_after(pid, seconds, begun=lambda: True):
    """Send SIGKILL `seconds` after begun() becomes true. Returns whether it arrived before the process ended."""
    deadline = None
    while deadline is None or time.monotonic() < deadline:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return wait(pid) == -signal.SIGKILL
        deadline = time.monotonic() + seconds if deadline is None and begun() else deadline
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    return wait(pid) == -signal.SIGKILL


class Injector:
    """Wraps CALLS of `os` and injects the fault `mode` at call number `at`, from 1; at=0 only counts the calls."""

    def __init__(self, at=0, mode="die before"):
        self.at, self.mode, self.count = at, mode, 0

    def __enter__(self):
        self.real = {name: getattr(os, name) for name in CALLS if hasattr(os, name)}
        for name in self.real:
            setattr(os, name, self._wrapped(name))
        return self

    def __exit__(self, *_):
        for name, function in self.real.items():
            setattr(os, name, function)

    def _wrapped(self, name):
        def call(*arguments, **options):
            if name == "open" and not arguments[1] & os.O_CREAT:
                return self.real[name](*arguments, **options)
            self.count += 1
            if self.count == self.at or (self.mode.endswith("on") and self.count > self.at > 0):
                self._fault(name, arguments, options)
            return self.real[name](*arguments, **options)
        return call

    def _fault(self, name, arguments, options):
        if self.mode == "die before":
            os._exit(DIED)
        if self.mode == "die after":
            with contextlib.suppress(OSError):  # for example, the folder exists
                self.real[name](*arguments, **options)
            os._exit(DIED)
        if self.mode == "die torn":
            if name == "pwrite":
                file, data, offset = arguments
                self.real[name](file, memoryview(data)[:max(1, len(data) // 2)], offset)
            elif name == "posix_fallocate":
                file, offset, size = arguments
                self.real[name](file, offset, max(1, size // 2))
            os._exit(DIED)
        number = errno.EIO if self.mode == "EIO" else errno.ENOSPC
        raise OSError(number, os.strerror(number))
