"""Files with the classes of a data set: text with one name per line, JSON, YAML, or CSV.

JSON and YAML hold a list of names, or {"names": [...]} with any of

    "ignored"     list of ids
    "colours"     [[red, green, blue], ...], one per id
    "encoding"    a label format (a file in fcn/data/label_formats)
    "remap"       {value in a label file: id or name of its class}; all other values become the first ignored id

CSV has a line per class, with the columns name,r,g,b (or red, green, blue), or name,values with the values of the class
in label files, separated by spaces; or all of these.
"""

import csv
import json
import pathlib
import typing

import yaml

from fcn.core import errors, file_kinds, registry
from fcn.data.spec import MOST_CLASSES, MOST_IDS, NUM_IDS, VOID_ID, WIDE_VOID_ID, DatasetSpec

BESIDE = ("classes.json", "classes.txt", "classes.csv", "classes.yaml", "classes.yml")
LONG = {"red": "r", "green": "g", "blue": "b", "value": "values"}
READERS = {".json": lambda text: json.loads(text, object_pairs_hook=_once), ".yaml": yaml.safe_load,
           ".yml": yaml.safe_load}


def spec(root, classes="", ignore_label=None, beside=BESIDE, **defaults):
    """The DatasetSpec with `defaults`, updated from the file `classes`, or from the first of `beside` in `root`.

    ignore_label: ignored ids, before those of the file and the defaults; 255 if there are none, or 65535 if 255 is a
    class. Raises DataError.
    """
    path = file(root, classes, beside)
    found = read(path) if path else {}
    fields = {"ignored_ids": (VOID_ID,), **defaults, **found}
    if path and "remap" not in found:
        fields.pop("remap", None)  # that of a layout is for its own classes
    num_classes = len(fields.get("class_names", ()))
    if "ignored_ids" not in found and (num_classes > NUM_IDS or found.get("remap")):
        fields["ignored_ids"] = (VOID_ID if num_classes <= VOID_ID else WIDE_VOID_ID,)
    if "remap" in found and "encoding" not in found and fields.get("encoding") == "binary":
        fields["encoding"] = "ids"  # the file maps the values 0 and 255, not background and foreground
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
        if kind in READERS:
            content = READERS[kind](text)
            content = content if isinstance(content, dict) else {"names": content}
        elif kind == ".csv":
            content = _table(text)
        else:
            content = {"names": [line.strip() for line in text.strip().splitlines()]}
        return _checked(**content)
    except (OSError, ValueError, TypeError, KeyError, RecursionError, csv.Error, yaml.YAMLError) as error:
        raise errors.DataError("is not a list of class names", where=path,
                               why=" ".join(str(error).replace("_checked() ", "").split()),
                               fix='write one name per line, or JSON or YAML: ["sky", ...] or {"names": [...], '
                                   '"ignored": [11], "remap": {"38": "sky"}}, or CSV with the columns name,r,g,b or '
                                   "name,values.") from None


def _table(text):
    """{"names": ..., "colours": ..., "remap": ...} of a CSV file."""
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if ";" in first else ",", skipinitialspace=True)
    reader.fieldnames = [LONG.get(name.strip().lower(), name.strip().lower()) for name in reader.fieldnames or ()]
    lines = list(reader)
    content = {"names": [line["name"] for line in lines]}
    if "values" in reader.fieldnames:
        content["remap"] = _once((value, i) for i, line in enumerate(lines) for value in line["values"].split())
    if "values" not in reader.fieldnames or {*"rgb"} & {*reader.fieldnames}:
        content["colours"] = [[int(line[channel]) for channel in "rgb"] for line in lines]
    return content


def _once(pairs):
    """The dict of (key, value) pairs. Raises ValueError if a key occurs twice."""
    pairs = list(pairs)
    keys = [key for key, _ in pairs]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise ValueError(f"{twice[0]} is given twice")
    return dict(pairs)


def _checked(names, ignored=None, colours=None, encoding=None, remap=None):
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError("each name must be a non-empty string, one per id")
    if not 1 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"found {len(names)} names, expected 1 to {MOST_CLASSES}")
    if ignored is not None and not _all_below(MOST_IDS, ignored):
        raise ValueError(f'"ignored" must be a list of ids from 0 to {MOST_IDS - 1}')
    if colours is not None and not (isinstance(colours, list) and len(colours) <= MOST_IDS and
                                    all(_all_below(256, colour) and len(colour) == 3 for colour in colours)):
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
    if remap is not None:
        fields["remap"] = _remap(remap, names, ignored or [])
    return fields


def _remap(remap, names, ignored):
    """((value, id), ...) of {value: id or name}, sorted. Keys are numbers, or their texts. Raises ValueError."""
    if not isinstance(remap, dict) or not remap:
        raise ValueError('"remap" must map values of label files to classes, such as {"38": 1}')
    known = {name: i for i, name in enumerate(names)}
    pairs = []
    for key, target in remap.items():
        value = int(key) if isinstance(key, str) and key.strip().isascii() and key.strip().isdigit() else key
        i: typing.Any = known.get(target, target) if isinstance(target, str) else target
        if not _all_below(MOST_IDS, [value]):
            raise ValueError(f'"remap" has the value {key!r}, expected a whole number from 0 to {MOST_IDS - 1}')
        if not _all_below(MOST_IDS, [i]) or (i >= len(names) and i not in ignored):
            raise ValueError(f'"remap" maps {key} to {target!r}, which is neither a class nor an ignored id; classes '
                             f"are 0 to {len(names) - 1}, or their names")
        pairs.append((value, i))
    return tuple(sorted(_once(pairs).items()))


def _all_below(limit, values):
    return isinstance(values, list) and all(type(value) is int and 0 <= value < limit for value in values)
