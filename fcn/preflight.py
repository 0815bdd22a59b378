"""All files of a data set, by their headers, before anything is built: what is wrong, and what reading will change.

A header takes a tenth of a millisecond, so that every bad file is known before the first is decoded. Files that are
cut off after the header, and ids that are no class, are found when they are read.
"""

import collections
import concurrent.futures
import dataclasses

from fcn import errors, images, machine, pairs, shelf
from fcn.spec import Pair, Problem

TURNED = "converted: photo turned as its EXIF orientation says, like its label"
LEFT_ALONE = "warned: EXIF orientation left alone, as the label's size cannot tell whether the label is turned too"
AT_ONCE = 64  # pairs that a thread takes


@dataclasses.dataclass(frozen=True)
class Report:
    """good: pairs without a problem, in order. sizes: their (height, width) as they will be read.

    counts: good photos by what reading does to them, "converted: ...", or cannot be sure of, "warned: ...".
    """

    good: list[Pair]
    sizes: list[tuple[int, int]]
    problems: list[Problem]
    counts: dict[str, int]


def check(found, spec, max_pixels=images.MAX_PIXELS, progress=None):
    """The Report on these pairs. progress(done) is called along the way."""
    encoding = shelf.pick("encodings", spec.encoding)
    good, sizes, problems, counts = [], [], [], collections.Counter[str]()

    def look_at(start):
        return [_look(pair, encoding, max_pixels) for pair in found[start:start + AT_ONCE]]

    pool = concurrent.futures.ThreadPoolExecutor(machine.cores())
    try:
        seen = (result for results in pool.map(look_at, range(0, len(found), AT_ONCE)) for result in results)
        for done, (pair, (size, kinds, its_problems)) in enumerate(zip(found, seen, strict=True), 1):
            problems += its_problems
            if not its_problems:
                good.append(pair)
                sizes.append(size)
                counts.update(kinds)
            if progress:
                progress(done)
    finally:
        pool.shutdown(cancel_futures=True)
    return Report(good, sizes, problems, dict(counts))


def _look(pair, encoding, max_pixels):
    """((height, width), kinds for the counts, Problems) of a pair; the first is None if there are problems."""
    problems = []
    try:
        header = images.header(pair.image, images.PHOTO_FORMATS, "photo", max_pixels)
    except errors.DataError as error:
        problems.append(problem(error, pair.image))
    try:
        size = encoding.size(pair.label, max_pixels)
    except errors.DataError as error:
        problems.append(problem(error, pair.label))
    if problems:
        return None, (), problems
    try:
        turned = pairs.turned(header, size, pair.label)
    except errors.DataError as error:
        return None, (), [problem(error, pair.label)]
    kinds = [f"converted: {kind}" for kind in images.conversions(header)]
    if turned:
        kinds.append(TURNED)
    elif header.orientation in (2, 3, 4) or (header.orientation > 4 and header.width == header.height):
        kinds.append(LEFT_ALONE)
    return tuple(size), kinds, []


def problem(error, path):
    """The Problem that a DataError tells of, in `path` if it names no file."""
    why = [error.why] if isinstance(error.why, str) else list(error.why or [])
    return Problem(error.where or path, "; ".join([error.what, *why]), (error.cure or "").rstrip("."))


def refuse(problems, total, of="pairs"):
    """Raise the DataError that names these Problems, found in `total` pairs or photos."""
    raise errors.DataError(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {total} {of}",
                           why=errors.several(problems),
                           cure="mend or remove these files; --skip-bad goes on without them.")
