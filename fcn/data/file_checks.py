"""Check the headers of all files of a data set before they are read: problems, and conversions that reading will make.

A header takes a tenth of a millisecond, so all bad headers are reported before the first image is decoded. Files that
are truncated after the header, and ids that are not classes, are found when they are read.
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

TURNED_BY_LABEL = "converted: image rotated by its EXIF orientation, like its label"
TURNED = "converted: image rotated by its EXIF orientation"
LEFT_ALONE = "warned: EXIF orientation ignored, because the label's size does not show whether the label is rotated too"
AT_ONCE = 64  # files or pairs per task of a thread
LOOKED_AT = 20  # number of 16-bit images that are decoded to find the range of their values
WHITE, FAR_BELOW = 65535, 1 << 14  # largest 16-bit value; values of cameras with 10, 12 or 14 bits are below FAR_BELOW


@dataclasses.dataclass(frozen=True)
class FileReport:
    """Result of check_files.

    good: pairs without a problem, in order. sizes: their (height, width) as they will be read. kinds: {"converted: ..."
    or "warned: ...": paths of images}, for lines().
    """

    good: list[Pair]
    sizes: list[tuple[int, int]]
    problems: list[Problem]
    kinds: dict[str, list]


def check_files(found, spec, max_pixels=images.MAX_PIXELS, progress=None):
    """Check the headers of pairs. Returns a FileReport. progress(done) is called after each pair."""
    good, sizes, problems, kinds = [], [], [], collections.defaultdict(list)
    checked = _each(found, lambda pair: _check_pair(pair, spec, max_pixels), progress)
    for pair, (size, pair_kinds, pair_problems) in zip(found, checked, strict=True):
        problems += pair_problems
        if not pair_problems:
            good.append(pair)
            sizes.append(size)
            for kind in pair_kinds:
                kinds[kind].append(pair.image)
    return FileReport(good, sizes, problems, dict(kinds))


def kinds_of(image_files, max_pixels=images.MAX_PIXELS, progress=None):
    """{kind: paths} of images without labels, for lines(). Files that cannot be read as images are skipped."""
    def kinds_of_image(path):
        try:
            return _kinds(images.header(path, images.IMAGE_FORMATS, "image", max_pixels), True)
        except errors.DataError:
            return []

    kinds = collections.defaultdict(list)
    for path, image_kinds in zip(image_files, _each(image_files, kinds_of_image, progress), strict=True):
        for kind in image_kinds:
            kinds[kind].append(path)
    return dict(kinds)


def lines(kinds, max_pixels=images.MAX_PIXELS):
    """Lines on the conversions that reading will make, and a warning if 16-bit images use a small part of their range.

    kinds: {"converted: ..." or "warned: ...": paths of images}.
    """
    conversions = [f"{kind}: {len(paths):,} image{'s' * (len(paths) > 1)}, the first {paths[0]}"
                   for kind, paths in kinds.items()]
    return conversions + _dark(kinds.get(f"converted: {images.SIXTEEN_TO_EIGHT}", []), max_pixels)


def _dark(image_files, max_pixels):
    """[a warning] if 16-bit images would be nearly black, as 12-bit images in 16 bits are. A sample is decoded."""
    largest = {}
    some = image_files[::-(-len(image_files) // LOOKED_AT) or 1]
    for path in some:
        try:
            largest[path] = images.largest_value(path, max_pixels)
        except errors.DataError:  # its reader reports it
            continue
    dark = {path: value for path, value in largest.items() if 0 < value < FAR_BELOW}
    if not dark:
        return []
    path, value = max(dark.items(), key=lambda item: item[1])
    factor = (WHITE + 1) >> value.bit_length()
    return [f"warned: 16-bit images that are nearly black as 8 bits: {len(dark)} of {len(some)} checked; the largest "
            f"value of {path} is {value:,} of {WHITE:,}, which becomes {value >> 8} of 255. If they have "
            f"{value.bit_length()} bits, multiply their values by {factor} and save them again"]


def _each(items, check, progress):
    """Yield check(item) for each item in order, computed on all cores. Calls progress(done)."""
    def check_some(start):
        return [check(item) for item in items[start:start + AT_ONCE]]

    pool = concurrent.futures.ThreadPoolExecutor(machine.cores())
    try:
        checked = (result for results in pool.map(check_some, range(0, len(items), AT_ONCE)) for result in results)
        for done, result in enumerate(checked, 1):
            yield result
            if progress:
                progress(done)
    finally:
        pool.shutdown(cancel_futures=True)


def _check_pair(pair, spec, max_pixels):
    """((height, width), kinds, Problems) of a pair; the size is None if there are problems."""
    problems = []
    try:
        header = images.header(pair.image, images.IMAGE_FORMATS, "image", max_pixels)
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
    """Kinds ("converted: ...", "warned: ...") of an image with this Header. turned: whether its EXIF is applied."""
    kinds = [f"converted: {kind}" for kind in images.conversions(header)]
    if turned and header.orientation > 1:
        kinds.append(turned_kind)
    elif header.orientation in (2, 3, 4) or (header.orientation > 4 and header.width == header.height):
        kinds.append(LEFT_ALONE)
    return kinds


def problem(error, path):
    """Convert a DataError to a Problem. path: the file, if the error does not name one."""
    why = [error.why] if isinstance(error.why, str) else list(error.why or [])
    return Problem(error.where or path, "; ".join([error.what, *why]), (error.fix or "").rstrip("."))


NO_OTHERS = "correct some of these files; there are no others."  # the fix if every file has a problem


def refuse(problems, total, of="pairs"):
    """Raise a DataError that lists these Problems. total: number of pairs or images; of: their name."""
    raise errors.DataError(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {total} {of}",
                           why=errors.several(problems),
                           fix="correct or remove these files; --skip-bad continues without them.")


LEAST_EMPTY = 8  # warn about at least so many channels without pixels, and at least twice those with pixels
MOST_FILES = 1000  # limit of label files that are read to find the colour of every id


def sparse_ids_warning(spec, class_pixels, pairs, asked, max_pixels=images.MAX_PIXELS):
    """Warn about labels without class names whose ids are far apart: the net would get many unused channels.

    class_pixels: (256,) pixels of each id in the labels of `pairs`. asked: has label_encoding and ignore_label, None
    unless given; they would override a file of classes. Returns lines, [] without a warning.
    """
    present = np.flatnonzero(class_pixels).tolist()
    classes = [i for i in present if i not in spec.ignored_ids]
    channels = max(classes, default=0) + 1
    empty = channels - len(classes)
    if spec.class_names or empty < max(LEAST_EMPTY, 2 * len(classes)):
        return []
    lines = [f"warned: {len(classes)} of {channels} ids occur: {', '.join(map(str, classes))}; the net gets {channels} "
             f"channels, {empty} of them for classes that never occur"]
    colours = _colours(spec, present, pairs, max_pixels)
    if colours is None:
        return [*lines, "  if these values are not ids, write the labels again with the ids 0 to "
                        f"{len(classes) - 1}; if they are ids, name them with --classes"]
    flags = [flag for flag in ("label-encoding", "ignore-label") if getattr(asked, flag.replace("-", "_")) is not None]
    without = f", without --{' and --'.join(flags)}" if flags else ""
    return [*lines, "  if these are grey values or colours and not ids, save the next line as classes.json and give "
                    f"--classes classes.json{without} (a run that has started keeps its classes: give another --run); "
                    "if they are ids, name them with --classes",
            _file(classes, [i for i in present if i not in classes], colours)]


def _file(classes, ignored, colours):
    """JSON of a file of classes (layouts/_classes.py) that maps these ids to 0, 1, 2, ..., the ignored ones last."""
    content = {"names": [f"class {i}" for i in classes], "colours": [list(colours[i]) for i in classes + ignored],
               "encoding": "colours"}
    if ignored:
        content["ignored"] = list(range(len(classes), len(classes) + len(ignored)))
    return json.dumps(content)


def _colours(spec, ids, pairs, max_pixels):
    """{id: (r, g, b)} as the label format "colours" reads the files; None unless each id has its own colour."""
    found: dict[int, tuple] = {}
    for pair in pairs[:MOST_FILES]:
        try:
            label = label_files.read_label(pair.label, spec, max_pixels)
            new = [i for i in np.unique(label).tolist() if i not in found]
            colours = _rgb.read(pair.label, max_pixels, as_colours=True) if new else label
        except errors.DataError:
            continue
        for i in new:
            pixels = colours[label == i]
            if (pixels != pixels[0]).any():
                return None
            found[i] = tuple(pixels[0].tolist())
        if found.keys() >= set(ids):
            return found if len(set(found.values())) == len(found) else None
    return None
