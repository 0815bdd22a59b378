"""Write annotations of COCO or labelme as a data set of the layout paired: links to images, label files, class names.

    OUT/images/NAME.jpg    link to the image, which stays where it is
    OUT/labels/NAME.png    class ids: 0 background, 1 to C in the order of the category ids, 255 crowds
    OUT/classes.json       names of the classes; 255 is ignored (65535 and 16 bits if 255 is a class)

With a split, images and labels are in OUT/SPLIT, so that several files make one data set.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import pathlib
import shlex

from fcn.core import atomic_io, errors, machine, ownership
from fcn.core.errors import Problem
from fcn.data import folders, images
from fcn.data.coco import rasterise
from fcn.data.spec import MAX_PIXELS, DatasetSpec

RECORD, CLASSES = "convert-labels.json", "classes.json"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a conversion writes. folder: of images/ and labels/. record: what identifies its source. spec: classes."""

    root: pathlib.Path
    folder: pathlib.Path
    record: dict
    spec: DatasetSpec


def check(entries, folder, max_pixels=MAX_PIXELS, progress=lambda done: None):
    """([(Entry, path of its image)], Problems of the others).

    Raises DataError if no image exists, UsageError if pycocotools is needed and missing.
    """
    rasterise.check_package(instance for entry in entries for instance in entry.instances)
    usable: list[tuple] = []
    problems: list[Problem] = []
    for done, entry in enumerate(entries, 1):
        path = pathlib.Path(folder) / entry.file_name.replace("\\", "/")
        why, fix = _wrong(path, entry.size, max_pixels)
        if why:
            problems.append(Problem(path, why, fix))
        else:
            usable.append((entry, path))
        progress(done)
    if entries and not usable and not any((pathlib.Path(folder) / entry.file_name).exists() for entry in entries):
        first = entries[0].file_name
        raise errors.DataError(f"holds none of {len(entries):,} images, such as {first}", where=folder,
                               fix=_elsewhere(pathlib.Path(folder), first))
    return usable, problems


def _wrong(path, size, max_pixels):
    """(what is wrong with an image, what to do), or ("", "")."""
    try:
        header = images.image_header(path, max_pixels, None)
    except errors.DataError as error:
        why = [error.why] if isinstance(error.why, str) else []
        return "; ".join([error.what, *why]), (error.fix or "").rstrip(".")
    if (header.height, header.width) == size or images.is_turned(header, size):
        return "", ""
    return (f"is {header.height}x{header.width}, the annotations are for {size[0]}x{size[1]} (height x width)",
            "use the image that was annotated")


def _elsewhere(folder, name):
    """The fix if images are not in `folder`: the folder in which `name` is."""
    last = pathlib.PurePosixPath(name).name
    for base in (folder.parent, folder.parent.parent, *(path for path in sorted(folder.glob("*/")) if path.is_dir())):
        if (base / name).is_file():
            return f"give --images {shlex.quote(str(base))}."
    if (folder / last).is_file():
        return f"mkdir -p the folders of {name} in it, and move the images there."
    return "give --images the folder in which these names are."


def place(source, folder, root, split, spec):
    """The Place of a conversion of `source`, with images in `folder`. Raises UsageError if it is taken.

    source: a JSON file, or a folder of them. spec: of the Content.

    A Place with the record of the same conversion is not taken: it was interrupted, and is resumed.
    """
    root = pathlib.Path(root)
    source = pathlib.Path(source)
    digest = hashlib.sha256()
    for path in folders.walk(source, (".json",)).files if source.is_dir() else [source]:
        digest.update(path.read_bytes())
    record = {"annotations": source.name, "sha256": digest.hexdigest(), "images": str(pathlib.Path(folder).resolve())}
    found = Place(root, root / split, record, spec)
    ownership.check_free(found.folder, "--output", lambda path: _record(path) == record)
    if split and (root / RECORD).exists():
        raise errors.UsageError("holds a data set without splits", where=root, fix="give another --output.")
    return found


def _record(folder):
    """The record in a folder, or None."""
    try:
        return json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return None


def write_classes(where):
    """Make the folders, and write record and names of classes. Raises UsageError for the classes of another file."""
    path = where.root / CLASSES
    content = {"names": list(where.spec.class_names), "ignored": list(where.spec.ignored_ids)}
    if path.exists():
        try:
            same = json.loads(path.read_bytes()) == content
        except (OSError, ValueError):
            same = False
        if not same:
            raise errors.UsageError("has other classes than these annotations", where=path,
                                    fix="give another --output; the splits of a data set have the same categories.")
    for name in ("images", "labels"):
        (where.folder / name).mkdir(parents=True, exist_ok=True)
    if not (where.folder / RECORD).exists():
        _write_json(where.folder / RECORD, where.record)
    if not path.exists():
        _write_json(path, content)


def _write_json(path, content):
    atomic_io.write_whole(path, json.dumps(content, indent=1).encode(), new=True)


def write(usable, where, progress=lambda done, begun_with=0: None):
    """Write link and label of each (Entry, path). Raises UsageError if another file has the name of a link.

    Labels of an interrupted conversion are kept. Returns (labels written, labels that existed, objects without pixels).
    """
    for entry, path in usable:
        _link(where.folder / "images" / f"{entry.name}{path.suffix}", path.resolve())
    labels = where.folder / "labels"
    waiting = [entry for entry, _ in usable if not (labels / f"{entry.name}.png").exists()]
    existed, empty = len(usable) - len(waiting), 0
    with concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        for done, without in enumerate(pool.map(lambda entry: _write_label(entry, labels, where.spec),
                                                         waiting), existed + 1):
            empty += without
            progress(done, existed)
    return len(waiting), existed, empty


def _link(link, target):
    """Make a link to a file, unless it exists."""
    try:
        link.symlink_to(target)
    except FileExistsError:
        if not link.is_symlink() or link.readlink() != target:
            raise ownership.taken(link) from None


def _write_label(entry, folder, spec):
    """Write a label; returns the number of objects without a pixel."""
    ordered = rasterise.masks(entry.instances, entry.size)
    images.write_png(folder / f"{entry.name}.png", rasterise.paint(ordered, entry.size, spec.id_dtype))
    return sum(rasterise.area(runs) == 0 for _, runs in ordered)
