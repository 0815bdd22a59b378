"""Progress of a long task: one progress line on a terminal, plain lines in a file, log lines for a program.

Only commands print (core/terminal.py). A program that imports fcn gets the same lines from the logger "fcn".
"""

import contextlib
import logging
import os
import sys
import time

from rich import progress
from rich.console import Console
from rich.table import Column

from fcn.core import terminal

logger = logging.getLogger(__name__)

WIDE = 110  # columns; a narrower terminal has no room for a bar beside the numbers


class QuietConsole(Console):
    """A console that discards its output once its reader has ended, instead of ending the run."""

    def on_broken_pipe(self):
        """Redirect stdout to the null device."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ProgressBar:
    """Context manager of a task with `total` steps (None: unknown), starting at `done`.

    transient: remove the bar at the end.
    """

    def __init__(self, title, total, done=0, transient=False):
        self.console = QuietConsole(highlight=False, soft_wrap=True)
        self.live = terminal.is_command() and self.console.is_terminal
        self.total, self.title, self.last = total, title, time.monotonic()
        self.of = "" if total is None else f"/{total}"
        counter = f"{title} {total}{self.of}"  # a narrow terminal must show at least this
        self.bar = progress.Progress(
            progress.TextColumn("{task.description} {task.fields[whole]}" + self.of,
                                table_column=Column(no_wrap=True, overflow="ignore", min_width=len(counter))),
            *([progress.BarColumn(bar_width=20)] if self.console.width >= WIDE else []),
            progress.TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=self.console, disable=not self.live, transient=transient)
        self.task = self.bar.add_task(title, total=total, completed=done, whole=int(done), text="")

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *_):
        self.bar.stop()

    def show(self, step, text, remaining="", due=False):
        """Show the state after a step. Without a terminal, print a line if `due`, and at least once a minute."""
        self.bar.update(self.task, completed=step, whole=int(step), text=f"{text}  {remaining}")
        if not self.live and (due or time.monotonic() - self.last > 60):
            self.say(f"{self.title} {int(step)}{self.of}  {text}  {remaining}".rstrip())
            self.last = time.monotonic()

    def say(self, text):
        """Print a line above the bar."""
        if not terminal.is_command():
            logger.info(text)
            return
        try:
            self.bar.console.print(text, markup=False)
            sys.stdout.flush()
        except OSError:  # such as a full disk, if stdout is a file
            self.console.on_broken_pipe()

    def restore_cursor(self):
        """Show the cursor again, before the process ends without __exit__."""
        self.console.show_cursor(True)


@contextlib.contextmanager
def counted(title, total):
    """Context manager of a function progress(done, begun_with) that shows a bar with images/s and the remaining time.

    total: number of items, may be an estimate; None if unknown. begun_with: number of items that an earlier call has
    done.
    """
    started = time.monotonic()

    def advance(done, begun_with=0):
        speed = max(done - begun_with, 1e-3) / max(time.monotonic() - started, 1e-6)
        pace = f"{speed:.1f} images/s" if speed >= 1 else f"{1 / speed:.1f} s an image"
        part = f"{done / total:.0%}  " if total and done != int(done) else ""  # a part of a large image, in tiles
        left = f"{duration(max(total - done, 0) / speed)} to go" if total else ""
        bar.show(done, part + pace, left, due=done == total)
    with ProgressBar(title, total, transient=True) as bar:
        yield advance


def duration(seconds):
    """Format a duration: '45 s', '12 min', '3 h 05 min', '2 d 3 h'."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
