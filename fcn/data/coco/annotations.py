"""Read a JSON file of COCO instance annotations.

    {"images": [{"id", "file_name", "height", "width"}], "categories": [{"id", "name"}],
     "annotations": [{"id", "image_id", "category_id", "iscrowd", "segmentation"}]}

segmentation is a list of polygons [x1, y1, x2, y2, ...] in pixels, or a run-length encoding {"size": [height, width],
"counts": list or text} (rasterise.py). Source: cocodataset.org, "Data format", and cocodataset/cocoapi.
"""

import collections
import dataclasses
import json
import math
import pathlib

from fcn.core import errors, file_kinds, machine
from fcn.core.errors import Problem
from fcn.data.coco import rasterise
from fcn.data.spec import MOST_CLASSES, DatasetSpec

MEMORY_FACTOR = 6  # Python needs about six times the size of the file: a coordinate of 7 characters becomes 32 bytes
FIX = "export the annotations again as COCO JSON, with the lists images, annotations and categories."


@dataclasses.dataclass(frozen=True)
class Instance:
    """The outline of an object. class_id: 1 to C, or the ignored id for a crowd. segmentation: as in the file."""

    class_id: int
    segmentation: list | dict
    is_crowd: bool = False


@dataclasses.dataclass(frozen=True)
class Entry:
    """An image of the file. size: (height, width). name: of its label, without suffix."""

    file_name: str
    size: tuple[int, int]
    name: str
    instances: list[Instance] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Content:
    """Content of a file. problems: of images that cannot be used. notes: lines.

    spec: the classes, "background" first, and the ignored id, 255 (65535 if 255 is a class). category_ids: by class id,
    from 1. counts: number of instances by class id; crowds have the ignored id.
    """

    entries: list[Entry]
    spec: DatasetSpec
    category_ids: tuple[int, ...]
    counts: dict[int, int]
    problems: list[Problem]
    notes: list[str]


def read(path):
    """The Content of a file. Raises DataError, MachineError."""
    content = _json(path)
    categories = _categories(content["categories"], path)
    class_of = {category: i for i, (category, _) in enumerate(categories, 1)}
    spec = DatasetSpec(("background", *(name for _, name in categories)))
    spec = dataclasses.replace(spec, ignored_ids=(spec.void_id,))
    by_id, problems = _images(content["images"], path)
    counts: collections.Counter = collections.Counter()
    empty = 0
    for annotation in content["annotations"]:
        entry, why = _entry_of(annotation, by_id)
        if not why and annotation.get("segmentation") in (None, [], [[]], {}):
            empty += 1
            continue
        why = why or _wrong(annotation, class_of, entry)
        if why:
            problems.append(Problem(pathlib.Path(path), f"annotation {_shown(annotation, 'id')}: {why}",
                                    "correct or remove it"))
            if entry:
                by_id[annotation["image_id"]] = None  # without this object the label would be wrong
        elif entry:
            is_crowd = bool(annotation.get("iscrowd"))
            class_id = spec.void_id if is_crowd else class_of[annotation["category_id"]]
            entry.instances.append(Instance(class_id, annotation["segmentation"], is_crowd))
            counts[class_id] += 1
    if not counts and not problems:
        raise errors.DataError("holds no outline of an object", where=path,
                               why=f"{empty:,} annotations have an empty segmentation" if empty else
                               "its list of annotations is empty",
                               fix="export it with polygons or masks; boxes alone are not enough.")
    notes = [f"{empty:,} annotations have no outline (segmentation is empty) and paint nothing."] if empty else []
    return Content([entry for entry in by_id.values() if entry], spec, tuple(category for category, _ in categories),
                   dict(counts), problems, notes)


def _json(path):
    """The parsed file, with its three lists. Raises DataError, MachineError."""
    path = pathlib.Path(path)
    try:
        size = path.stat().st_size
        _check_memory(path, size * MEMORY_FACTOR)
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path,
                               fix=errors.reading_fix(error)) from None
    except (ValueError, RecursionError) as error:
        raise errors.DataError("is not JSON", where=path, why=file_kinds.why_unreadable(path, str(error)),
                               fix=FIX) from None
    lists = content if isinstance(content, dict) else {}
    wrong = [name for name in ("images", "annotations", "categories") if not isinstance(lists.get(name), list)
             or not all(isinstance(entry, dict) for entry in lists[name])]
    if wrong:
        raise errors.DataError(f"has no list of objects named {' or '.join(wrong)}", where=path,
                               why="found " + (", ".join(map(repr, lists)) or type(content).__name__), fix=FIX)
    return content


def _check_memory(path, needed):
    available = machine.available_memory()
    if available is not None and needed > available:
        raise errors.MachineError(f"needs about {needed / 1e9:.1f} GB of memory to read, {available / 1e9:.1f} GB are "
                                  "available", where=path, fix="use a larger machine, or split the file by images.")


def _categories(found, path):
    """[(category id, name)] in the order of the ids. Raises DataError."""
    categories = [(entry.get("id"), entry.get("name")) for entry in found]
    wrong = [pair for pair in categories if type(pair[0]) is not int or not isinstance(pair[1], str) or not pair[1]]
    twice = [i for i, count in collections.Counter(i for i, _ in categories).items() if count > 1]
    if wrong or twice or not categories:
        raise errors.DataError("has unusable categories", where=path,
                               why=f"found {wrong[0]!r} as id and name" if wrong else
                               f"the id {twice[0]} occurs more than once" if twice else "the list is empty",
                               fix="give each category a whole number as id and a name.")
    if len(categories) >= MOST_CLASSES:
        raise errors.DataError(f"has {len(categories)} categories, expected at most {MOST_CLASSES - 1}", where=path,
                               fix="keep the categories that matter, and their annotations.")
    return sorted(categories)


def _images(found, path):
    """({image id: Entry, None if it cannot be used}, Problems of those)."""
    by_id: dict[int | str, Entry | None] = {}
    problems: list[Problem] = []
    names: dict[str, str] = {}
    for image in found:
        why = wrong_image(image)
        name = "" if why else label_name(image["file_name"])
        if not why and image["id"] in by_id:
            why = "another image has this id"
        if not why and name.lower() in names:
            why = f"its label would have the name of that of {names[name.lower()]}"
        if why:
            problems.append(Problem(pathlib.Path(path), f"image {_shown(image, 'id')}: {why}", "correct or remove it"))
            if type(image.get("id")) in (int, str):
                by_id[image["id"]] = None
            continue
        names[name.lower()] = image["file_name"]
        by_id[image["id"]] = Entry(image["file_name"], (image["height"], image["width"]), name)
    return by_id, problems


def wrong_image(image):
    """What is wrong with an entry of images, or ""."""
    name, i = image.get("file_name"), image.get("id")
    if type(i) not in (int, str) or not isinstance(name, str) or not name or "\0" in name:
        return "expected an id and a file_name"
    parts = pathlib.PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or name[1:2] == ":" or not parts.name:
        return f"{name} is outside the folder of images"
    if not all(type(image.get(key)) is int and image[key] > 0 for key in ("height", "width")):
        return "expected height and width in whole pixels"
    return ""


def label_name(file_name):
    """Name of image and label without suffix: the path in the file, with _ for /, as in the layout paired."""
    return "_".join(pathlib.PurePosixPath(file_name.replace("\\", "/")).with_suffix("").parts)


def _entry_of(annotation, by_id):
    """(Entry, "") of an annotation; (None, "") if its image is unusable; (None, why) if there is no such image."""
    i = annotation.get("image_id")
    if type(i) not in (int, str) or i not in by_id:
        return None, f"there is no image {_shown(annotation, 'image_id')}"
    return by_id[i], ""


def _wrong(annotation, class_of, entry):
    """What is wrong with an annotation that has a segmentation, or ""."""
    category, outline = annotation.get("category_id"), annotation["segmentation"]
    if type(category) is not int or category not in class_of:
        return f"there is no category {_shown(annotation, 'category_id')}"
    if isinstance(outline, dict):
        return rasterise.wrong_runs(outline, entry.size if entry else None)
    if not isinstance(outline, list) or not all(isinstance(polygon, list) for polygon in outline):
        return "segmentation is neither a list of polygons nor a run-length encoding"
    return next((why for polygon in outline if (why := wrong_polygon(polygon, entry.size if entry else None))), "")


def wrong_polygon(polygon, size):
    """What is wrong with [x1, y1, x2, y2, ...], or "". size: (height, width) of its image, None if unknown."""
    if len(polygon) < 6 or len(polygon) % 2:
        return f"a polygon has {len(polygon)} numbers, expected pairs of x and y for three points or more"
    if not all(type(number) in (int, float) and math.isfinite(number) for number in polygon):
        return "a polygon contains something other than finite numbers"
    if not size:
        return ""
    height, width = size
    if min(polygon[::2]) < -width or max(polygon[::2]) > 2 * width or \
            min(polygon[1::2]) < -height or max(polygon[1::2]) > 2 * height:
        return f"a polygon lies far outside its image of {height}x{width} pixels (height x width)"
    return ""


def _shown(entry, key):
    return repr(entry.get(key))[:40]
