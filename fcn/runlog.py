"""log.jsonl: one JSON object a line, appended in one write; a torn last line is left out by the reader."""

import json
import pathlib

from fcn import durable


def append(path, entry):
    with pathlib.Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def read(path):
    """All whole entries, in order; [] if there is no file."""
    entries = []
    path = pathlib.Path(path)
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def cut(path, step):
    """Drop entries after `step`: a resumed run writes them again."""
    path = pathlib.Path(path)
    kept = [json.dumps(entry) for entry in read(path) if entry["step"] <= step]
    write_whole(path, "".join(line + "\n" for line in kept))


def write_whole(path, text):
    """Write a text file aside, sync and rename it: a reader sees the old one or the new one, never half of either."""
    durable.write_whole(path, text.encode())
