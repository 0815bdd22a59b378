"""Exceptions with their exit codes, and the function that prints them as messages.

    0    ok                        5    MachineError: disk, lock, device
    2    UsageError                6    DivergedError: loss or gradient not finite
    3    DataError                 70   a bug
    4    WeightsError              129 SIGHUP, 130 SIGINT, 143 SIGTERM (and SIGUSR1)
"""

import dataclasses
import errno
import io
import os
import pathlib
import sys
import tempfile
import traceback

from fcn.core import terminal


class FcnError(Exception):
    """Base class. The message is one block of text: "where: what", then why, then "Fix: fix".

    what: what failed, one line. where: the file or folder, or None. why: a line or a list of lines, such as what was
    found and what was expected. fix: what the user can do.
    """

    exit_code = 70

    def __init__(self, what, *, where=None, why=None, fix=None):
        self.what, self.where, self.why, self.fix = what, where, why, fix
        lines = [f"{where}: {what}" if where else what]
        lines += [why] if isinstance(why, str) else list(why or [])
        lines += [f"Fix: {fix}"] if fix else []
        super().__init__("\n  ".join(lines))


class UsageError(FcnError):
    """Wrong options, settings or paths."""

    exit_code = 2


class DataError(FcnError):
    """Images, labels or caches that cannot be used."""

    exit_code = 3


class WeightsError(FcnError):
    """Weight files or checkpoints that cannot be used."""

    exit_code = 4


class MachineError(FcnError):
    """A full disk, missing permissions, a lock of another process, too little memory, a missing device."""

    exit_code = 5


class DivergedError(FcnError):
    """A loss, gradient or weight that is not finite."""

    exit_code = 6


class Stopped(FcnError):
    """A signal ended the run after a checkpoint was saved. The exit code is 128 + signal."""

    def __init__(self, signal_number, what):
        super().__init__(what)
        self.exit_code = 128 + signal_number


def reading_fix(error):
    """What to do about an OSError on reading a file or listing a folder."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return "permit this user to read it and to enter its folders (chmod)."
    return "add it, or correct its path." if error.errno == errno.ENOENT else "check the path and the disk."


def several(problems, most=20):
    """The first `most` lines of grouped(problems), and a line with the number of the others."""
    lines = grouped(problems)
    return lines[:most] + ([f"... and {len(lines) - most} more"] if len(lines) > most else [])


def run_command(main, argv):
    """Call main(argv) as a command. Prints an error as one block on stderr. Returns the exit code.

    With --debug in argv, the traceback is printed. That of a bug is written to a new file in the system's temporary
    folder.
    """
    if sys.stdout is None or sys.stderr is None:  # a daemon may have closed them
        nowhere = pathlib.Path(os.devnull).open("w")  # noqa: SIM115  (open as long as the process)
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):  # file names may contain characters that the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with terminal.as_command():
            return main(argv) or 0
    except FcnError as error:
        if "--debug" in argv:
            traceback.print_exc()
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of stdout has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except SystemExit as error:
        if not in_plugin(error):  # raised by argparse
            raise
        return _unexpected(error, "--debug" in argv)
    except Exception as error:
        return _unexpected(error, "--debug" in argv)


def in_plugin(error):
    """The innermost frame of a traceback in a plugin folder, as "FILE:LINE"; "" if there is none."""
    from fcn.core import registry  # it imports this module
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if any(pathlib.Path(frame.filename).is_relative_to(folder) for folder in registry.folders())]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _unexpected(error, debug):
    if debug:
        traceback.print_exc()
    plugin = in_plugin(error)
    if plugin:
        text = (str(error).strip().splitlines() or ["no text"])[0][:300]
        print(f"UsageError: {plugin}: {type(error).__name__}: {text}\n  The error was raised in a plugin.\n"
              "  Fix: correct the plugin (docs/plugins.md has an example of each kind); --debug shows the traceback.",
              file=sys.stderr)
        return UsageError.exit_code
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        print(f"MachineError: {error.filename or 'disk'}: {error.strerror}\n"
              "  Fix: check permissions and free space.", file=sys.stderr)
        return MachineError.exit_code
    try:
        handle, path = tempfile.mkstemp(".log", "fcn-bug-")
        with os.fdopen(handle, "w", errors="backslashreplace") as log:
            log.write(traceback.format_exc())
        kept = f"The traceback is in {path}."
    except OSError:
        kept = "Run it again with --debug to see the traceback."
    print(f"A bug: {type(error).__name__}: {error}\n  {kept} Please report it.", file=sys.stderr)
    return 70


@dataclasses.dataclass(frozen=True)
class Problem:
    """A file that cannot be used: its path, the reason, and what the user can do."""

    path: pathlib.Path
    reason: str
    fix: str = ""

    def __str__(self):
        return f"{self.path}: {self.reason}" + (f" ({self.fix})" if self.fix else "")


def grouped(problems, examples=3):
    """Lines for Problems or texts. More than `examples` Problems with one reason in one folder become one line."""
    groups: dict = {}
    for problem in problems:
        of = (problem.path.parent, problem.reason, problem.fix) if isinstance(problem, Problem) else problem
        groups.setdefault(of, []).append(problem)
    lines: list[str] = []
    for of, same in groups.items():
        if len(same) <= examples or not isinstance(same[0], Problem):
            lines += map(str, same)
        else:
            names = ", ".join(problem.path.name for problem in same[:examples])
            lines.append(str(Problem(of[0], f"{len(same):,} files ({names}, ...), each of which {of[1]}", of[2])))
    return lines
