"""Scores of label files against predicted label files, as DIVA's Layout Analysis Evaluator computes them."""

import concurrent.futures
import pathlib

import numpy as np

from fcn.core import errors, ownership, tables
from fcn.data import images
from fcn.data.label_formats import blue_bits
from fcn.data.layouts import _folders, diva_hisdb
from fcn.data.spec import MAX_PIXELS, Pair
from fcn.metrics import confusion, label_flags
from fcn.metrics.protocols import diva_layout

EXPECTED = "PREDICTIONS has a file NAME.png for each NAME.png or NAME_gt.png of LABELS"
SHORT = ("exact", "Hamming", "IoU", "fw IoU", "F1", "prec", "recall", "fw F1", "fw prec", "fw recall")


def score_layout(labels, predictions, pictures=None, max_pixels=MAX_PIXELS):
    """Score predicted label files of DIVA-HisDB by the protocol diva_layout (docs/evaluation.md).

    Parameters
    ----------
    labels, predictions : str or pathlib.Path
        Two label files, or two folders of them. Flags are in the blue channel, red 128 marks boundary pixels.
    pictures : str or pathlib.Path, optional
        A new or empty folder, which gets a picture NAME.png of the errors in each image.
    max_pixels : int
        Larger files are refused.

    Returns
    -------
    dict
        "scores" (means over the images), "per_class" (a dict per class), "per_image" (a dict per image). Numbers are
        from 0 to 1; one that is not defined (0 / 0) is None.

    Raises
    ------
    fcn.errors.DataError
        For a file that cannot be read, has no partner, or has another size than its label.
    fcn.errors.UsageError
        If `pictures` holds files.
    """
    if pictures:
        ownership.check_free(pictures, "another folder")
        pathlib.Path(pictures).mkdir(parents=True, exist_ok=True)
    counting, rounded = confusion.Counting(label_flags.SETS), {}
    for pair in pairs(labels, predictions):
        label, boundary, prediction = read(pair, max_pixels)
        counting.add_matrix(pair.name, label_flags.matrix(label, boundary, prediction))
        if int(label_flags.num_classes(label.max(initial=0))) in (3, 5, 6, 7):  # others have no rounding errors
            rounded[pair.name] = label_flags.hamming_score(label, boundary, prediction)
        if pictures:
            write_picture(pathlib.Path(pictures) / f"{pair.name}.png", label, boundary, prediction)
    sums = diva_layout.flag_sums(counting.done())
    found = diva_layout.of_images(sums)[0]
    rows = [{name: _number(values[i]) for name, values in found.items()} for i in range(len(counting.names))]
    for name, row in zip(counting.names, rows, strict=True):
        row["hamming_score"] = rounded.get(name, row["hamming_score"])
    return {"protocol": "diva_layout", "images": len(rows),
            "scores": {name: _mean(row[name] for row in rows) for name in found},
            "per_class": diva_layout.per_class(sums, diva_hisdb.NAMES),
            "per_image": [{"name": name, **row} for name, row in zip(counting.names, rows, strict=True)]}


def _number(value):
    return float(value) if np.isfinite(value) else None


def _mean(values):
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def pairs(labels, predictions):
    """Pairs (image: the prediction, label) of two files or two folders. Raises DataError."""
    labels, predictions = pathlib.Path(labels), pathlib.Path(predictions)
    for path in (labels, predictions):
        if not path.exists():
            raise errors.DataError("there is no such file or folder", where=path, fix="check the path.")
    if labels.is_dir() != predictions.is_dir():
        raise errors.DataError("is a folder, and the other path is a file", fix="give two files or two folders.",
                               where=labels if labels.is_dir() else predictions)
    if not labels.is_dir():
        return [Pair(predictions.stem, predictions, labels)]
    found = _folders.listing(predictions, labels, EXPECTED, label_stem=diva_hisdb.image_stem)
    if found.problems:
        raise errors.DataError("some files have no partner", where=predictions, why=errors.several(found.problems),
                               fix="remove them, or add the missing files.")
    return found.pairs


def read(pair, max_pixels=MAX_PIXELS):
    """(label, boundary, prediction) of a Pair: uint8, bool and uint8 (height, width). Raises DataError."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # Pillow decodes without the interpreter's lock
        (label, boundary), (prediction, _) = pool.map(blue_bits.read_flags, (pair.label, pair.image), [max_pixels] * 2)
    if label.shape != prediction.shape:
        sizes = [f"{shape[1]}x{shape[0]}" for shape in (prediction.shape, label.shape)]
        raise errors.DataError(f"is {sizes[0]}, its label is {sizes[1]} (width x height)", where=pair.image,
                               fix=f"predict at the size of the image, or check that {pair.label} is its label.")
    return label, boundary, prediction


def write_picture(path, label, boundary, prediction):
    """Write the PNG of label_flags.errors()."""
    images.write_png(path, np.asarray(label_flags.PALETTE, np.uint8)[label_flags.errors(label, boundary, prediction)])


def table(found):
    """The result of score_layout() as text."""
    rows = [[row["name"], *(_text(row[name]) for name in diva_layout.EVALUATION)] for row in found["per_image"]]
    if len(rows) > 1:
        rows.append(["mean", *(_text(found["scores"][name]) for name in diva_layout.EVALUATION)])
    classes = [[str(row["id"]), row["name"], *(_text(row[name]) for name in diva_layout.OF_CLASS)]
               for row in found["per_class"]]
    return "\n".join([*tables.lines(["image", *(f">{title}" for title in SHORT)], rows), "",
                      *tables.lines([">id", "class", ">IoU", ">F1", ">prec", ">recall", ">frequency"], classes)])


def _text(value):
    return "-" if value is None else f"{value:.4f}"
