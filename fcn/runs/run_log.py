"""log.jsonl and speed.jsonl: one JSON object per line, each appended in one write. Readers ignore an incomplete line.

log.jsonl is a function of settings and data: a resumed run writes the same bytes as an uninterrupted one. speed.jsonl
holds times, and every start and end.
"""

import contextlib
import json
import math
import os
import pathlib

from fcn.core import atomic_io


class Log:
    """Appends entries to a file. Entries that a full disk refuses are kept and written with a later entry."""

    def __init__(self, path):
        self.path, self.waiting = pathlib.Path(path), b""
        if self.path.exists():  # an incomplete line would make the next one unreadable
            content = self.path.read_bytes()
            if not content.endswith(b"\n"):
                os.truncate(self.path, content.rfind(b"\n") + 1)

    def append(self, entry):
        """Write an entry (a dict), or keep it for later if that fails. NaN and infinity become null."""
        self.waiting += (json.dumps({key: _finite(value) for key, value in entry.items()}) + "\n").encode()
        with contextlib.suppress(OSError):  # saving a checkpoint calls flush() again and reports the error
            self.flush()

    def flush(self, sync=False):
        """Write the waiting entries. sync: with fsync. Raises OSError, and then keeps all of them."""
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
    """All complete entries, in order; [] without a file."""
    path = pathlib.Path(path)
    return [entry for _, entry in _lines(path.read_bytes() if path.exists() else b"")]


def cut(path, step, validated=None):
    """Delete entries after `step`, and validations after step `validated`, which a resumed run writes again.

    A validation is an entry with keys val_*; their values are null without labelled pixels.
    """
    path, last = pathlib.Path(path), {True: step if validated is None else validated, False: step}
    kept = [line for line, entry in _lines(path.read_bytes() if path.exists() else b"")
            if entry["step"] <= last[any(key.startswith("val_") for key in entry)]]
    atomic_io.write_whole(path, b"".join(line + b"\n" for line in kept))


def _finite(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(content):
    """Yield (bytes, dict) of each line that is a JSON object with a step."""
    for line in content.split(b"\n"):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            yield line, entry
