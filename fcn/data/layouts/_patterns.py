"""Patterns of paths, relative to the folder of a data set: where its images and its labels are.

    leftImg8bit/{split}/{name}_leftImg8bit.png        gtFine/{split}/{name}_gtFine_labelTrainIds.png

    {name}     what an image and its label have in common; may span folders
    {split}    the split, such as train or val; a folder's name or a part of one
    *          any text in the name of one folder or file
    .*         at the end: any suffix that can be read

Upper and lower case differ, except in the suffix of files.
"""

import collections
import dataclasses
import pathlib
import re

from fcn.core import errors
from fcn.data import folders, images
from fcn.data.layouts import _affix, _folders, _split
from fcn.data.spec import Listing

TOKENS = re.compile(r"(\{[^{}]*\}|\*)")
MEANS = {"{name}": "(?P<name>.+)", "{split}": "(?P<split>[^/]+?)", "*": "[^/]*"}
FIX = "correct --images and --labels: paths relative to --data, in which {name} stands for what an image and its " \
      "label have in common."
EXAMPLE = "--images 'images/{name}.jpg' --labels 'masks/{name}.png'"


@dataclasses.dataclass(frozen=True)
class Matched:
    """The files of a pattern.

    of: {path: (split, name)}; split is "" for a pattern without {split}, and a name of SPLIT_OF's values where known.
    folder: the folder that was searched. found: folders.Found of it.
    """

    of: dict[pathlib.Path, tuple[str, str]]
    folder: pathlib.Path
    found: folders.Found


def check(text, option):
    """Raise UsageError if `text` is not a pattern. option: "--images" or "--labels", for messages."""
    parts = TOKENS.findall(text)
    unknown = [part for part in parts if part not in MEANS]
    why = "it has no {name}" if "{name}" not in parts else \
        f"it has {unknown[0]}, expected {{name}}, {{split}} or *" if unknown else \
        "it has {name} more than once" if parts.count("{name}") > 1 else \
        "it has {split} more than once" if parts.count("{split}") > 1 else \
        "it is an absolute path" if pathlib.PurePath(text).is_absolute() else \
        "it leads out of the data set" if ".." in pathlib.PurePath(text).parts else ""
    if why:
        raise errors.UsageError(f"{option} '{text}' is not a pattern", why=why, fix=f"give the path relative to --data,"
                                f" with {{name}} for what an image and its label have in common: {EXAMPLE}")


def matched(root, text, suffixes, fix=FIX):
    """The Matched files of a pattern in `root`. suffixes: those that can be read. fix: of the DataError.

    Raises DataError if the pattern's folder does not exist.
    """
    text = str(pathlib.PurePosixPath(text))
    folder, suffix = pathlib.Path(root) / _fixed_folder(text), _suffix(text)
    if not folders.is_folder(folder):
        raise errors.DataError("there is no such folder", where=folder, why=f"it is part of the pattern '{text}'",
                               fix=fix)
    found = folders.walk(folder, suffixes if suffix in ("", ".*") else (suffix.lower(),))
    expression, of = _expression(text), {}
    for path in found.files:
        match = expression.fullmatch(path.relative_to(root).as_posix())
        if match:
            split = match.groupdict().get("split", "")
            of[path] = _split.SPLIT_OF.get(split.lower(), split), match["name"]
    return Matched(of, folder, found)


def _suffix(text):
    """The suffix of a pattern: ".png", ".*", or "" if it has none or ends in a placeholder."""
    suffix = pathlib.PurePosixPath(text).suffix
    return "" if "{" in suffix or "}" in suffix else suffix


def _fixed_folder(text):
    """The folder before the first part with a placeholder."""
    parts = text.split("/")[:-1]
    fixed = next((i for i, part in enumerate(parts) if TOKENS.search(part)), len(parts))
    return pathlib.PurePosixPath(*parts[:fixed])


def _expression(text):
    suffix = _suffix(text)
    body = text.removesuffix(suffix) if suffix else text
    end = r"\.[^./]+" if suffix == ".*" else f"(?i:{re.escape(suffix)})"
    return re.compile("".join(MEANS.get(part) or re.escape(part) for part in TOKENS.split(body)) + end, re.DOTALL)


def listing(root, split, image_pattern, label_pattern, partial=False, fix=FIX):
    """The Listing of a split: images and labels with the same {split} and {name}. Raises DataError.

    Without {split} in a pattern, the split is read from split.csv or drawn (_split.py). A file of both patterns is a
    label. partial: images without a label are left out with a note. fix: of errors about the patterns.
    """
    root = _folders.existing(root)
    labels = matched(root, label_pattern, _folders.label_suffixes(), fix)
    image_files = matched(root, image_pattern, images.IMAGE_SUFFIXES, fix)
    for path in labels.of.keys() & image_files.of.keys():
        del (image_files if len(label_pattern) >= len(image_pattern) else labels).of[path]
    for some, pattern, suffixes in ((image_files, image_pattern, images.IMAGE_SUFFIXES),
                                    (labels, label_pattern, _folders.label_suffixes())):
        if not some.of:
            raise _no_match(some, root, pattern, suffixes, fix)
    in_images, in_labels = _has_split(image_pattern), _has_split(label_pattern)
    if not (in_images or in_labels):
        return _split.part(root, _paired((image_files, labels), image_files.of, labels.of, partial, fix), split)
    chosen = [path for path, (of, _) in image_files.of.items() if not in_images or of == split]
    names = {image_files.of[path][1] for path in chosen}
    chosen_labels = [path for path, (of, name) in labels.of.items() if (of == split if in_labels else name in names)]
    if not in_images:  # the labels say which images are in the split
        names = {labels.of[path][1] for path in chosen_labels}
        chosen = [path for path in chosen if image_files.of[path][1] in names]
    if not chosen or not chosen_labels:
        raise _no_split(root, split, image_files if in_images else labels, "images" if not chosen else "labels",
                        image_pattern if in_images else label_pattern)
    whole = _paired((image_files, labels), chosen, chosen_labels, partial, fix)
    whole.notes.extend(_split.idle(root))
    return whole


def _has_split(pattern):
    return "{split}" in pattern


def _paired(both, chosen, chosen_labels, partial, fix):
    """The Listing of these paths of images and labels. both: the Matched of all. Raises DataError if none pair."""
    chosen, chosen_labels, labels = list(chosen), list(chosen_labels), both[1]
    name_of = {path: name.replace("/", "_") for some in both for path, (_, name) in some.of.items()}
    found = _folders.pair_up(chosen, chosen_labels, labels.folder, partial=partial, name=name_of.get)
    if not found.pairs:
        why = _affix.in_common(chosen, chosen_labels) or errors.several(found.problems)
        raise errors.DataError(f"holds no label for any of {len(chosen):,} images" if len(chosen) > 1 else
                               f"holds no label for {chosen[0].name}", where=labels.folder, why=why, fix=fix)
    return Listing(found.pairs, [*both[0].found.odd, *labels.found.odd, *found.problems], found.notes)


def _no_match(some, root, pattern, suffixes, fix):
    """The DataError if no file matches a pattern."""
    there = [path.relative_to(root).as_posix() for path in some.found.files[:3]]
    why = [f"files there: {', '.join(there)}"] if there else folders.not_read(some.found.others, suffixes)
    return errors.DataError(f"no file matches '{pattern}'", where=some.folder, why=why, fix=fix)


def _no_split(root, split, of, what, pattern):
    """The DataError if a split has no files."""
    counts = collections.Counter(found for found, _ in of.of.values())
    listed = ", ".join(f"{name} ({number:,})" for name, number in sorted(counts.items()))
    only = next(iter(counts)) if len(counts) == 1 else ""
    written = next((word for path in of.of for word in (_written(path.relative_to(root).as_posix(), pattern),)), "")
    advice = f"write {written} instead of {{split}} in both patterns: the split is then drawn; or " if only else ""
    words = " or ".join(_split.NAMES.get(split, [split]))
    return errors.DataError(f"there are no {what} of the split '{split}'", where=root, why=f"found: {listed}",
                            fix=f"{advice}add files of this split, named {words}, where the "
                                "pattern has {split}.")


def _written(path, pattern):
    """The text that {split} stands for in a path."""
    match = _expression(pattern).fullmatch(path)
    return match["split"] if match else ""

