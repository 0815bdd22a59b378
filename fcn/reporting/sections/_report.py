"""The input of every section: report.json, confusion matrix, gallery and training log of an evaluation."""

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
    """An evaluation as sections use it.

    name: name of the run. content: dict of report.json. total: confusion matrix, int64 (C, C), rows are labels; None if
    it cannot be read. pictures: result of gallery.read_pictures, {} without a gallery. entries: list of dict, lines of
    log.jsonl. remarks: one text for each file that could not be read.
    """

    name: str
    content: dict
    total: np.ndarray | None
    pictures: dict
    entries: list
    remarks: tuple[str, ...]

    @property
    def spec(self):
        """DatasetSpec with the class names, ignored ids and colours of the evaluation."""
        return DatasetSpec(tuple(map(str, self.content["class_names"])), tuple(self.content["ignored_ids"]),
                           tuple(tuple(colour) for colour in self.content["colours"]))

    @property
    def classes(self):
        """Rows of `per_class` in report.json, sorted by labelled pixels, largest first."""
        return sorted(self.content["per_class"], key=lambda row: -row["pixels"])


def read(folder):
    """Read the Report of an evaluation's folder, with the log of its run.

    The run is named in report.json, else it is the folder two levels up. Raises DataError if report.json is missing or
    damaged. Every other damaged file becomes a remark.
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
        raise errors.DataError(f"has {stored.num_classes} classes, report.json has {num_classes}", where=path,
                               fix=confusion.AGAIN)
    return stored.total()


def _run(content, folder):
    """Return the run's folder, or None if a weight file was evaluated or the folder does not exist any more."""
    if "run" in content and content["run"] is None:
        return None
    places = [pathlib.Path(content["run"])] if "run" in content else []
    places.append(folder.absolute().parent.parent)
    return next((place for place in places if (place / "config.json").exists()), None)


def _name(content, run):
    """Return the name of the run's folder, else that of the weights."""
    if content.get("name") or run:
        return str(content.get("name") or run.absolute().name)
    weights = pathlib.Path(str(content.get("weights") or "evaluation"))
    return weights.parents[1].name if weights.parent.name == "checkpoints" else weights.name
