"""Read the JSON files of labelme, one per image, as the Content of COCO annotations.

    {"imagePath": "a.jpg", "imageHeight": 480, "imageWidth": 640,
     "shapes": [{"label": "cat", "shape_type": "polygon", "points": [[x, y], ...]}]}

Classes are the labels in alphabetical order, from 1. `_background_` is 0 and `__ignore__` the ignored id, as in
labelme. Polygons, rectangles and circles are read; lines and points, which labelme draws some pixels wide, are not.
Sources: wkentaro/labelme, labelme/label_file.py, labelme/utils/shape.py, examples/semantic_segmentation/labelme2voc.py.
"""

import collections
import dataclasses
import json
import math
import pathlib

from fcn.core import errors
from fcn.core.errors import Problem
from fcn.data import folders
from fcn.data.coco import annotations
from fcn.data.coco.annotations import Content, Entry, Instance
from fcn.data.spec import DatasetSpec

BACKGROUND, IGNORED = "_background_", "__ignore__"
LINES, CORNERS = ("line", "linestrip", "point", "points"), 72  # points of the polygon that stands for a circle
FIX = "save it again with labelme"


def read(folder):
    """The Content of a folder of JSON files, with its sub-folders. category_ids: the class ids. Raises DataError."""
    folder = pathlib.Path(folder)
    files = folders.walk(folder, (".json",)).files
    found: list[tuple] = []
    problems: list[Problem] = []
    names: dict[str, str] = {}
    for path in files:
        try:
            one = _parsed(path, path.relative_to(folder).parent)
            name = annotations.label_name(one[0])
            if name.lower() in names:
                raise ValueError(f"its label would have the name of that of {names[name.lower()]}")
            names[name.lower()] = path.name
            found.append((name, *one))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            problems.append(Problem(path, f"is not usable as a file of labelme: {_text(error)}", FIX))
    if not found:
        raise errors.DataError("holds no usable JSON file of labelme", where=folder, why=errors.several(problems),
                               fix="give the folder in which labelme wrote its .json files, or a COCO file.")
    labels = sorted({label for *_, shapes in found for label, _ in shapes} - {BACKGROUND, IGNORED})
    return _content(found, labels, problems)


def _content(found, labels, problems):
    spec = DatasetSpec(("background", *labels))
    spec = dataclasses.replace(spec, ignored_ids=(spec.void_id,))
    class_of = {name: i for i, name in enumerate(labels, 1)} | {BACKGROUND: 0, IGNORED: spec.void_id}
    entries, lines = [], 0
    counts: collections.Counter = collections.Counter()
    for name, file_name, size, shapes in found:
        outlines = [(class_of[label], polygon) for label, polygon in shapes if polygon]
        lines += len(shapes) - len(outlines)
        entries.append(Entry(file_name, size, name, [Instance(i, [polygon], i == spec.void_id)
                                                     for i, polygon in outlines]))
        counts.update(i for i, _ in outlines)
    notes = [f"{lines:,} lines and points are left out."] if lines else []
    return Content(entries, spec, tuple(range(1, len(labels) + 1)), dict(counts), problems, notes)


def _parsed(path, parent):
    """(path of the image, (height, width), [(label, polygon)]) of a file; the polygon of a line is empty.

    The image has the name in the file, in the sub-folder `parent`. Raises ValueError, KeyError, TypeError, OSError.
    """
    content = json.loads(path.read_bytes())
    name = pathlib.PureWindowsPath(content["imagePath"]).name  # it separates folders by / and \
    image = {"id": 0, "file_name": (parent / name).as_posix() if name else "", "height": content["imageHeight"],
             "width": content["imageWidth"]}
    size = image["height"], image["width"]
    if why := annotations.wrong_image(image):
        raise ValueError(why)
    shapes = [(shape["label"], _polygon(shape)) for shape in content["shapes"]]
    for label, polygon in shapes:
        if not isinstance(label, str) or not label:
            raise ValueError("a shape has no label")
        if why := polygon and annotations.wrong_polygon(polygon, size):
            raise ValueError(f"{label}: {why}")
    return image["file_name"], size, shapes


def _polygon(shape):
    """[x1, y1, x2, y2, ...] of a shape, [] without area."""
    kind, points = shape.get("shape_type") or "polygon", shape["points"]
    if kind in LINES:
        return []
    if kind == "polygon":
        return [number for x, y in points for number in (x, y)]
    if kind not in ("rectangle", "circle"):
        raise ValueError(f"a shape is a {kind}, expected polygons, rectangles and circles")
    (x, y), (end_x, end_y) = points
    if kind == "rectangle":
        return [x, y, end_x, y, end_x, end_y, x, end_y]
    radius = math.hypot(end_x - x, end_y - y)
    angles = [2 * math.pi * i / CORNERS for i in range(CORNERS)]
    return [number for a in angles for number in (x + radius * math.cos(a), y + radius * math.sin(a))]


def _text(error):
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)
