"""What every section of the page is built from: report.json, and what there is of matrices, gallery and log."""

import dataclasses
import pathlib

import numpy as np

from fcn.core import errors
from fcn.data.spec import DatasetSpec
from fcn.evaluation import results
from fcn.metrics import confusion
from fcn.reporting import gallery
from fcn.runs import run_log


@dataclasses.dataclass(frozen=True)
class Report:
    """name: of the run. content: of report.json. total: int64 (C, C) or None, rows labels. pictures: as
    gallery.read_pictures gives them. entries: of log.jsonl. remarks: what is not on the page and why.
    """

    name: str
    content: dict
    total: np.ndarray | None
    pictures: dict
    entries: list
    remarks: tuple[str, ...]

    @property
    def spec(self):
        """The DatasetSpec of its classes, for names and colours."""
        return DatasetSpec(tuple(map(str, self.content["class_names"])), tuple(self.content["ignored_ids"]),
                           tuple(tuple(colour) for colour in self.content["colours"]))

    @property
    def classes(self):
        """Rows of report.json's per_class, the most frequent first."""
        return sorted(self.content["per_class"], key=lambda row: -row["pixels"])


def read(folder):
    """The Report in a folder of an evaluation, and of the run that its report.json names or that it lies in.

    Raises DataError if report.json cannot be used; whatever else is damaged becomes a remark.
    """
    folder = pathlib.Path(folder)
    content, remarks = results.read_report(folder), []

    def attempt(what, load):
        try:
            return load()
        except (errors.DataError, OSError) as error:
            remarks.append(f"{what} could not be read: {' '.join(str(error).split())}")

    run = _run(content, folder)
    total = attempt("The confusion matrix", lambda: _total(folder / "confusion.npz", len(content["class_names"])))
    pictures = attempt("The gallery", lambda: gallery.read_pictures(folder))
    entries = attempt("The log of the training", lambda: run_log.read_entries(run / "log.jsonl") if run else [])
    return Report(_name(content, run), content, total, pictures or {}, entries or [], tuple(remarks))


def _total(path, num_classes):
    """int64 (num_classes, num_classes). Raises DataError."""
    stored = confusion.load(path)
    if stored.num_classes != num_classes:
        raise errors.DataError(f"has {stored.num_classes} classes, report.json {num_classes}", where=path)
    return stored.total()


def _run(content, folder):
    """Its folder; None for weights that come from a file, and where it is gone."""
    if "run" in content and content["run"] is None:
        return None
    places = [pathlib.Path(content["run"])] if "run" in content else []
    places.append(folder.absolute().parent.parent)
    return next((place for place in places if (place / "config.json").exists()), None)


def _name(content, run):
    """The run's, as its folder is called; else that of the weights."""
    if content.get("name") or run:
        return str(content.get("name") or run.absolute().name)
    weights = pathlib.Path(str(content.get("weights") or "evaluation"))
    return weights.parents[1].name if weights.parent.name == "checkpoints" else weights.name
