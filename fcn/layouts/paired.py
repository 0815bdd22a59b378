"""Two parallel folders a split, the layout that Keras generators and most small data sets use.

    <split>/images/*.jpg   <split>/targets/*.png      or, with the one sub-folder that Keras generators want,
    <split>/images/any/*.jpg   <split>/targets/any/*.png

Labels hold the ids themselves. Names come from --classes, or from classes.txt or classes.json in the data folder:
a text file with one name a line, or JSON, either a list of names or {"names": [...], "ignored": [ids]}. Without
names, the classes are counted in the labels. 255 is ignored unless --ignore-label or the JSON file says otherwise.
"""

import json
import pathlib

from fcn import errors
from fcn.layouts import _folders
from fcn.spec import DatasetSpec

SPLITS = {"training": ("training", "train"), "validation": ("validation", "val", "valid"), "test": ("test",)}
EXPECTED = "the paired layout has <split>/images and <split>/targets, split being training (or train) and " \
           "validation (or val)"


def spec(root, classes="", ignore_label=None):
    """Names and ignored ids of the data set at `root`. Raises DataError."""
    beside = [pathlib.Path(root) / name for name in ("classes.json", "classes.txt")]
    path = pathlib.Path(classes) if classes else next((p for p in beside if p.is_file()), None)
    names, ignored = read_classes(path) if path else ((), None)
    if ignore_label is None:
        ignore_label = (255,) if ignored is None else ignored
    return DatasetSpec(class_names=tuple(names), ignored_ids=tuple(ignore_label))


def read_classes(path):
    """(names, ignored ids or None) of a text or JSON file. Raises DataError."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8-sig")
        if pathlib.Path(path).suffix.lower() == ".json":
            content = json.loads(text)
            content = content if isinstance(content, dict) else {"names": content}
        else:
            content = {"names": [line.strip() for line in text.strip().splitlines()]}
        return _checked(content["names"], content.get("ignored"))
    except (OSError, ValueError, KeyError) as error:
        raise errors.DataError("is not a list of class names", where=path, why=str(error),
                               cure='one name a line, or JSON: ["sky", ...] or {"names": [...], "ignored": [11]}.'
                               ) from None


def _checked(names, ignored):
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError("every name must be a text, and none may be empty: a line is an id")
    if not 1 <= len(names) <= 256:
        raise ValueError(f"{len(names)} names; 1 to 256 are possible")
    if ignored is not None and not (isinstance(ignored, list) and all(type(i) is int and 0 <= i <= 255
                                                                      for i in ignored)):
        raise ValueError('"ignored" must be a list of ids from 0 to 255')
    return tuple(names), None if ignored is None else tuple(ignored)


def pairs(root, split):
    """Pairs of a split, sorted by name. Raises DataError naming what has no partner."""
    root = _folders.existing(root)
    candidates = SPLITS.get(split, (split,))
    found = next((root / name for name in candidates if (root / name).is_dir()), root / candidates[0])
    return _folders.pairs(_inner(found / "images"), _inner(found / "targets"), EXPECTED)


def _inner(folder):
    """The folder itself, or its only sub-folder if it holds nothing else."""
    if not folder.is_dir():
        return folder
    inside = [p for p in folder.iterdir() if not p.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
