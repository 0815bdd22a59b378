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


def damaged(found, spec, max_pixels=images.MAX_PIXELS, progress=None):
    """Problems of the Pairs `found` that only reading all of their pixels shows, such as an incomplete file."""
    def problem_of(pair):
        try:
            label_files.read_pair(pair, spec, (1, 1), max_pixels)
        except errors.DataError as error:
            return problem(error, pair.image)
        return None
    return [one for one in _each(found, problem_of, progress) if one]


def kinds_of(image_files, channels=3, max_pixels=images.MAX_PIXELS, progress=None):
    """{kind: paths} of images without labels, for lines(). Files that cannot be read as images are skipped."""
    def kinds_of_image(path):
        try:
            return _kinds(images.image_header(path, max_pixels, channels), True)
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
        header = images.image_header(pair.image, max_pixels, spec.channels)
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


MOST_LISTED = 64  # ids in a message
LEAST_EMPTY = 8  # warn about at least so many channels without pixels, and at least twice those with pixels


def sparse_ids_warning(spec, class_pixels, ignore_label=None):
    """Warn about labels without class names whose ids are far apart: the net would get many unused channels.

    class_pixels: (ids,) pixels of each id in the labels. ignore_label: of --ignore-label, None unless given; it would
    ignore classes of the file that is advised. Returns lines, [] without a warning; the last one is that file.
    """
    classes = [i for i in np.flatnonzero(class_pixels).tolist() if i not in spec.ignored_ids]
    channels = max(classes, default=0) + 1
    empty = channels - len(classes)
    if spec.class_names or empty < max(LEAST_EMPTY, 2 * len(classes)):
        return []
    without = "" if ignore_label is None else ", without --ignore-label"
    content = {"names": [f"class {i}" for i in classes], "remap": {str(i): n for n, i in enumerate(classes)}}
    return [f"warned: {len(classes)} of {channels} ids occur: {_rgb.listed(classes, MOST_LISTED)}; the net gets "
            f"{channels} channels, {empty} of them for classes that never occur",
            f"  for a net of {len(classes)} channels, save the next line as classes.json and give --classes "
            f"classes.json{without} (a run that has started keeps its classes: give another --run)",
            json.dumps(content)]
