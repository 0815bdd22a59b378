"""log.jsonl and speed.jsonl: one JSON object a line, appended in one write; a torn last line is left out by the reader.

log.jsonl holds what follows from settings and data: a killed and resumed run has the bytes of an undisturbed one.
speed.jsonl holds what the clock says, and every start and end.
"""

import contextlib
import json
import math
import os
import pathlib

from fcn.core import atomic_io


class Log:
    """Appends entries to a file. What a full disk refuses waits, and comes with a later entry; nothing is torn."""

    def __init__(self, path):
        self.path, self.waiting = pathlib.Path(path), b""
        if self.path.exists():  # half a line would swallow the next one
            content = self.path.read_bytes()
            if not content.endswith(b"\n"):
                os.truncate(self.path, content.rfind(b"\n") + 1)

    def append(self, entry):
        """Write an entry (a dict), or keep it for later if the disk is full. JSON has no NaN and no infinity: null."""
        self.waiting += (json.dumps({key: _finite(value) for key, value in entry.items()}) + "\n").encode()
        with contextlib.suppress(OSError):  # a checkpoint, which must not be ahead of its log, will say so
            self.flush()

    def flush(self, sync=False):
        """Write what waits, down to the disk itself if `sync`. Raises OSError; then all of it waits on."""
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            end = os.fstat(file).st_size
            try:
                atomic_io.write_at(file, self.waiting, end)
                if sync:
                    os.fsync(file)
            except OSError:
                os.ftruncate(file, end)
                raise
            self.waiting = b""
        finally:
            os.close(file)


def read_entries(path):
    """All whole entries, in order; [] if there is no file."""
    path = pathlib.Path(path)
    return [entry for _, entry in _lines(path.read_bytes() if path.exists() else b"")]


def cut(path, step, validated=None):
    """Drop entries after `step`, and validations after step `validated`: a resumed run writes them again.

    A validation is an entry with numbers called val_*; they are null where no pixel was labelled.
    """
    path, last = pathlib.Path(path), {True: step if validated is None else validated, False: step}
    kept = [line for line, entry in _lines(path.read_bytes() if path.exists() else b"")
            if entry["step"] <= last[any(key.startswith("val_") for key in entry)]]
    atomic_io.write_whole(path, b"".join(line + b"\n" for line in kept))


def _finite(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(content):
    """(bytes, dict) of every line that holds an object with a step."""
    for line in content.split(b"\n"):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            yield line, entry
