"""Ids without names and with many gaps are rather grey values or a palette's indices than ids: a warning, and the file
of classes that maps them, made from the label files themselves.
"""

import json

import numpy as np

from fcn import errors, images, label_files
from fcn.encodings import _rgb

LEAST_EMPTY = 8  # channels that no pixel would train, and twice those that some would
MOST_FILES = 1000  # that are read to see the colour of every id


def warning(spec, class_pixels, pairs, asked, max_pixels=images.MAX_PIXELS):
    """Lines on ids of `spec` that lie far apart; [] where they lie close, or have names.

    class_pixels: (256,) pixels of each id in the labels of `pairs`. asked: has label_encoding and ignore_label, None or
    what was asked for; that would override the file of classes.
    """
    seen = np.flatnonzero(class_pixels).tolist()
    classes = [i for i in seen if i not in spec.ignored_ids]
    channels = max(classes, default=0) + 1
    empty = channels - len(classes)
    if spec.class_names or empty < max(LEAST_EMPTY, 2 * len(classes)):
        return []
    lines = [f"warned: {len(classes)} of {channels} ids occur: {', '.join(map(str, classes))}; the net gets {channels} "
             f"channels, {empty} of them for classes that never occur"]
    colours = _colours(spec, seen, pairs, max_pixels)
    if colours is None:
        return [*lines, "  if these values are not ids, write the labels again with the ids 0 to "
                        f"{len(classes) - 1}; if they are, --classes names them"]
    flags = [flag for flag in ("label-encoding", "ignore-label") if getattr(asked, flag.replace("-", "_")) is not None]
    without = f", without --{' and --'.join(flags)}" if flags else ""
    return [*lines, "  if these are grey values or colours and not ids, save the next line as classes.json and give "
                    f"--classes classes.json{without} (a run that has begun keeps its classes: give another --run); if "
                    "they are ids, --classes names them",
            _file(classes, [i for i in seen if i not in classes], colours)]


def _file(classes, ignored, colours):
    """The text of a file of classes (layouts/_classes.py) that makes these ids 0, 1, 2, ...; ignored ones come last."""
    content = {"names": [f"class {i}" for i in classes], "colours": [list(colours[i]) for i in classes + ignored],
               "encoding": "colours"}
    if ignored:
        content["ignored"] = list(range(len(classes), len(classes) + len(ignored)))
    return json.dumps(content)


def _colours(spec, ids, pairs, max_pixels):
    """{id: (r, g, b)} as the encoding "colours" sees them in the label files; None if they do not tell ids apart."""
    found: dict[int, tuple] = {}
    for pair in pairs[:MOST_FILES]:
        try:
            label = label_files.read(pair.label, spec, max_pixels)
            new = [i for i in np.unique(label).tolist() if i not in found]
            colours = _rgb.read(pair.label, max_pixels, as_colours=True) if new else label
        except errors.DataError:
            continue
        for i in new:
            its = colours[label == i]
            if (its != its[0]).any():
                return None
            found[i] = tuple(its[0].tolist())
        if found.keys() >= set(ids):
            return found if len(set(found.values())) == len(found) else None
    return None
