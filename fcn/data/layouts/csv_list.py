"""A CSV file that lists the pairs. --data is the file, or a folder with one such file.

    images,masks,split                       columns may also be image and mask; split is optional
    images/0001.jpg,masks/0001.png,training  paths relative to the CSV file; training, train or 1; validation, valid,
                                             val or 0; test
    images,train                             form of the nail tutorial, without masks: the image is
    0001.jpg,1                               {train|valid}/images/NAME, its mask {train|valid}/masks/NAME

Masks that are JPEG, or have only the values 0 and 255, are black and white (label_formats/binary.py). Others are ids.
Classes are named as in the layout paired. Without the column split, split.csv in the folder is used, or the split is
drawn.

    fcn csv_list FOLDER [--out FILE]     writes such a list for a folder of images and masks
"""

import dataclasses
import os
import pathlib
import shlex

from fcn.core import atomic_io, errors, ownership, tables
from fcn.data import folders
from fcn.data.layouts import _black_white, _classes, _csv_rows, _folders, _parallel, _split, binary_masks
from fcn.data.spec import Listing

EXPECTED = "the csv_list layout is a CSV file with the columns images,masks and maybe split, or images,train"
NARROWER_THAN = ("paired", "binary_masks")


def recognise(root):
    """Why `root` has this layout, or ""."""
    found = _csv_rows.candidates(root)
    return f"{found[0].name} has the column images" if len(found) == 1 else ""


def spec(root, classes="", ignore_label=None):
    """Background and foreground for black and white masks, or else the classes as in `paired`. Raises DataError."""
    found = _csv_rows.candidates(root)
    folder = found[0].parent if found else root
    masks = [row.label for row in _csv_rows.read(found[0])[0]] if len(found) == 1 else []
    there = folders.regular(masks)
    if _black_white.why([path for path in masks if path in there]):
        return binary_masks.spec(folder, classes, ignore_label)
    return _classes.spec(folder, classes, ignore_label)


def listing(root, split):
    """The Listing of a split. Raises DataError unless there is exactly one list, with pairs for the split."""
    path = _csv_rows.one(root, EXPECTED)
    rows, problems = _csv_rows.read(path)
    pairs, more = _csv_rows.pairs(rows)
    if not rows:
        raise errors.DataError("lists no images", where=path, why=[EXPECTED, *errors.several(problems)],
                               fix="correct these lines." if problems else "add a line for each image.")
    if not any(row.split for row in rows):
        whole = Listing([pair for pair, _ in pairs], [problem for problem, _ in more], _csv_rows.shared(rows))
        part = _split.part(path.parent, whole, split)
        return dataclasses.replace(part, problems=problems + part.problems)  # lines of the list are in no split
    if not any(row.split == split for row in rows):
        raise errors.DataError(f"lists nothing for {split}", where=path, why=EXPECTED,
                               fix="add lines, or leave out the column split: then a split is drawn.")
    return Listing([pair for pair, its_split in pairs if its_split == split],
                   problems + [problem for problem, its_split in more if its_split == split],
                   _csv_rows.shared(rows) + _split.idle(path.parent))


def write(folder, out):
    """Write the list `out` of the images and masks in `folder`. Returns (number of pairs, Problems).

    Raises DataError, and UsageError if `out` exists.
    """
    folder, out = _folders.existing(folder).resolve(), pathlib.Path(out).resolve()
    if not folder.is_relative_to(out.parent):
        free = ownership.free(folder / out.name) if os.path.lexists(folder / out.name) else folder / out.name
        raise errors.UsageError("the list must be in the data folder or in a folder above it", where=out,
                                why="its paths are relative to its folder, without ..",
                                fix=f"give --out {shlex.quote(str(free))}.")
    ownership.check_free(out, "--out")
    found = {}
    for split in _split.NAMES:
        try:
            found[split] = _parallel.listing(folder, split, binary_masks.FOLDERS, binary_masks.EXPECTED)
        except errors.DataError:
            if split == "training":
                raise
    rows = [(pair.image.relative_to(out.parent).as_posix(), pair.label.relative_to(out.parent).as_posix(), split)
            for split, listing in found.items() for pair in listing.pairs]
    text = tables.csv_text([("images", "masks", "split"), *rows], "\r\n")
    atomic_io.write_whole(out, text.encode("utf-8", "surrogateescape"), new=True)
    return len(rows), list(dict.fromkeys(problem for listing in found.values() for problem in listing.problems))
