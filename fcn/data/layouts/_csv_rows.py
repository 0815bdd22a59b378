"""Read and check the lines of a CSV list of pairs."""

import collections
import csv
import dataclasses
import pathlib

from fcn.core import errors, file_kinds, tables
from fcn.core.errors import Problem
from fcn.data import folders, images
from fcn.data.layouts import _folders, _split
from fcn.data.spec import Pair

IMAGES, MASKS = ("images", "image"), ("masks", "mask")
WORDS = {**_split.SPLIT_OF, "1": "training", "0": "validation"}
TUTORIAL = {"training": ("train", "training"), "validation": ("valid", "val", "validation")}  # {split: folder names}


@dataclasses.dataclass(frozen=True)
class Row:
    """A line: paths of image and label, and the split, "" without one. text: the image's path as written."""

    text: str
    image: pathlib.Path
    label: pathlib.Path
    split: str


def candidates(root):
    """Lists of pairs in a folder, or the file `root` itself: CSV files with a column images. Never raises."""
    root = pathlib.Path(root)
    try:
        paths = [root] if root.is_file() else folders.look(root, (".csv",)).files
        return [path for path in paths if path.suffix.lower() == ".csv" and path.name != _split.FILE
                and _columns(path)]
    except (OSError, errors.DataError):
        return []


def one(root, expected):
    """The list of pairs in `root`. expected: text of the error. Raises DataError unless there is exactly one."""
    if not pathlib.Path(root).is_file():
        _folders.existing(root)
    found = candidates(root)
    if len(found) != 1:
        names = ", ".join(path.name for path in found)
        kind = file_kinds.why_unreadable(root)
        raise errors.DataError(f"holds several lists of pairs: {names}" if found else
                               "neither is nor holds a list of pairs",
                               where=root, why=[kind, expected] if kind else expected,
                               fix="give the file itself: --data FILE.csv.")
    return found[0]


def _columns(path):
    """(delimiter, {"images": title, "masks": title or None, "split": title or None}); None for another file."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            first = file.readline(4096)
        delimiter = max(",;\t", key=first.count)
        names = {name.strip().lower(): name for name in next(csv.reader([first], delimiter=delimiter), [])}
    except (OSError, csv.Error):
        return None
    found = {"images": next((names[n] for n in IMAGES if n in names), None),
             "masks": next((names[n] for n in MASKS if n in names), None),
             "split": next((names[n] for n in ("split", "train") if n in names), None)}
    return (delimiter, found) if found["images"] and (found["masks"] or names.get("train")) else None


def read(path):
    """(Rows, Problems) of a list. Raises DataError unless it is a CSV file with a column images."""
    columns = _columns(path)
    if columns is None:
        raise errors.DataError("has no column images", where=path, fix="start it with the line images,masks,split.")
    delimiter, column = columns
    rows, problems = [], []
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for number, line in enumerate(csv.DictReader(file, delimiter=delimiter), 2):
                texts = {key: tables.unescape_formula((line.get(name) or "").strip()).replace("\\", "/")
                         for key, name in column.items()}
                reason = _line_problem(texts, column)
                if reason:
                    problems.append(Problem(path, f"line {number}: {reason}", "correct or remove the line"))
                else:
                    rows.append(_row(path.parent, texts, column))
    except (OSError, csv.Error) as error:
        fix = errors.reading_fix(error) if isinstance(error, OSError) else \
            "write it again as CSV, with the columns images,masks,split and one line per image."
        raise errors.DataError("cannot be read as CSV", where=path, why=str(error), fix=fix) from None
    counts = collections.Counter(row.image for row in rows)
    problems += [Problem(path, f"lists {image.name} {count} times", "leave one line.")
                 for image, count in counts.items() if count > 1]
    return [row for row in rows if counts[row.image] == 1], problems


def _line_problem(texts, column):
    """What is wrong with the texts of a line, or ""."""
    if not texts["images"]:
        return "no image"
    if column["masks"] and not texts["masks"]:
        return f"{texts['images']} has no mask"
    if column["split"] and texts["split"].lower() not in WORDS:
        return f"{texts['images']} is in the unknown split '{texts['split']}'"
    if not column["masks"] and WORDS[texts["split"].lower()] not in TUTORIAL:
        return f"{texts['images']} has no mask: only training and validation have a folder of masks"
    if pathlib.PurePosixPath(texts["images"]) == pathlib.PurePosixPath(texts["masks"]):
        return f"{texts['images']} is both image and mask; paths are relative to the folder of the list"
    for text in (texts["images"], texts["masks"]):
        if pathlib.PurePosixPath(text).is_absolute() or ".." in pathlib.PurePosixPath(text).parts or text[1:2] == ":":
            return f"{text} is outside the data folder"
        if "\0" in text:
            return "a name contains a zero byte"
    return ""


def _row(folder, texts, column):
    split = WORDS[texts["split"].lower()] if column["split"] else ""
    if column["masks"]:
        return Row(texts["images"], folder / texts["images"], folder / texts["masks"], split)
    bases = [base / name for base in (folder, folder.parent) for name in TUTORIAL[split]]
    base = next((base for base in bases if (base / "images" / texts["images"]).is_file()), bases[0])
    return Row(texts["images"], base / "images" / texts["images"], base / "masks" / texts["images"], split)


def pairs(rows):
    """([(Pair, split)] sorted by name, [(Problem, split)]) of Rows.

    The name is the image's stem, or its path with _ for / if images in two folders have that stem.
    """
    good, problems = [], []
    existing = folders.regular([path for row in rows for path in (row.image, row.label)])
    for row in rows:
        problem = (_unusable(row.image, images.IMAGE_SUFFIXES, existing)
                   or _unusable(row.label, _folders.label_suffixes(), existing))
        if problem:
            problems.append((problem, row.split))
        else:
            good.append(row)
    stems = collections.Counter(_folders.folded(row.image.stem) for row in good)
    names = [row.image.stem if stems[_folders.folded(row.image.stem)] == 1 else
             "_".join(pathlib.PurePosixPath(row.text).with_suffix("").parts) for row in good]
    counts = collections.Counter(map(_folders.folded, names))
    found = []
    for row, name in zip(good, names, strict=True):
        if counts[_folders.folded(name)] == 1:
            found.append((Pair(name, row.image, row.label), row.split))
        else:
            problems.append((Problem(row.image, f"has the name {name}, like another image", "rename it."), row.split))
    return sorted(found, key=lambda item: item[0].name), problems


def shared(rows):
    """Notes on masks that are listed more than once."""
    counts = collections.Counter(row.label for row in rows)
    return [f"{label.name} is the mask of {count} images." for label, count in counts.items() if count > 1]


def _unusable(path, suffixes, existing):
    """The Problem of a path that is not a regular file (not in `existing`) or has another suffix; or None."""
    reason = "" if path in existing else folders.irregular(path)
    if not reason and path.suffix.lower() not in suffixes:
        reason = f"does not end in {' '.join(suffixes)}"
    return Problem(path, reason, "correct the list, or add the file.") if reason else None
