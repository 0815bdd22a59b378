"""Shared by layouts: pair image and label files by name, never by position. A file without partner is a Problem.

A label has the stem of its image. If no label has the stem of an image, a prefix or suffix that all labels share
("_mask") is removed, see _affix.
"""

import collections
import functools
import pathlib
import unicodedata

from fcn.core import errors, file_kinds, registry
from fcn.core.errors import Problem
from fcn.data import folders, images
from fcn.data.layouts import _affix
from fcn.data.spec import Listing, Pair

USUAL_LABELS = (".png", ".bmp")


def existing(root):
    """`root` as a Path. Raises DataError if it is not a folder."""
    root = pathlib.Path(root)
    if not root.is_dir():
        raise errors.DataError("is a file, not a folder" if root.exists() else "there is no such folder", where=root,
                               fix="give --data the folder of the data set.")
    return root


def label_suffixes():
    """Suffixes of all label formats. So a label in another format than expected is reported, and not skipped."""
    formats = registry.load_all("label_formats").values()
    return tuple(dict.fromkeys(suffix for label_format in formats for suffix in label_format.SUFFIXES))


def listing(image_folder, label_folder, expected, label_stem=str, partial=False, endings=USUAL_LABELS):
    """The Listing of a folder of images and a folder of labels, paired by pair_up().

    expected: text of the error. label_stem, partial: of pair_up(). endings: suffixes of labels; a file with another
    suffix beside such a label, such as a preview, is ignored. If the images are in sub-folders, both folders are listed
    with their sub-folders. Raises DataError if a folder is missing, has no images, or nothing pairs.
    """
    for folder in (image_folder, label_folder):
        if not folders.is_folder(folder):
            raise errors.DataError("there is no such folder", where=folder, why=expected,
                                   fix="check --data and --layout.")
    image_files = folders.look(image_folder, images.IMAGE_SUFFIXES)
    nested = not image_files.files and bool(image_files.folders)
    if nested:
        image_files = folders.walk(image_folder, images.IMAGE_SUFFIXES)
    labels = (folders.walk if nested else folders.look)(label_folder, label_suffixes())
    if not image_files.files and not image_files.odd:
        raise errors.DataError(f"no images ({' '.join(images.IMAGE_SUFFIXES)}) found", where=image_folder,
                               why=[*folders.not_read(image_files.others, images.IMAGE_SUFFIXES), expected],
                               fix=file_kinds.to_png(image_files.others, image_folder) or "check --data and --layout.")
    name = functools.partial(_name, (image_folder, label_folder)) if nested else _stem
    right = {name(path) for path in labels.files if path.suffix.lower() in endings}
    beside = {path: None for path in labels.files if name(path) in right and path.suffix.lower() not in endings}
    found = pair_up(image_files.files, [path for path in labels.files if path not in beside],
                    f"{label_folder} ({' '.join(label_suffixes())})", label_stem, partial, name)
    problems = image_files.odd + labels.odd + found.problems
    if image_files.files and not found.pairs:
        raise _nothing_pairs(image_files, labels, found, label_folder, expected, problems)
    if beside:
        found.notes.append(f"{len(beside)} files beside labels of the same name are ignored, "
                           f"such as {next(iter(beside)).name}.")
    return Listing(found.pairs, problems, [*found.notes, *_ignored(image_files, labels, image_folder, label_folder)])


def _nothing_pairs(image_files, labels, found, label_folder, expected, problems):
    """The DataError if no image has a label: what the names of labels have in common, or which other files exist."""
    why = folders.not_read(labels.others, label_suffixes()) + _affix.in_common(image_files.files, labels.files)
    if labels.files and not why:
        why = errors.several(problems)
    many = len(image_files.files)
    return errors.DataError(f"holds no label for any of {many:,} images" if many > 1 else
                            f"holds no label for {image_files.files[0].name}", where=label_folder,
                            why=[*(why or ["no labels found"]), expected],
                            fix=(not labels.files and file_kinds.to_png(labels.others, label_folder)) or
                            "give labels the names of their images, or list the pairs in a CSV file with the columns "
                            "images,masks (--layout csv_list).")


def _ignored(image_files, labels, image_folder, label_folder):
    """Notes on files that are not read."""
    flat = image_files.files[:1] and image_files.files[0].parent == image_folder
    inside = [path for folder in (image_files.folders if flat else ())
              for path in folders.walk(folder, images.IMAGE_SUFFIXES).files]
    notes = [f"{image_folder.name}: {len(inside):,} images in sub-folders are ignored, such as "
             f"{inside[0].relative_to(image_folder)}."] if inside else []
    notes += [f"{image_folder.name}: {line}." for line in folders.not_read(image_files.others, images.IMAGE_SUFFIXES)]
    if label_folder != image_folder:
        notes += [f"{label_folder.name}: {line}." for line in folders.not_read(labels.others, label_suffixes())]
    return notes


def _stem(path):
    return path.stem


def _name(bases, path):
    """Name of a file in a sub-folder: its path without suffix, relative to one of `bases`, with _ for /."""
    base = next(base for base in bases if path.is_relative_to(base))
    return "_".join(path.relative_to(base).with_suffix("").parts)


def pair_up(image_files, labels, where, label_stem=str, partial=False, name=_stem):
    """The Listing of these paths of images and labels, paired and sorted by name.

    where: the place of labels, for messages. label_stem(name of a label): the name of its image. partial: images
    without a label are left out with a note. name(path): the name of a file, by default its stem.
    A file without partner is a Problem, and so is a name that occurs twice. Names that differ only in case count as the
    same name, because they are the same file on macOS and Windows.
    """
    image_stems, label_stems = [name(path) for path in image_files], [label_stem(name(path)) for path in labels]
    image_keys, label_keys, note = _affix.keys(image_stems, label_stems)
    groups: dict = collections.defaultdict(lambda: ([], []))
    for key, stem, path in zip(image_keys, image_stems, image_files, strict=True):
        groups[folded(key)][0].append((key, path, stem))
    for key, stem, path in zip(label_keys, label_stems, labels, strict=True):
        groups[folded(key)][1].append((key, path, stem))
    pairs, problems, alone = [], [], 0
    for some_images, some_labels in groups.values():
        if partial and some_images and not some_labels:
            alone += 1
        elif len(some_images) == len(some_labels) == 1 and some_images[0][0] == some_labels[0][0]:
            pairs.append(Pair(some_images[0][2], some_images[0][1], some_labels[0][1]))
        else:
            problems += _pairing_problems(some_images, some_labels, where)
    notes = [note] if note else []
    notes += [f"{alone:,} of {len(image_files):,} images have no label and are left out."] if alone else []
    return Listing(sorted(pairs, key=lambda pair: pair.name),
                   sorted(problems, key=lambda problem: folders.natural_path(problem.path)), notes)


def folded(stem):
    """The name in one case and Unicode normalisation, as file systems without case compare it."""
    return unicodedata.normalize("NFC", stem).lower()


def _pairing_problems(image_files, labels, where):
    """Problems of images and labels with one name that are not a pair. Both are lists of (key, path, stem)."""
    problems = []
    for same in (image_files, labels):
        for key, path, _ in same[1:]:
            how = "has the same stem as" if key == same[0][0] else "differs in case or accents from"
            problems.append(Problem(path, f"{how} {same[0][1].name}", "rename or remove one of them."))
    if problems:
        return problems
    if image_files and labels:
        return [Problem(image_files[0][1], f"differs from its label {labels[0][1].name} in case or accents",
                        "rename one of them.")]
    if image_files:
        return [Problem(image_files[0][1], f"has no label of this name in {where}", "add it, or remove the image.")]
    return [Problem(labels[0][1], "has no image of this name", "add it, or remove the label.")]
