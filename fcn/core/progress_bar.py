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


class Unheard(Console):
    """A console whose reader may leave: what is said then goes nowhere, for a screen is not worth a run."""

    def on_broken_pipe(self):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ProgressBar:
    """Context manager of one long task of `total` steps, starting at `done`; a transient bar leaves no trace."""

    def __init__(self, title, total, done=0, transient=False):
        self.console = Unheard(highlight=False, soft_wrap=True)
        self.live = terminal.is_command() and self.console.is_terminal
        self.total, self.title, self.last = total, title, time.monotonic()
        counter = f"{title} {total}/{total}"  # the last thing that a narrow terminal may cut
        self.bar = progress.Progress(
            progress.TextColumn("{task.description} {task.fields[whole]}/{task.total:.0f}",
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
        """The state after a step. Without a terminal it is printed when `due` and at least once a minute."""
        self.bar.update(self.task, completed=step, whole=int(step), text=f"{text}  {remaining}")
        if not self.live and (due or time.monotonic() - self.last > 60):
            self.say(f"{self.title} {int(step)}/{self.total}  {text}  {remaining}".rstrip())
            self.last = time.monotonic()

    def say(self, text):
        """A line that stays."""
        if not terminal.is_command():
            logger.info(text)
            return
        try:
            self.bar.console.print(text, markup=False)
            sys.stdout.flush()
        except OSError:  # also a full disk behind a redirection
            self.console.on_broken_pipe()

    def restore_cursor(self):
        """Leave the terminal as it was, before a sudden end."""
        self.console.show_cursor(True)


@contextlib.contextmanager
def counted(title, total):
    """progress(done, begun_with) for work whose items are merely counted, shown with images/s and time to go.

    begun_with: how many were done before, by an earlier call.
    """
    started = time.monotonic()

    def advance(done, begun_with=0):
        speed = max(done - begun_with, 1e-3) / max(time.monotonic() - started, 1e-6)
        pace = f"{speed:.1f} images/s" if speed >= 1 else f"{1 / speed:.1f} s an image"
        part = f"{done / total:.0%}  " if done != int(done) else ""  # of a large image, in windows
        screen.show(done, part + pace, f"{(total - done) / speed:.0f} s to go", due=done == total)
    with ProgressBar(title, total, transient=True) as screen:
        yield advance
