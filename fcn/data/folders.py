"""What is in a folder: the one rule by which every command and layout lists files.

Hidden files and what operating systems leave behind (LITTER) do not count. An ending counts in upper and lower case.
Nothing is opened, so that a pipe cannot hang. Files of other endings are counted, to be named in messages. The order is
natural (img2 before img10) and follows from names alone, so it is the same on every file system.

Layouts sort their pairs once more, by name as plain text (img10 before img2): that order is part of the fingerprint of
caches and runs, and a run that is resumed must see its samples in the order in which it began.
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
    """files: regular files of the wanted endings, in natural order. odd: Problems of what has such an ending and is no
    regular file, or of sub-folders that cannot be listed. others: {ending in lower case: regular files}. folders: of
    the folder itself.
    """

    files: list[pathlib.Path]
    odd: list[Problem]
    others: dict[str, list[pathlib.Path]]
    folders: list[pathlib.Path]


def is_litter(name):
    """Whether a name is hidden, or of what macOS, Windows and file servers make by themselves."""
    return name.startswith(".") or name.lower() in LITTER


def natural(name):
    """A sort key of a name: numbers count as numbers; case and how accents are stored count last."""
    parts = NUMBER.split(unicodedata.normalize("NFC", name).casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def natural_path(path):
    """The same for a path, part by part."""
    return [natural(part) for part in pathlib.PurePath(path).parts]


def entries(folder):
    """The os.DirEntry of all that counts in a folder, in no order. Raises DataError."""
    try:
        with os.scandir(folder) as scan:
            return [entry for entry in scan if not is_litter(entry.name)]
    except OSError as error:
        raise errors.DataError(f"cannot be listed: {error.strerror}", where=folder) from None


def look(folder, suffixes):
    """The Found of a folder without its sub-folders; suffixes: wanted endings in lower case. Raises DataError."""
    found = Found([], [], {}, [])
    for entry in sorted(entries(folder), key=lambda entry: natural(entry.name)):
        path = pathlib.Path(folder) / entry.name
        ending, regular = path.suffix.lower(), _asked(entry.is_file)
        if _asked(entry.is_dir):
            found.folders.append(path)
        if regular and ending in suffixes:
            found.files.append(path)
        elif regular:
            found.others.setdefault(ending, []).append(path)
        elif ending in suffixes:
            found.odd.append(Problem(path, irregular(path), "remove it."))
    return found


def walk(folder, suffixes, without=lambda path: False):
    """The Found of a folder and all folders in it, except those for which without(path) is true.

    Raises DataError if `folder` itself cannot be listed.

    Links to folders are followed after all other folders, and no folder is listed twice: a circle of links ends.
    """
    whole, seen = Found([], [], {}, []), set()
    waiting: list[pathlib.Path] = [pathlib.Path(folder)]
    links: list[pathlib.Path] = []
    while waiting or links:
        here = waiting.pop() if waiting else links.pop(0)
        identity = _identity(here)
        if identity in seen:
            continue
        seen.add(identity)
        try:
            found = look(here, suffixes)
        except errors.DataError as error:
            if here == pathlib.Path(folder):
                raise
            whole.odd.append(Problem(here, error.what))
            continue
        whole.files.extend(found.files)
        whole.odd.extend(problem for problem in found.odd if problem.path not in found.folders)
        for ending, paths in found.others.items():
            whole.others.setdefault(ending, []).extend(paths)
        for path in itertools.filterfalse(without, found.folders):
            whole.folders.append(path)
            (links if path.is_symlink() else waiting).append(path)
    return Found(sorted(whole.files, key=natural_path), whole.odd, whole.others, whole.folders)


def holds(folder, suffixes):
    """Whether a name with one of the endings is in `folder`; False too where one may not look."""
    try:
        return any(pathlib.Path(entry.name).suffix.lower() in suffixes for entry in entries(folder))
    except errors.DataError:
        return False


def is_folder(*paths):
    """Whether all of these are folders; False too where one may not even be asked."""
    return all(os.path.isdir(path) for path in paths)  # noqa: PTH112  (pathlib's raises where access is denied)


def irregular(path):
    """Why this path is no regular file that could be opened, or "". Asks the file system alone."""
    if os.path.isfile(path):  # noqa: PTH113  (no link, circle of links or forbidden folder makes it raise)
        return ""
    if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH114, PTH110
        return "is a broken link"
    return "is no regular file" if os.path.exists(path) else "is missing"  # noqa: PTH110


def regular(paths):
    """The set of those paths that are regular files. Each folder is listed once instead of a stat of every file."""
    listed = {}
    for folder in dict.fromkeys(path.parent for path in paths):
        try:
            with os.scandir(folder) as scan:
                listed[folder] = {entry.name for entry in scan if _asked(entry.is_file)}
        except OSError:
            listed[folder] = set()
    # A file system may know a file under other spellings of its name: in upper and lower case, or with other accents.
    return {path for path in paths if path.name in listed[path.parent] or not irregular(path)}


def counted(others):
    """'6 .gif and 1 .txt files' of Found.others, the most frequent first; "" of none."""
    most = sorted(others.items(), key=lambda item: (-len(item[1]), item[0]))
    words = [f"{len(paths):,} {ending or 'without ending'}" for ending, paths in most]
    if not words:
        return ""
    files = "file" if sum(map(len, others.values())) == 1 else "files"
    return f"{', '.join(words[:-1]) + ' and ' if words[1:] else ''}{words[-1]} {files}"


def not_read(others, suffixes):
    """['6 .gif files are not read; readable: .png .bmp'] of Found.others; [] of none."""
    one = sum(map(len, others.values())) == 1
    return [f"{counted(others)} {'is' if one else 'are'} not read; readable: {' '.join(suffixes)}"] if others else []


def _asked(question):
    """entry.is_file() or entry.is_dir(), False for links in a circle."""
    try:
        return question()
    except OSError:
        return False


def _identity(path):
    """What tells a folder from all others, whatever the path to it; None if there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino) if facts.st_ino else os.path.realpath(path)
