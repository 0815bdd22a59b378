"""Shared by layouts: lists of the names of a split, one per line."""

from fcn.core import errors, file_kinds
from fcn.core.errors import Problem
from fcn.data.spec import Listing


def names(path):
    """The names in a list, in order. Raises DataError."""
    try:
        found = path.read_text(encoding="utf-8-sig", errors="surrogateescape").split()
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path,
                               fix=errors.reading_fix(error)) from None
    if unexpected := file_kinds.why_unreadable(path, "", file_kinds.EMPTY):
        raise errors.DataError("is not a list of names", where=path, why=unexpected,
                               fix="write one name per line, without folder and suffix, such as 2007_000032.")
    return found


def chosen(whole, path, name=str):
    """The part of a Listing that is in the list `path`. name(line): the name of the pair. Raises DataError."""
    lines = {name(line): line for line in names(path)}
    problems = [problem for problem in whole.problems if problem.path.stem in lines]
    known = {pair.name for pair in whole.pairs} | {problem.path.stem for problem in problems}
    problems += [Problem(path, f"lists {lines[one]}, which has no image or no label", "add it, or remove the line.")
                 for one in sorted(lines.keys() - known)]
    return Listing([pair for pair in whole.pairs if pair.name in lines], problems)


def first(path):
    """The first name in a list, or "". Never raises."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            return file.readline(1024).strip()
    except OSError:
        return ""
