"""ADE20K: the MIT Scene Parsing benchmark (ADEChallengeData2016), or the full data set of 2016.

    images/{training,validation}/ADE_*.jpg   annotations/{training,validation}/ADE_*.png   objectInfo150.txt
    images/{training,validation}/<letter>/<scene>/ADE_*.jpg and ADE_*_seg.png                   the full data set

A label of the benchmark is an 8-bit PNG: 0 is "other" (unlabelled), 1 to 150 are the classes. The benchmark ignores 0
in its loss (`ignore_label: 0`) and its scores, and its nets have 151 channels. Labels of the full data set are mapped
to the benchmark's classes. A smaller data set of the same structure lists its classes in its own objectInfo*.txt.
"""

import csv
import io
import pathlib
import shlex

from fcn.core import atomic_io, errors, file_kinds
from fcn.data import folders
from fcn.data.layouts import _ade20k_full, _folders
from fcn.data.layouts._ade20k_classes import CLASSES, PAIRS
from fcn.data.spec import DatasetSpec, Listing, bit_colour

TABLE_FIX = "write it as objectInfo150.txt of the benchmark is; without such a file the benchmark's names are used."
EXPECTED = "the ade20k layout has images/{training,validation} and annotations/{training,validation}"


def recognise(root):
    """Why `root` has this layout, or ""; also for folders for which listing() raises an error with advice."""
    root = pathlib.Path(root)
    for base in (root, root / "ADEChallengeData2016"):
        for split in PAIRS:
            if folders.is_folder(base / "images" / split, base / "annotations" / split):
                return f"it has {(base / 'images' / split).relative_to(root)}/ and annotations/{split}/"
    if _ade20k_full.is_full(root):
        return "it has images/training/ or images/validation/ with folders of scenes and *_seg.png"
    return "it has images/ADE/" if folders.is_folder(root / "images" / "ADE") else ""


def spec(root, classes="", ignore_label=None):
    """The classes: 0 = other, then those of `classes` or of objectInfo*.txt in `root`, or the benchmark's 150."""
    colours = dict(CLASSES)
    names = list(colours)
    listed = sorted(pathlib.Path(root).glob("objectInfo*.txt"))
    if classes or listed:
        names = read_object_info(classes or listed[0])
    return DatasetSpec(class_names=("other", *names), ignored_ids=(0,) if ignore_label is None else ignore_label,
                       colours=((0, 0, 0), *(colours.get(name, bit_colour(i)) for i, name in enumerate(names, 1))),
                       encoding="ade20k_full" if _ade20k_full.is_full(root) else "ids")


def read_object_info(path):
    """Class names, by id from 1, of a table with the columns Idx, Ratio, Train, Val, Name. Raises DataError.

    The column Name lists synonyms, and the first is used. Tables of write_object_info() also have the column Class with
    the exact names.
    """
    try:
        with pathlib.Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        numbers = [int(row["Idx"]) for row in rows]
        names = [row.get("Class") or row["Name"].split(",")[0].strip() for row in rows]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        why = f"there is no column {error}" if isinstance(error, KeyError) else error
        raise errors.DataError("is not a table of classes (tab-separated: Idx, Ratio, Train, Val, Name)", where=path,
                               why=file_kinds.why_unreadable(path, why),
                               fix=errors.reading_fix(error) if isinstance(error, OSError) else TABLE_FIX) from None
    if not numbers or numbers != list(range(1, len(numbers) + 1)) or len(numbers) > 255:
        raise errors.DataError("the column Idx must be 1, 2, 3, ... (at most 255)", where=path, fix=TABLE_FIX)
    return names


def write_object_info(path, rows):
    """Write the benchmark's table, with the additional column Class that holds the exact names.

    rows: (id, share of pixels, number of training images, number of validation images, name).
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(("Idx", "Ratio", "Train", "Val", "Name", "Class"))
    writer.writerows((*row, row[-1]) for row in rows)
    atomic_io.write_whole(path, text.getvalue().encode(), new=True)


def listing(root, split):
    """The Listing of a split ("training" or "validation"). Raises DataError."""
    root = _folders.existing(root)
    inner = root / "ADEChallengeData2016"
    if not (root / "images").is_dir() and (inner / "images").is_dir():
        raise errors.DataError("the data set is in a sub-folder", where=root,
                               fix=f"give --data {shlex.quote(str(inner))}")
    if (root / "images" / "ADE").is_dir():
        raise errors.DataError("this is the ADE20K of 2021, which has other class ids", where=root,
                               fix="use the benchmark's ADEChallengeData2016, or the full ADE20K of 2016.")
    if _ade20k_full.is_full(root):
        found = _ade20k_full.listing(root / "images" / split)
    else:
        found = _folders.listing(root / "images" / split, root / "annotations" / split, EXPECTED)
    here, all_ = len(found.pairs), PAIRS.get(split)
    if all_ and here != all_ and spec(root).class_names[1:] == tuple(dict(CLASSES)):
        found.notes.append(f"{here:,} of the benchmark's {all_:,} {split} pairs found.")
    return Listing(found.pairs, found.problems, found.notes)
