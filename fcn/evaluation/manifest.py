"""manifest.json: list of the files in a folder of results, which distinguishes the program's files from a user's.

    {"format": "fcn results 1", "kind": "evaluation", ..., "files": {"report.json": [81234, 1795708893], ...}}

A file is listed with its size in bytes and its modification time in seconds; an edited file may have the same size.
"files" is added last, when every file is on the disk; a folder without it is unfinished. An empty folder is listed as
"name/": 0.
"""

import contextlib
import json
import os
import pathlib
import stat

from fcn.core import atomic_io, ownership

NAME = "manifest.json"
ASIDE = ownership.temporary_path(NAME).name  # temporary name while it is being written
FORMAT = "fcn results 1"
CLOCK_S = 2  # tolerance for modification times, which FAT and archives round
NO_FILE = -1  # listed for links, pipes and the like, which the program never writes


def write_manifest(folder, content):
    """Write the manifest of a folder. content: a dict."""
    atomic_io.write_json(pathlib.Path(folder) / NAME, {"format": FORMAT} | content)


def read_manifest(folder):
    """Return the content of a folder's manifest, or None if this program wrote none there."""
    path = pathlib.Path(folder) / NAME
    try:
        content = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None
    if isinstance(content, dict) and content.get("format") == FORMAT and isinstance(content.get("files", {}), dict):
        return content
    return None


def seal(folder, content):
    """Sync everything in the folder to the disk, then write its manifest with the list of files."""
    atomic_io.sync_tree(folder)
    write_manifest(folder, content | {"files": entries(folder)})


def update(folder, name):
    """Update the entry of a file that was rewritten. Does nothing for a folder without a list."""
    content = read_manifest(folder)
    if content and name in content.get("files", {}):
        content["files"][name] = _facts(pathlib.Path(folder) / name)
        write_manifest(folder, content)


def is_changed(folder, name):
    """Return whether a file differs from its entry in the folder's list."""
    content, path = read_manifest(folder), pathlib.Path(folder) / name
    if not content or "files" not in content or not os.path.lexists(path):
        return False
    return not _is_own(name, _facts(path), content["files"])


def entries(folder):
    """Return {relative path: facts} of all files and empty folders, without the manifest. Raises OSError."""
    folder, found = pathlib.Path(folder), {}
    for place, folders, files in os.walk(folder, onerror=_raise):
        here = pathlib.Path(place)
        for path in (here / name for name in (*files, *folders)):
            if path.is_symlink() or not path.is_dir():
                found[path.relative_to(folder).as_posix()] = _facts(path)
        if not files and not folders and here != folder:
            found[f"{here.relative_to(folder).as_posix()}/"] = 0
    found.pop(NAME, None)
    return found


def _facts(path):
    """Return [size in bytes, modification time in seconds] of a regular file, else NO_FILE."""
    status = path.lstat()
    return [status.st_size, int(status.st_mtime)] if stat.S_ISREG(status.st_mode) else NO_FILE


def foreign(folder, files):
    """Return the sorted names in the folder that are not in the list `files` or have changed. Raises OSError."""
    return sorted(name for name, facts in entries(folder).items() if not _is_own(name, facts, files))


def _is_own(name, facts, files):
    """Return whether the program wrote this file or folder.

    A listed folder that was emptied counts, and so does the temporary file of a process that was killed.
    """
    if name.endswith("/") and any(listed.startswith(name) for listed in files):
        return True
    final = ownership.final_path(pathlib.PurePath(name))
    being_written = final is not None and facts != NO_FILE and (str(final) in files or str(final) == NAME)
    return being_written or _same(facts, files.get(name))


def _same(facts, listed):
    try:
        return facts == listed or (facts[0] == listed[0] and abs(facts[1] - listed[1]) <= CLOCK_S)
    except (TypeError, IndexError):  # a folder, or a list with other content
        return False


def is_own(folder):
    """Return whether the program created this folder: it has a manifest, or only the temporary file of one."""
    folder = pathlib.Path(folder)
    if folder.is_symlink() or not folder.is_dir():
        return False
    return read_manifest(folder) is not None or _names(folder) <= {ASIDE}


def remove(folder, files=None):
    """Delete a folder that the program created: the files listed in `files` (None: all), then folders and the manifest.

    The manifest is deleted last, so that an interrupted deletion can be finished. Files that are not listed are kept,
    and the manifest with them. Raises OSError.
    """
    folder = pathlib.Path(folder)
    for name, facts in entries(folder).items():
        if not name.endswith("/") and (files is None or _is_own(name, facts, files)):
            (folder / name).unlink()
    for below in [pathlib.Path(place) for place, _, _ in os.walk(folder, topdown=False)][:-1]:
        with contextlib.suppress(OSError):  # not empty
            below.rmdir()
    if _names(folder) <= {NAME, ASIDE}:
        for name in (ASIDE, NAME):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def _names(folder):
    return {path.name for path in folder.iterdir()}


def _raise(error):
    raise error
