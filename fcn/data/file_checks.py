"""All files of a data set, by their headers, before anything is built: what is wrong, and what reading will change.

A header takes a tenth of a millisecond, so that every bad file is known before the first is decoded. Files that are
cut off after the header, and ids that are no class, are found when they are read. Training, evaluation, prediction
and inspection all say what reading changes in the lines of Kinds.
"""

import collections
import concurrent.futures
import dataclasses
import json

import numpy as np

from fcn.core import errors, machine
from fcn.core.errors import Problem
from fcn.data import images, label_files
from fcn.data.label_formats import _rgb
from fcn.data.spec import Pair

TURNED_BY_LABEL = "converted: photo turned as its EXIF orientation says, like its label"
TURNED = "converted: photo turned as its EXIF orientation says"
LEFT_ALONE = "warned: EXIF orientation left alone, as the label's size cannot tell whether the label is turned too"
AT_ONCE = 64  # files or pairs that a thread takes
LOOKED_AT = 20  # photos of 16 bits that are decoded to see how much of their range they use
WHITE, FAR_BELOW = 65535, 1 << 14  # of 16 bits; cameras give 10, 12 or 14


@dataclasses.dataclass(frozen=True)
class FileReport:
    """good: pairs without a problem, in order. sizes: their (height, width) as they will be read. kinds: of `lines`."""

    good: list[Pair]
    sizes: list[tuple[int, int]]
    problems: list[Problem]
    kinds: dict[str, list]


def check_files(found, spec, max_pixels=images.MAX_PIXELS, progress=None):
    """The FileReport on these pairs. progress(done) is called along the way."""
    good, sizes, problems, kinds = [], [], [], collections.defaultdict(list)
    seen = _each(found, lambda pair: _look(pair, spec, max_pixels), progress)
    for pair, (size, its_kinds, its_problems) in zip(found, seen, strict=True):
        problems += its_problems
        if not its_problems:
            good.append(pair)
            sizes.append(size)
            for kind in its_kinds:
                kinds[kind].append(pair.image)
    return FileReport(good, sizes, problems, dict(kinds))


def kinds_of(photos, max_pixels=images.MAX_PIXELS, progress=None):
    """{kind: paths} of photos that are read without labels, for `lines`; one that is no photo is left to its reader."""
    def look(path):
        try:
            return _kinds(images.header(path, images.PHOTO_FORMATS, "photo", max_pixels), True)
        except errors.DataError:
            return []

    kinds = collections.defaultdict(list)
    for path, its_kinds in zip(photos, _each(photos, look, progress), strict=True):
        for kind in its_kinds:
            kinds[kind].append(path)
    return dict(kinds)


def lines(kinds, max_pixels=images.MAX_PIXELS):
    """What a command says of its photos: a line for what reading does to them, and one if 16 bits are hardly used.

    kinds: {"converted: ..." or "warned: ...": paths of the photos}.
    """
    said = [f"{kind}: {len(paths):,} image{'s' * (len(paths) > 1)}, the first {paths[0]}"
            for kind, paths in kinds.items()]
    return said + _dark(kinds.get(f"converted: {images.SIXTEEN_TO_EIGHT}", []), max_pixels)


def _dark(photos, max_pixels):
    """The line on photos of 16 bits that would be nearly black, as those of 12 bits are; of many, some are decoded."""
    largest = {}
    some = photos[::-(-len(photos) // LOOKED_AT) or 1]
    for path in some:
        try:
            largest[path] = images.largest_value(path, max_pixels)
        except errors.DataError:  # its reader will say
            continue
    dark = {path: value for path, value in largest.items() if 0 < value < FAR_BELOW}
    if not dark:
        return []
    path, value = max(dark.items(), key=lambda item: item[1])
    factor = (WHITE + 1) >> value.bit_length()
    return [f"warned: 16-bit photos that are nearly black as 8 bits: {len(dark)} of {len(some)} looked at; the largest "
            f"value of {path} is {value:,} of {WHITE:,}, which becomes {value >> 8} of 255. If they hold "
            f"{value.bit_length()} bits, multiply their values by {factor} and save them again"]


def _each(found, look, progress):
    """look(item) of every item in order, on all cores. progress(done)."""
    def look_at(start):
        return [look(item) for item in found[start:start + AT_ONCE]]

    pool = concurrent.futures.ThreadPoolExecutor(machine.cores())
    try:
        seen = (result for results in pool.map(look_at, range(0, len(found), AT_ONCE)) for result in results)
        for done, result in enumerate(seen, 1):
            yield result
            if progress:
                progress(done)
    finally:
        pool.shutdown(cancel_futures=True)


def _look(pair, spec, max_pixels):
    """((height, width), kinds, Problems) of a pair; the first is None if there are problems."""
    problems = []
    try:
        header = images.header(pair.image, images.PHOTO_FORMATS, "photo", max_pixels)
    except errors.DataError as error:
        problems.append(problem(error, pair.image))
    try:
        size = label_files.label_size(pair.label, spec, max_pixels)
    except errors.DataError as error:
        problems.append(problem(error, pair.label))
    if problems:
        return None, (), problems
    try:
        turned = label_files.turned(header, size, pair.label)
    except errors.DataError as error:
        return None, (), [problem(error, pair.label)]
    return tuple(size), _kinds(header, turned, TURNED_BY_LABEL), []


def _kinds(header, turned, turned_kind=TURNED):
    """What reading a photo of this Header does to it, or cannot be sure of; turned: whether EXIF is followed."""
    kinds = [f"converted: {kind}" for kind in images.conversions(header)]
    if turned and header.orientation > 1:
        kinds.append(turned_kind)
    elif header.orientation in (2, 3, 4) or (header.orientation > 4 and header.width == header.height):
        kinds.append(LEFT_ALONE)
    return kinds


def problem(error, path):
    """The Problem that a DataError tells of, in `path` if it names no file."""
    why = [error.why] if isinstance(error.why, str) else list(error.why or [])
    return Problem(error.where or path, "; ".join([error.what, *why]), (error.fix or "").rstrip("."))


def refuse(problems, total, of="pairs"):
    """Raise the DataError that names these Problems, found in `total` pairs or photos."""
    raise errors.DataError(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {total} {of}",
                           why=errors.several(problems),
                           fix="mend or remove these files; --skip-bad goes on without them.")


LEAST_EMPTY = 8  # channels that no pixel would train, and twice those that some would
MOST_FILES = 1000  # that are read to see the colour of every id


def sparse_ids_warning(spec, class_pixels, pairs, asked, max_pixels=images.MAX_PIXELS):
    """Lines on ids of `spec` that lie far apart; [] where they lie close, or have names.

    class_pixels: (256,) pixels of each id in the labels of `pairs`. asked: has label_encoding and ignore_label, None or
    what was asked for; that would override the file of classes.
    """
    seen = np.flatnonzero(class_pixels).tolist()
    classes = [i for i in seen if i not in spec.ignored_ids]
    channels = max(classes, default=0) + 1
    empty = channels - len(classes)
    if spec.class_names or empty < max(LEAST_EMPTY, 2 * len(classes)):
        return []
    lines = [f"warned: {len(classes)} of {channels} ids occur: {', '.join(map(str, classes))}; the net gets {channels} "
             f"channels, {empty} of them for classes that never occur"]
    colours = _colours(spec, seen, pairs, max_pixels)
    if colours is None:
        return [*lines, "  if these values are not ids, write the labels again with the ids 0 to "
                        f"{len(classes) - 1}; if they are, --classes names them"]
    flags = [flag for flag in ("label-encoding", "ignore-label") if getattr(asked, flag.replace("-", "_")) is not None]
    without = f", without --{' and --'.join(flags)}" if flags else ""
    return [*lines, "  if these are grey values or colours and not ids, save the next line as classes.json and give "
                    f"--classes classes.json{without} (a run that has begun keeps its classes: give another --run); if "
                    "they are ids, --classes names them",
            _file(classes, [i for i in seen if i not in classes], colours)]


def _file(classes, ignored, colours):
    """The text of a file of classes (layouts/_classes.py) that makes these ids 0, 1, 2, ...; ignored ones come last."""
    content = {"names": [f"class {i}" for i in classes], "colours": [list(colours[i]) for i in classes + ignored],
               "encoding": "colours"}
    if ignored:
        content["ignored"] = list(range(len(classes), len(classes) + len(ignored)))
    return json.dumps(content)


def _colours(spec, ids, pairs, max_pixels):
    """{id: (r, g, b)} as the encoding "colours" sees them in the label files; None if they do not tell ids apart."""
    found: dict[int, tuple] = {}
    for pair in pairs[:MOST_FILES]:
        try:
            label = label_files.read_label(pair.label, spec, max_pixels)
            new = [i for i in np.unique(label).tolist() if i not in found]
            colours = _rgb.read(pair.label, max_pixels, as_colours=True) if new else label
        except errors.DataError:
            continue
        for i in new:
            its = colours[label == i]
            if (its != its[0]).any():
                return None
            found[i] = tuple(its[0].tolist())
        if found.keys() >= set(ids):
            return found if len(set(found.values())) == len(found) else None
    return None
