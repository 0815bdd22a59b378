"""What layouts share: photos and labels become pairs by name, never by position; what is in the way is a Problem.

A label has the stem of its photo. If no label has, one ending that all labels share ("_mask") is taken off, see _affix.
"""

import collections
import functools
import pathlib
import unicodedata

from fcn.core import errors, file_kinds, registry
from fcn.core.errors import Problem
from fcn.data import folders, images
from fcn.data.label_formats import ids
from fcn.data.layouts import _affix
from fcn.data.spec import Listing, Pair


def existing(root):
    """`root` as a Path. Raises DataError if it is not a folder."""
    root = pathlib.Path(root)
    if not root.is_dir():
        raise errors.DataError("is a file, not a folder" if root.exists() else "there is no such folder", where=root,
                               fix="--data names the folder of the data set.")
    return root


def label_suffixes():
    """The endings of all label formats: a file of the wrong one is read, and refused with a reason, not passed over."""
    formats = registry.load_all("label_formats").values()
    return tuple(dict.fromkeys(suffix for label_format in formats for suffix in label_format.SUFFIXES))


def listing(image_folder, label_folder, expected, label_stem=str, partial=False, endings=ids.SUFFIXES):
    """The Listing of two folders; see pair_up. Raises DataError if one is missing; `expected` says what should be.

    endings: what labels should have; a file of another beside one of these, a preview or a source, is left alone.
    If the folder of photos holds none but sub-folders do, both folders are listed with their sub-folders.
    """
    for folder in (image_folder, label_folder):
        if not folders.is_folder(folder):
            raise errors.DataError("there is no such folder", where=folder, why=expected,
                                   fix="check --data and --layout.")
    photos = folders.look(image_folder, images.PHOTO_SUFFIXES)
    nested = not photos.files and bool(photos.folders)
    if nested:
        photos = folders.walk(image_folder, images.PHOTO_SUFFIXES)
    labels = (folders.walk if nested else folders.look)(label_folder, label_suffixes())
    if not photos.files and not photos.odd:
        raise errors.DataError(f"no photos ({' '.join(images.PHOTO_SUFFIXES)}) are in here", where=image_folder,
                               why=[*folders.not_read(photos.others, images.PHOTO_SUFFIXES), expected],
                               fix=file_kinds.to_png(photos.others, image_folder) or "check --data and --layout.")
    name = functools.partial(_name, (image_folder, label_folder)) if nested else _stem
    right = {name(path) for path in labels.files if path.suffix.lower() in endings}
    beside = {path: None for path in labels.files if name(path) in right and path.suffix.lower() not in endings}
    found = pair_up(photos.files, [path for path in labels.files if path not in beside],
                    f"{label_folder} ({' '.join(label_suffixes())})", label_stem, partial, name)
    problems = photos.odd + labels.odd + found.problems
    if photos.files and not found.pairs:
        raise _nothing_pairs(photos, labels, found, label_folder, expected, problems)
    if beside:
        found.notes.append(f"{len(beside)} files beside labels of the same name are left alone, "
                           f"as {next(iter(beside)).name}.")
    return Listing(found.pairs, problems, [*found.notes, *_left_alone(photos, labels, image_folder, label_folder)])


def _nothing_pairs(photos, labels, found, label_folder, expected, problems):
    """The DataError that says what all labels have in common, or what is there instead of labels."""
    why = folders.not_read(labels.others, label_suffixes()) + _affix.in_common(photos.files, labels.files)
    if labels.files and not why:
        why = errors.several(problems)
    many = len(photos.files)
    return errors.DataError(f"not one of {many:,} photos has a label in here" if many > 1 else
                            f"{photos.files[0].name} has no label in here", where=label_folder,
                            why=[*(why or ["no labels are in here"]), expected],
                            fix=(not labels.files and file_kinds.to_png(labels.others, label_folder)) or
                            "give labels the names of their photos, or list the pairs in a CSV file with the columns "
                            "images,masks (--layout csv_list).")


def _left_alone(photos, labels, image_folder, label_folder):
    """Notes on files that are not read: on a photo that is passed over, nobody waits."""
    inside = [path for folder in (photos.folders if photos.files[:1] and photos.files[0].parent == image_folder else ())
              for path in folders.walk(folder, images.PHOTO_SUFFIXES).files]
    notes = [f"{image_folder.name}: {len(inside):,} photos in sub-folders are left alone, as "
             f"{inside[0].relative_to(image_folder)}."] if inside else []
    notes += [f"{image_folder.name}: {line}." for line in folders.not_read(photos.others, images.PHOTO_SUFFIXES)]
    if label_folder != image_folder:
        notes += [f"{label_folder.name}: {line}." for line in folders.not_read(labels.others, label_suffixes())]
    return notes


def _stem(path):
    return path.stem


def _name(bases, path):
    """The name of a file in a sub-folder: that of the sub-folder and its stem, joined by _."""
    base = next(base for base in bases if path.is_relative_to(base))
    return "_".join(path.relative_to(base).with_suffix("").parts)


def pair_up(photos, labels, where, label_stem=str, partial=False, name=_stem):
    """The Listing of these paths of photos and labels, paired by stem and sorted by it; `where` labels should be.

    name(path): the stem, or what takes its place. label_stem(stem of a label) is the stem of its photo. A stem without
    partner, or that occurs twice, be it in upper and lower case (which is one file on a Mac and on Windows), is a
    Problem. partial: only a part of the photos was ever labelled; those without are left out with a note.
    """
    photo_stems, label_stems = [name(path) for path in photos], [label_stem(name(path)) for path in labels]
    photo_keys, label_keys, note = _affix.keys(photo_stems, label_stems)
    groups: dict = collections.defaultdict(lambda: ([], []))
    for key, stem, path in zip(photo_keys, photo_stems, photos, strict=True):
        groups[folded(key)][0].append((key, path, stem))
    for key, stem, path in zip(label_keys, label_stems, labels, strict=True):
        groups[folded(key)][1].append((key, path, stem))
    pairs, problems, alone = [], [], 0
    for some_photos, some_labels in groups.values():
        if partial and some_photos and not some_labels:
            alone += 1
        elif len(some_photos) == len(some_labels) == 1 and some_photos[0][0] == some_labels[0][0]:
            pairs.append(Pair(some_photos[0][2], some_photos[0][1], some_labels[0][1]))
        else:
            problems += _misfits(some_photos, some_labels, where)
    notes = [note] if note else []
    notes += [f"{alone:,} of {len(photos):,} photos have no label and are left out."] if alone else []
    return Listing(sorted(pairs, key=lambda pair: pair.name),
                   sorted(problems, key=lambda problem: folders.natural_path(problem.path)), notes)


def folded(stem):
    """One spelling for all that a file system without upper and lower case may take for the same name."""
    return unicodedata.normalize("NFC", stem).lower()


def _misfits(photos, labels, where):
    """Problems of the photos and labels ((key, path, stem) each) that claim one name and are not one of each."""
    problems = []
    for same in (photos, labels):
        for key, path, _ in same[1:]:
            how = "has the same stem as" if key == same[0][0] else "differs in upper and lower case or accents from"
            problems.append(Problem(path, f"{how} {same[0][1].name}", "rename or remove one of them."))
    if problems:
        return problems
    if photos and labels:
        return [Problem(photos[0][1], f"and its label {labels[0][1].name} differ in upper and lower case or accents",
                        "rename one of them.")]
    if photos:
        return [Problem(photos[0][1], f"has no label of this name in {where}", "add it, or remove the photo.")]
    return [Problem(labels[0][1], "has no photo of this name", "add it, or remove the label.")]
