"""What layouts share: a folder of photos and a folder of labels become pairs by stem, never by position."""

import os
import pathlib

from fcn import errors, images
from fcn.spec import Pair


def existing(root):
    """`root` as a Path. Raises DataError if it is not a folder."""
    root = pathlib.Path(root)
    if not root.is_dir():
        raise errors.DataError("is a file, not a folder" if root.exists() else "there is no such folder", where=root,
                               cure="--data names the folder of the data set.")
    return root


def pairs(image_folder, label_folder, expected):
    """Pairs of the two folders, sorted by stem; file names' upper and lower case endings count alike.

    Raises DataError if a folder is missing (`expected` says what the layout looks like), if nothing is there,
    if a stem occurs twice, or if a photo or label has no partner; all of these are named at once.
    """
    for folder in (image_folder, label_folder):
        if not folder.is_dir():
            raise errors.DataError("there is no such folder", where=folder, why=expected,
                                   cure="check --data and --layout.")
    problems: list[str] = []
    photos = _by_stem(image_folder, images.PHOTO_SUFFIXES, problems)
    labels = _by_stem(label_folder, images.LABEL_SUFFIXES, problems)
    if not photos and not labels:
        raise errors.DataError(f"no photos ({' '.join(images.PHOTO_SUFFIXES)}) are in here", where=image_folder)
    problems += [f"{photos[s]} has no label {s}.png in {label_folder}" for s in sorted(photos.keys() - labels)]
    problems += [f"{labels[s]} has no photo {s}.* in {image_folder}" for s in sorted(labels.keys() - photos)]
    if problems:
        raise errors.DataError(f"{len(problems)} file(s) without a partner, or not unique",
                               where=image_folder, why=errors.several(problems),
                               cure="photo and label have the same name up to the ending; labels are PNG or BMP, "
                                    "as JPEG would smear their ids.")
    return [Pair(stem, photos[stem], labels[stem]) for stem in sorted(photos)]


def _by_stem(folder, suffixes, problems):
    found: dict[str, pathlib.Path] = {}
    with os.scandir(folder) as entries:
        names = sorted((entry.name, entry.is_file()) for entry in entries if not entry.name.startswith("."))
    for path, is_file in ((folder / name, is_file) for name, is_file in names):
        if path.suffix.lower() not in suffixes:
            continue
        if not is_file:
            problems.append(f"{path} is a broken link or no regular file")
        if path.stem in found:
            problems.append(f"{found[path.stem]} and {path.name} have the same stem")
        found[path.stem] = path
    return found
