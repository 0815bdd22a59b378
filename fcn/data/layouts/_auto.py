"""--layout auto: find the layout of a data set by asking all layouts."""

import dataclasses
import pathlib
import shlex

from fcn.core import errors, file_kinds, registry
from fcn.data import folders, images
from fcn.data.layouts import _folders, _patterns, _proposal

DEPTH, MOST_LINES, MOST_FOLDERS = 3, 8, 200  # limits of the search for files to list if no layout fits


@dataclasses.dataclass(frozen=True)
class Choice:
    """A layout of a folder. why: what it was recognised by. images, labels: patterns of the layout pattern, or ""."""

    layout: str
    why: str
    images: str = ""
    labels: str = ""

    def settings(self):
        """{setting: value} of the layout and its patterns."""
        patterns = {"images": self.images, "labels": self.labels} if self.images else {}
        return {"layout": self.layout, **patterns}

    def flags(self):
        """The flags that name this layout, for a shell."""
        return shlex.join(part for name, value in self.settings().items() for part in (f"--{name}", value))


def of(settings):
    """The layout of these settings: has EXPECTED's functions spec and listing. settings: has layout, images and labels.

    Raises UsageError for an unknown layout, and for patterns that are missing, wrong or not used.
    """
    layout = registry.load("layouts", settings.layout)
    if layout.with_patterns:
        return layout.with_patterns(settings.images, settings.labels)
    if settings.images or settings.labels:
        raise errors.UsageError(f"--images and --labels are not used by the layout {settings.layout}",
                                fix="give --layout pattern, or leave out --images and --labels.")
    return layout


def chosen(settings):
    """The Choice for these settings: as asked, by the patterns given, or detected for the layout "auto".

    settings: has data, layout, images and labels. Raises DataError if none fits, UsageError if several fit.
    """
    if settings.layout != "auto":
        return Choice(settings.layout, "as asked", settings.images, settings.labels)
    if settings.images or settings.labels:
        return Choice("pattern", "as asked", settings.images, settings.labels)
    return choose(settings.data)


def choose(root):
    """The Choice of the layout that fits. Raises DataError if none fits, UsageError if several fit."""
    root = pathlib.Path(root)
    if not root.exists():
        raise errors.DataError("there is no such folder", where=root, fix="--data names the folder of the data set.")
    found = fitting(root)
    if len(found) > 1:
        raise errors.UsageError("several layouts fit", where=root, why=[f"{n}: {why}" for n, why in found.items()],
                                fix=f"give --layout {' or --layout '.join(found)}.")
    if found:
        return Choice(*next(iter(found.items())))
    proposal = _proposal.propose(root) if root.is_dir() else None
    inside = _sub_folder(root)
    if proposal and not (inside and proposal.is_in_one_folder()):
        return Choice("pattern", "\n  ".join(["no named layout fits; proposed from the names of files:",
                                              *proposal.lines()]), proposal.images, proposal.labels)
    here, others = _content(root)
    convertible = {suffix for suffix, paths in others.items() if not all(map(_is_converted, paths))}
    raise errors.DataError("no layout fits this folder", where=root,
                           why=[*here, *(layout.EXPECTED for layout in registry.load_all("layouts").values())],
                           fix=inside or file_kinds.to_png(convertible, root) or
                           f"give {_patterns.EXAMPLE} with your folders, arrange the data set as one of these, or give "
                           "--layout.")


def fitting(root):
    """{name: reason} of the layouts that recognise `root`, without those for which a narrower layout fits."""
    layouts = registry.load_all("layouts")
    answers = {name: layout.recognise(root) for name, layout in layouts.items()}
    found = {name: why for name, why in answers.items() if why}
    wider = {other for name in found for other in layouts[name].NARROWER_THAN}
    return {name: why for name, why in found.items() if name not in wider}


def _content(root):
    """(lines with the number of files in the folder and its sub-folders, {suffix: files} that are not readable)."""
    # A label may be a GIF, a photo may not: then it is listed with the command that converts it.
    known = {*images.IMAGE_SUFFIXES, *_folders.label_suffixes()} - ({*file_kinds.PILLOW_ENDINGS} -
                                                                     {*images.IMAGE_SUFFIXES})
    lines: list[str] = []
    others: dict[str, list] = {}
    waiting, looked = [(root, 0)] if root.is_dir() else [], 0
    while waiting and len(lines) < MOST_LINES and looked < MOST_FOLDERS:
        looked += 1
        folder, depth = waiting.pop(0)
        try:
            found = folders.look(folder, ())
        except errors.DataError:
            continue
        for suffix, paths in found.others.items():
            if suffix not in known:
                others.setdefault(suffix, []).extend(paths)
        counted = folders.counted(found.others)
        lines += [f"found: {counted} in {folder.relative_to(root)}/"] if counted and folder != root else \
                 [f"found: {counted}"] if counted else []
        waiting += [(path, depth + 1) for path in found.folders] if depth < DEPTH else []
    return lines + folders.not_read(others, images.IMAGE_SUFFIXES), others


def _is_converted(path):
    """Whether the .png exists that the advised command would write."""
    return path.with_suffix(".png").exists()


def _sub_folder(root, depth=2):
    """The fix if a layout fits a sub-folder, as after unpacking an archive; otherwise ""."""
    try:
        inside = folders.look(root, ()).folders[:20]
    except errors.DataError:
        return ""
    for path in inside:
        found = fitting(path)
        if found:
            return f"did you mean --data {shlex.quote(str(path))} ({' or '.join(found)})?"
    return next((fix for path in inside if depth > 1 and (fix := _sub_folder(path, depth - 1))), "")
