"""List the files of a folder. All commands and layouts use these functions.

Hidden files and files of operating systems (LITTER) are skipped. Suffixes match in upper and lower case. No file is
opened, because opening a pipe could block for ever. Files with other suffixes are collected for messages. The order is
natural (img2 before img10) and depends only on names, so it is the same on every file system.

Layouts sort their pairs by name as plain text (img10 before img2). The fingerprints of caches and runs depend on that
order, and a resumed run needs the same order of samples.
"""

import dataclasses
import itertools
import os
import pathlib
import re
import unicodedata

from fcn.core import errors
from fcn.core.errors import Problem

LITTER = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information",
          "lost+found")
NUMBER = re.compile("([0-9]+)")


@dataclasses.dataclass(frozen=True)
class Found:
    """Content of a folder.

    files: regular files with one of the suffixes, in natural order. odd: Problems of other entries with such a suffix
    (broken links, pipes), and of sub-folders that cannot be listed. others: {suffix in lower case: other regular
    files}. folders: sub-folders.
    """

    files: list[pathlib.Path]
    odd: list[Problem]
    others: dict[str, list[pathlib.Path]]
    folders: list[pathlib.Path]


def is_litter(name):
    """Whether a name is hidden, or made by macOS, Windows or a file server."""
    return name.startswith(".") or name.lower() in LITTER


def natural(name):
    """Sort key of a name in natural order. Case and Unicode normalisation decide only between otherwise equal names."""
    parts = NUMBER.split(unicodedata.normalize("NFC", name).casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def natural_path(path):
    """Sort key of a path: that of each part."""
    return [natural(part) for part in pathlib.PurePath(path).parts]


def entries(folder):
    """os.DirEntry objects of a folder without litter, unsorted. Raises DataError."""
    try:
        with os.scandir(folder) as scan:
            return [entry for entry in scan if not is_litter(entry.name)]
    except OSError as error:
        raise errors.DataError(f"cannot be listed: {error.strerror}", where=folder,
                               fix=errors.reading_fix(error)) from None


def look(folder, suffixes):
    """The Found of a folder, without the content of sub-folders. suffixes: in lower case. Raises DataError."""
    found = Found([], [], {}, [])
    for entry in sorted(entries(folder), key=lambda entry: natural(entry.name)):
        path = pathlib.Path(folder) / entry.name
        suffix, regular = path.suffix.lower(), _is(entry.is_file)
        if _is(entry.is_dir):
            found.folders.append(path)
        if regular and suffix in suffixes:
            found.files.append(path)
        elif regular:
            found.others.setdefault(suffix, []).append(path)
        elif suffix in suffixes:
            found.odd.append(Problem(path, irregular(path), "remove it."))
    return found


def walk(folder, suffixes, without=lambda path: False):
    """The Found of a folder and of all its sub-folders, except those for which without(path) is true.

    Links to folders are followed after all other folders. No folder is listed twice, so circular links end.
    Raises DataError if `folder` itself cannot be listed.
    """
    whole, visited = Found([], [], {}, []), set()
    waiting: list[pathlib.Path] = [pathlib.Path(folder)]
    links: list[pathlib.Path] = []
    while waiting or links:
        here = waiting.pop() if waiting else links.pop(0)
        identity = _identity(here)
        if identity in visited:
            continue
        visited.add(identity)
        try:
            found = look(here, suffixes)
        except errors.DataError as error:
            if here == pathlib.Path(folder):
                raise
            whole.odd.append(Problem(here, error.what, error.fix.rstrip(".")))
            continue
        whole.files.extend(found.files)
        whole.odd.extend(problem for problem in found.odd if problem.path not in found.folders)
        for suffix, paths in found.others.items():
            whole.others.setdefault(suffix, []).extend(paths)
        for path in itertools.filterfalse(without, found.folders):
            whole.folders.append(path)
            (links if path.is_symlink() else waiting).append(path)
    return Found(sorted(whole.files, key=natural_path), whole.odd, whole.others, whole.folders)


def holds(folder, suffixes):
    """Whether `folder` has an entry with one of the suffixes; False if it cannot be listed."""
    try:
        return any(pathlib.Path(entry.name).suffix.lower() in suffixes for entry in entries(folder))
    except errors.DataError:
        return False


def is_folder(*paths):
    """Whether all paths are folders; False for a path without access."""
    return all(os.path.isdir(path) for path in paths)  # noqa: PTH112  (pathlib's raises where access is denied)


def irregular(path):
    """Why this path is not a regular file ("is a broken link", "is missing", ...), or "". The file is not opened."""
    if os.path.isfile(path):  # noqa: PTH113  (it does not raise for circular links and folders without access)
        return ""
    if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH114, PTH110
        return "is a broken link"
    return "is not a regular file" if os.path.exists(path) else "is missing"  # noqa: PTH110


def regular(paths):
    """The set of those paths that are regular files. Lists each folder once, instead of a stat call per file."""
    listed = {}
    for folder in dict.fromkeys(path.parent for path in paths):
        try:
            with os.scandir(folder) as scan:
                listed[folder] = {entry.name for entry in scan if _is(entry.is_file)}
        except OSError:
            listed[folder] = set()
    # On some file systems, names that differ in case or Unicode normalisation are the same file.
    return {path for path in paths if path.name in listed[path.parent] or not irregular(path)}


def counted(others):
    """'6 .gif and 1 .txt files' for Found.others, the most frequent suffix first; "" if empty."""
    most = sorted(others.items(), key=lambda item: (-len(item[1]), item[0]))
    words = [f"{len(paths):,} {suffix or 'without suffix'}" for suffix, paths in most]
    if not words:
        return ""
    files = "file" if sum(map(len, others.values())) == 1 else "files"
    return f"{', '.join(words[:-1]) + ' and ' if words[1:] else ''}{words[-1]} {files}"


def not_read(others, suffixes):
    """['6 .gif files are not read; readable: .png .bmp'] for Found.others; [] if empty."""
    one = sum(map(len, others.values())) == 1
    return [f"{counted(others)} {'is' if one else 'are'} not read; readable: {' '.join(suffixes)}"] if others else []


def _is(test):
    """Call entry.is_file or entry.is_dir; False for circular links."""
    try:
        return test()
    except OSError:
        return False


def _identity(path):
    """Identity of a folder, the same for all paths to it; None if it does not exist."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino) if facts.st_ino else os.path.realpath(path)
