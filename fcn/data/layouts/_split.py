"""Split of a data set that has no splits: from a file split.csv in its folder, or drawn.

The drawn validation split is the tenth of the pairs (rounded up) with the smallest SHA-256 of their names. So it is the
same on every machine, and an added pair changes the split of at most one other pair.
"""

import collections
import csv
import hashlib
import math
import pathlib

from fcn.core import atomic_io, errors, file_kinds, tables
from fcn.core.errors import Problem
from fcn.data.spec import Listing

FILE = "split.csv"
PART = 10  # one pair in 10 is for validation
NAMES = {"training": ("training", "train"), "validation": ("validation", "valid", "val"),
         "test": ("test", "public-test")}
SPLIT_OF = {name: split for split, names in NAMES.items() for name in names}


def part(root, whole, split):
    """The part of the Listing `whole` in a split. Raises DataError.

    Files with a Problem belong to a split too. So each is reported once, and correcting it does not move other pairs.
    """
    if is_file(root):
        return _as_written(pathlib.Path(root) / FILE, whole, split)
    if split not in ("training", "validation"):
        raise errors.DataError(f"the data set has no split '{split}': it has no splits, and only training and "
                               "validation are drawn", where=root,
                               fix=f"write {FILE} with the columns name,split into the data folder.")
    if len(whole.pairs) == 1:
        raise errors.DataError("holds one pair, expected at least one for training and one for validation", where=root,
                               why=errors.several(whole.problems),
                               fix=f"{'correct these files, or ' if whole.problems else ''}add another pair.")
    chosen = drawn({pair.name for pair in whole.pairs} | {problem.path.stem for problem in whole.problems})
    return Listing([pair for pair in whole.pairs if chosen[pair.name] == split],
                   [problem for problem in whole.problems if chosen[problem.path.stem] == split], whole.notes, True)


def is_file(root):
    """Whether the folder has a split.csv."""
    return (pathlib.Path(root) / FILE).is_file()


def idle(root):
    """[the note that split.csv is not used], for a data set with splits; [] without the file."""
    return [f"{FILE} is not used, because the data set has splits."] if is_file(root) else []


def drawn(names):
    """{name: "training" or "validation"} of a drawn split."""
    order = sorted(names, key=lambda name: hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
    validation = set(order[:math.ceil(len(order) / PART)])
    return {name: "validation" if name in validation else "training" for name in names}


def read(path):
    """{name: split} of a split file, with "" for an unknown split. Raises DataError."""
    return _known(_lines(path))


def _known(lines):
    return {name: SPLIT_OF.get(word, "") for name, word in lines}


def _lines(path):
    """[(name, split as written)] of a split file. Raises DataError."""
    try:
        with pathlib.Path(path).open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            delimiter = max(",;\t", key=file.readline(4096).count)
            file.seek(0)
            lines = csv.DictReader(file, delimiter=delimiter)
            return [(tables.unescape_formula(line["name"]), (line["split"] or "").strip().lower()) for line in lines]
    except (OSError, KeyError, csv.Error) as error:
        raise errors.DataError("is not a split file", where=path,
                               why=file_kinds.why_unreadable(path, f"{type(error).__name__}: {error}"),
                               fix="write the columns name,split; split is training, validation or test.") from None


def _as_written(path, whole, split):
    lines = _lines(path)
    split_of, known = _known(lines), {pair.name for pair in whole.pairs}
    twice = [name for name, count in collections.Counter(name for name, _ in lines).items() if count > 1]
    bad = {problem.path.stem for problem in whole.problems}
    problems = [problem for problem in whole.problems if split_of.get(problem.path.stem, split) == split]
    problems += [Problem(path, f"lists '{name}' more than once", "leave one line.") for name in twice]
    for name, word in lines:
        if name not in known and name not in bad:
            problems.append(Problem(path, f"'{name}' is not a pair of the data set", "remove the line."))
        elif word not in SPLIT_OF:
            problems.append(Problem(path, f"'{name}' is in the unknown split '{word}'", "use training or validation."))
    problems += [Problem(pair.image, f"is not listed in {path}", "add a line.") for pair in whole.pairs
                 if pair.name not in split_of]
    pairs = [pair for pair in whole.pairs if split_of.get(pair.name) == split and pair.name not in twice]
    if not pairs:
        raise errors.DataError(f"lists no pair for {split}", where=path, why=errors.several(problems),
                               fix="write the columns name,split; split is training, validation or test.")
    return Listing(pairs, problems, [*whole.notes, f"The split is read from {path.name}."])


def write(path, split_of):
    """Write {name: split} as a split file, by atomic_io.write_whole()."""
    text = tables.csv_text([("name", "split"), *sorted(split_of.items())], "\r\n")
    atomic_io.write_whole(path, text.encode("utf-8", "surrogateescape"))
