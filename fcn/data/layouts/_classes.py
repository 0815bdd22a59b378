"""Files with the classes of a data set: text with one name per line, JSON, or CSV with colours.

JSON is a list of names, or {"names": [...]} with any of

    "ignored"     list of ids
    "colours"     [[red, green, blue], ...], one per id
    "encoding"    a label format (a file in fcn/data/label_formats)

CSV has the columns name,r,g,b (or red, green, blue) and a line per id.
"""

import csv
import json
import pathlib

from fcn.core import errors, file_kinds, registry
from fcn.data.spec import NUM_IDS, VOID_ID, DatasetSpec

BESIDE = ("classes.json", "classes.txt", "classes.csv")
LONG = {"red": "r", "green": "g", "blue": "b"}


def spec(root, classes="", ignore_label=None, beside=BESIDE, **defaults):
    """The DatasetSpec with `defaults`, updated from the file `classes`, or from the first of `beside` in `root`.

    ignore_label: ignored ids, before those of the file and the defaults; 255 if there are none. Raises DataError.
    """
    path = file(root, classes, beside)
    fields = {"ignored_ids": (VOID_ID,), **defaults, **(read(path) if path else {})}
    if ignore_label is not None:
        fields["ignored_ids"] = tuple(ignore_label)
    return DatasetSpec(**fields)


def file(root, classes="", beside=BESIDE):
    """The file of classes: `classes`, or the first of `beside` in `root`, or None."""
    paths = (pathlib.Path(root) / name for name in beside)
    return pathlib.Path(classes) if classes else next((path for path in paths if path.is_file()), None)


def read(path):
    """{field of DatasetSpec: value} of a file of classes. Raises DataError."""
    try:
        if unexpected := file_kinds.why_unreadable(path):  # any line of a web page could be a name
            raise ValueError(unexpected)
        text, kind = pathlib.Path(path).read_text(encoding="utf-8-sig"), pathlib.Path(path).suffix.lower()
        if kind == ".json":
            content = json.loads(text)
            content = content if isinstance(content, dict) else {"names": content}
        elif kind == ".csv":
            content = _table(text)
        else:
            content = {"names": [line.strip() for line in text.strip().splitlines()]}
        return _checked(**content)
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise errors.DataError("is not a list of class names", where=path,
                               why=str(error).replace("_checked() ", ""),
                               fix='write one name per line, or JSON: ["sky", ...] or {"names": [...], "ignored": '
                                   "[11]}, or CSV with the columns name,r,g,b.") from None


def _table(text):
    """{"names": ..., "colours": ...} of a CSV file."""
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if ";" in first else ",", skipinitialspace=True)
    reader.fieldnames = [LONG.get(name.strip().lower(), name.strip().lower()) for name in reader.fieldnames or ()]
    lines = list(reader)
    return {"names": [line["name"] for line in lines],
            "colours": [[int(line[channel]) for channel in "rgb"] for line in lines]}


def _checked(names, ignored=None, colours=None, encoding=None):
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError("each name must be a non-empty string, one per id")
    if not 1 <= len(names) <= NUM_IDS:
        raise ValueError(f"found {len(names)} names, expected 1 to {NUM_IDS}")
    if ignored is not None and not _bytes(ignored):
        raise ValueError('"ignored" must be a list of ids from 0 to 255')
    if colours is not None and not (isinstance(colours, list) and len(colours) <= NUM_IDS and
                                    all(_bytes(colour) and len(colour) == 3 for colour in colours)):
        raise ValueError("colours must be red, green and blue from 0 to 255, one colour per id")
    if colours is not None and len(colours) < len(names):
        raise ValueError(f"found {len(names)} names and {len(colours)} colours, expected a colour per class")
    if encoding is not None and encoding not in registry.names("label_formats"):
        raise ValueError(f'"encoding" must be one of {", ".join(registry.names("label_formats"))}')
    fields = {"class_names": tuple(names)}
    if ignored is not None:
        fields["ignored_ids"] = tuple(ignored)
    if colours is not None:
        fields["colours"] = tuple(tuple(colour) for colour in colours)
    if encoding is not None:
        fields["encoding"] = encoding
    return fields


def _bytes(values):
    return isinstance(values, list) and all(type(value) is int and 0 <= value < NUM_IDS for value in values)
