"""What layouts share: photos and labels become pairs by stem, never by position; what is in the way gets a name."""

import collections
import functools
import os
import pathlib
import unicodedata

from fcn import errors, images, shelf
from fcn.encodings import ids
from fcn.spec import Listing, Pair, Problem


def existing(root):
    """`root` as a Path. Raises DataError if it is not a folder."""
    root = pathlib.Path(root)
    if not root.is_dir():
        raise errors.DataError("is a file, not a folder" if root.exists() else "there is no such folder", where=root,
                               cure="--data names the folder of the data set.")
    return root


def is_folder(*paths):
    """Whether all of these are folders; False too where one may not even be asked."""
    return all(os.path.isdir(path) for path in paths)  # noqa: PTH112  (pathlib's raises where access is denied)


def files(folder, suffixes):
    """(regular files with one of the endings, in any case, sorted by name; Problems of what only looks like one).

    Nothing is opened: a FIFO would hang for ever. Dot files are the system's litter.
    """
    found, problems = [], []
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise errors.DataError(f"cannot be listed: {error.strerror}", where=folder) from None
    for entry in entries:
        path = pathlib.Path(folder) / entry.name
        if not entry.name.startswith(".") and path.suffix.lower() in suffixes:
            if _is_file(entry):
                found.append(path)
            else:
                problems.append(Problem(path, irregular(path), "remove it."))
    return found, problems


@functools.cache
def label_suffixes():
    """The endings of all encodings: a file of the wrong one is read, and refused with a reason, not passed over."""
    encodings = (shelf.pick("encodings", name) for name in shelf.names("encodings"))
    return tuple(dict.fromkeys(suffix for encoding in encodings for suffix in encoding.SUFFIXES))


def holds(folder, suffixes):
    """Whether a name with one of the endings is in `folder`; False too where one may not look."""
    try:
        with os.scandir(folder) as scan:
            return any(pathlib.Path(entry.name).suffix.lower() in suffixes for entry in scan)
    except OSError:
        return False


def _is_file(entry):
    """What irregular() asks, of a scanned entry: mostly without another call of the system."""
    try:
        return entry.is_file()
    except OSError:  # links in a circle
        return False


def irregular(path):
    """Why this path is no regular file that could be opened, or "". Asks the file system alone."""
    if os.path.isfile(path):  # noqa: PTH113  (no link, circle of links or forbidden folder makes it raise)
        return ""
    if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH114, PTH110
        return "is a broken link"
    return "is no regular file" if os.path.exists(path) else "is missing"  # noqa: PTH110


def listing(image_folder, label_folder, expected, label_stem=str, partial=False, endings=ids.SUFFIXES):
    """The Listing of two folders; see pair_up. Raises DataError if one is missing; `expected` says what should be.

    endings: what labels should have; a file of another beside one of these, a preview or a source, is left alone.
    """
    for folder in (image_folder, label_folder):
        if not is_folder(folder):
            raise errors.DataError("there is no such folder", where=folder, why=expected,
                                   cure="check --data and --layout.")
    photos, odd_photos = files(image_folder, images.PHOTO_SUFFIXES)
    labels, odd_labels = files(label_folder, label_suffixes())
    right = {path.stem for path in labels if path.suffix.lower() in endings}
    beside = [path for path in labels if path.stem in right and path.suffix.lower() not in endings]
    labels = [path for path in labels if path not in beside]
    if not photos and not odd_photos:
        raise errors.DataError(f"no photos ({' '.join(images.PHOTO_SUFFIXES)}) are in here", where=image_folder,
                               why=expected, cure="check --data and --layout.")
    found = pair_up(photos, labels, f"{label_folder} ({' '.join(label_suffixes())})", label_stem, partial)
    problems = odd_photos + odd_labels + found.problems
    if partial and not found.pairs:
        raise errors.DataError(f"not one of {len(photos):,} photos has a label in here", where=label_folder,
                               why=[expected, *errors.several(problems)], cure="check --data and --layout.")
    if beside:
        found.notes.append(f"{len(beside)} files beside labels of the same name are left alone, as {beside[0].name}.")
    return Listing(found.pairs, problems, found.notes)


def pair_up(photos, labels, where, label_stem=str, partial=False):
    """The Listing of these paths of photos and labels, paired by stem and sorted by it; `where` labels should be.

    label_stem(stem of a label) is the stem of its photo. A stem without partner, or that occurs twice, be it in upper
    and lower case (which is one file on a Mac and on Windows), is a Problem. partial: only a part of the photos was
    ever labelled; those without are left out with a note.
    """
    groups: dict = collections.defaultdict(lambda: ([], []))
    for path in photos:
        groups[folded(path.stem)][0].append((path.stem, path))
    for path in labels:
        groups[folded(label_stem(path.stem))][1].append((label_stem(path.stem), path))
    pairs, problems, alone = [], [], 0
    for some_photos, some_labels in groups.values():
        if partial and some_photos and not some_labels:
            alone += 1
        elif len(some_photos) == len(some_labels) == 1 and some_photos[0][0] == some_labels[0][0]:
            pairs.append(Pair(some_photos[0][0], some_photos[0][1], some_labels[0][1]))
        else:
            problems += _misfits(some_photos, some_labels, where)
    notes = [f"{alone:,} of {len(photos):,} photos have no label and are left out."] if alone else []
    return Listing(sorted(pairs, key=lambda pair: pair.name), sorted(problems, key=lambda p: str(p.path)), notes)


def folded(stem):
    """One spelling for all that a file system without upper and lower case may take for the same name."""
    return unicodedata.normalize("NFC", stem).lower()


def _misfits(photos, labels, where):
    """Problems of the photos and labels ((stem, path) each) that claim one stem and are not one of each."""
    problems = []
    for same in (photos, labels):
        for stem, path in same[1:]:
            how = "has the same stem as" if stem == same[0][0] else "differs in upper and lower case or accents from"
            problems.append(Problem(path, f"{how} {same[0][1].name}", "rename or remove one of them."))
    if problems:
        return problems
    if photos and labels:
        return [Problem(photos[0][1], f"and its label {labels[0][1].name} differ in upper and lower case or accents",
                        "rename one of them.")]
    if photos:
        stem, path = photos[0]
        return [Problem(path, f"has no label {stem}.* in {where}", "add it, or remove the photo.")]
    return [Problem(labels[0][1], f"has no photo {labels[0][0]}.*", "add it, or remove the label.")]
