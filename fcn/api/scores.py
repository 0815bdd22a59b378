"""Scores of an evaluation: numbers to read, and the files of an evaluation to write."""

import dataclasses
import pathlib
import tempfile

from fcn.api.arguments import path_of
from fcn.config import training_config
from fcn.core import atomic_io, errors, machine, ownership
from fcn.data.spec import DatasetSpec
from fcn.evaluation import result_folder, results
from fcn.evaluation.result_folder import ResultFolder
from fcn.metrics.confusion import ConfusionMatrices
from fcn.reporting import html_report
from fcn.reporting.gallery import Gallery
from fcn.runs import record

VALIDATION = ("validation", "val", "valid")
TRAINED_ON = "the net was trained on these images (train_split = trainval): the scores say nothing about new ones"
PAGE_MARK = b'<meta name="generator" content="fcn">'


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of a model on the images of one split.

    Attributes
    ----------
    content : dict
        Everything that report.json holds: all protocols with confidence intervals, classes, images, settings.
    original : ConfusionMatrices
        One confusion matrix per image, at the image's own size.
    network : ConfusionMatrices or None
        The same at the size of the network's input.
    others : dict
        Further ConfusionMatrices. "boundary": of pixels near boundaries; "thresholds": of two classes, pixels by
        probability; "flags": of DIVA-HisDB, what the protocol diva_layout scores.
    """

    content: dict = dataclasses.field(repr=False)
    original: ConfusionMatrices = dataclasses.field(repr=False)
    network: ConfusionMatrices | None = dataclasses.field(repr=False)
    gallery: Gallery = dataclasses.field(repr=False)
    others: dict[str, ConfusionMatrices] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def mean_iou(self):
        """Mean intersection over union, 0 to 1, by the protocol "benchmark" (docs/evaluation.md)."""
        return self.content["mean_iou"]

    @property
    def pixel_accuracy(self):
        """Share of labelled pixels that are predicted correctly, 0 to 1."""
        return self.content["pixel_accuracy"]

    @property
    def f_score(self):
        """Mean F-score (F1, Dice coefficient) of the classes, 0 to 1, by the protocol "benchmark"."""
        return self.content["protocols"]["benchmark"]["scores"]["mean_f_score"]

    @property
    def boundary_iou(self):
        """Mean Boundary IoU, 0 to 1, by the protocol "boundary"."""
        return self.content["protocols"]["boundary"]["scores"]["mean_iou"]

    @property
    def best_threshold(self):
        """For two classes: the probability of the foreground that gives its highest F-score here; else None."""
        return self.content["threshold"]["best"]["threshold"] if "threshold" in self.content else None

    @property
    def intervals(self):
        """{"mean_iou": (low, high), ...}: 95% confidence intervals over the images; None where unknown."""
        return self.content["protocols"]["benchmark"]["intervals"]

    @property
    def per_class(self):
        """{class name: IoU, 0 to 1}; None for a class that is in neither labels nor predictions."""
        return {row["name"]: row["iou"] for row in self.content["per_class"]}

    def table(self):
        """The scores as text: classes, protocols, numbers to compare with, warnings."""
        return results.table(self.content)

    def write_into(self, folder):
        """Write all files of an evaluation into an empty folder; report.json, per_class.csv, report.html, ..."""
        results.save(folder, self.original, self.network, self.content, self.others)
        self.gallery.write(folder)
        html_report.write_page(folder)

    def save(self, path):
        """Write the self-contained page `path` (*.html), or a folder with all files of an evaluation.

        An earlier page or evaluation of this package is replaced, other files never. Raises UsageError for a path that
        is taken, MachineError if the disk fails. Returns the path.
        """
        path = path_of("path", path)
        if path.suffix.lower() not in (".html", ".htm"):
            destination = ResultFolder(path, result_folder.EVALUATION)
            with destination.writing() as folder:
                self.write_into(folder)
                destination.publish()
            return destination.place
        ownership.check_free(path, is_ours=_is_page)
        if not path.parent.is_dir():
            raise errors.UsageError("there is no such folder", where=path.parent, fix="create it, or save elsewhere.")
        with tempfile.TemporaryDirectory() as folder:
            self.write_into(folder)
            page = (pathlib.Path(folder) / "report.html").read_bytes()
        try:
            atomic_io.write_whole(path, page)
        except OSError as error:
            raise errors.MachineError(f"cannot be written: {error.strerror}", where=path,
                                      fix="save to another folder.") from None
        return path

    def __repr__(self):
        between = self.intervals["mean_iou"]
        return (f"Scores(mean_iou={self.mean_iou:.4f}" + (f" [{between[0]:.4f}, {between[1]:.4f}]" if between else "")
                + f", pixel_accuracy={self.pixel_accuracy:.4f}, images={self.content['images']})")


def _is_page(path):
    """Whether this file is a page of an evaluation."""
    try:
        with pathlib.Path(path).open("rb") as file:
            return PAGE_MARK in file.read(4096)
    except OSError:
        return False


def of(evaluated, scored, gallery, config, split, left_out):
    """The Scores of a runner.Scored. evaluated: the EvaluatedModel; config: the InferenceConfig; left_out: Problems.

    Raises DataError if no pixel is labelled.
    """
    from fcn.models import tf_compat
    spec: DatasetSpec = evaluated.spec
    if not scored.original.total()[list(spec.scored_ids)].any():
        raise errors.DataError("not one pixel of these images is labelled: there is nothing to score",
                               where=evaluated.settings.data, fix="fcn predict needs no labels.")
    facts = {"name": evaluated.name, "run": evaluated.run and str(evaluated.run), "inference": config.describe(),
             "split": split, "images": scored.images, "left_out": [str(problem) for problem in left_out],
             "checkpoint_step": evaluated.step, "weights": evaluated.source,
             "precision": evaluated.settings.precision, "layout": evaluated.settings.layout,
             "net": evaluated.model["net"], "training": list(evaluated.starts),
             "settings": training_config.to_dict(evaluated.settings), "peak_memory_bytes": machine.peak_memory(),
             "seconds": scored.seconds, **record.provenance(), "device": tf_compat.detect_device().name}
    measured = results.measured(scored.original, scored.network, spec, evaluated.settings.layout,
                                others=scored.others)
    if evaluated.settings.train_split == "trainval" and split in VALIDATION:
        measured["warnings"].insert(0, TRAINED_ON)
    if "threshold" in measured:
        measured["threshold"]["used"] = config.threshold
    return Scores(facts | measured, scored.original, scored.network, gallery, scored.others)
