"""The model to evaluate: a run, a checkpoint, or an FCN in a weight file, with its classes and settings."""

import dataclasses
import logging
import pathlib
import shlex

from fcn.config import training_config
from fcn.core import errors
from fcn.data import label_policy
from fcn.data.label_formats import blue_bits
from fcn.data.layouts import _auto
from fcn.data.spec import DatasetSpec
from fcn.models import components
from fcn.runs import checkpoint_choice, record
from fcn.weights import detection, transfer

logger = logging.getLogger(__name__)

OF_IMAGES = ("skip_bad", "max_pixels")
OF_LABELS = ("layout", "images", "labels", "classes", "ignore_label", "label_encoding", "mask_threshold")


@dataclasses.dataclass(frozen=True)
class EvaluatedModel:
    """A model to evaluate.

    name: for display. settings: Config of its data and sizes. spec: DatasetSpec of its classes. model: "model" of
    config.json. folder: folder of its evaluations. checkpoint, step: folder and step of a run's checkpoint, else None.
    weights: Weights of a file, else None. run: folder of the run, or None. starts: "starts" of config.json, () for a
    file.
    data: folder of its training data. source: path of the checkpoint or file.
    """

    name: str
    settings: training_config.Config
    spec: DatasetSpec
    model: dict
    folder: pathlib.Path
    checkpoint: pathlib.Path | None = None
    step: int | None = None
    weights: detection.Weights | None = None
    run: pathlib.Path | None = None
    starts: tuple = ()
    data: str = ""
    source: str = ""

    @property
    def policy(self):
        """LabelPolicy of the net and its classes."""
        return label_policy.of_run(self.model, self.spec)


def from_run(run, which="best"):
    """Return the EvaluatedModel of a run's folder or a checkpoint's folder, and log which checkpoint it is.

    which: see checkpoint_choice.choose. Raises UsageError, WeightsError.
    """
    chosen = checkpoint_choice.choose(run, which)
    logger.info(f"checkpoint: {chosen.text}")
    run, content = chosen.run, chosen.content
    return EvaluatedModel(run.absolute().name, training_config.from_dict(content["config"]),
                          record.spec_from_dict(content["spec"]),
                          content["model"], run, chosen.path, chosen.state["step"], run=run,
                          starts=tuple(content.get("starts", ())), data=content["config"].get("data", ""),
                          source=str(chosen.path))


def from_file(path):
    """Return the EvaluatedModel of an FCN in a weight file, for images without labels. Raises WeightsError."""
    weights = detection.read_weights(path)
    logger.info("\n  ".join([f"weights: {path}", *weights.notes]))
    if weights.net is None:
        raise errors.WeightsError("holds a VGG without score layers, expected an FCN", where=path,
                                  fix=f"train from it: fcn train --weights {shlex.quote(str(path))} --data FOLDER "
                                      "--run RUN")
    channels = weights.num_classes
    spec = DatasetSpec(tuple(weights.class_names) or tuple(f"class {i}" for i in range(channels)),
                       tuple(weights.ignored_ids), channels=len(weights.mean_rgb))
    model = {"net": weights.net, "choices": weights.variant, "num_classes": channels,
             "ignored_ids": list(weights.ignored_ids), "mean_rgb": weights.mean_rgb.tolist(),
             "channels": components.of(weights.net).widths(weights.widths), "output": weights.output}
    name = pathlib.Path(path).name
    return EvaluatedModel(name, training_config.Config(size=weights.size), spec, model, pathlib.Path("runs", name),
                          weights=weights, source=str(path))


def for_data(evaluated, data, given):
    """Return the EvaluatedModel with the data set for its evaluation.

    data: folder of the data set; None: that of the training. given: {setting: value}; runs only accept `OF_IMAGES`,
    because labels are read as in training. Raises UsageError, DataError.
    """
    allowed = OF_IMAGES if evaluated.run else OF_IMAGES + OF_LABELS
    for name in given:
        if name not in allowed:
            raise errors.UsageError(f"unknown argument {name}; available: {', '.join(allowed)}",
                                    fix=f"leave out {name}" + ("; a run reads labels as in its training."
                                                               if name in OF_LABELS else "."))
    given = {name: training_config.parsed(name, training_config.plain(value)) for name, value in given.items()}
    settings = dataclasses.replace(evaluated.settings, **given, **({"data": str(data)} if data else {}))
    if not settings.data:
        raise errors.UsageError("no data set is given", fix="give the folder of a data set (data=).")
    if evaluated.run:
        evaluated = dataclasses.replace(evaluated, settings=settings)
        if data:
            note_names(evaluated, data)
        return evaluated
    settings = with_layout(settings)
    return with_classes(dataclasses.replace(evaluated, settings=settings), classes_of(
        settings, given.get("mask_threshold")))


def with_layout(settings):
    """Return the settings with the detected layout instead of "auto". Raises DataError."""
    if settings.layout != "auto":
        return settings
    choice = _auto.chosen(settings)
    logger.info(f"layout {choice.layout}: {choice.why}")
    return dataclasses.replace(settings, **choice.settings())


def classes_of(settings, mask_threshold):
    """Return the DatasetSpec of the data set of these settings. mask_threshold: None for the default."""
    spec = _auto.of(settings).spec(settings.data, settings.classes, settings.ignore_label)
    spec = spec.with_overrides(settings.label_encoding, mask_threshold)
    return spec if settings.ignore_label else blue_bits.with_boundary(spec)


def with_classes(evaluated, spec):
    """Return the EvaluatedModel of a file with the classes of a data set, whose layout its settings have.

    Class ids must agree; names that differ are logged. Raises DataError.
    """
    own, weights, channels = evaluated.spec, evaluated.weights, evaluated.model["num_classes"]
    spec = spec.with_overrides(None, None, own.channels)
    if not spec.class_names:
        return dataclasses.replace(evaluated, spec=dataclasses.replace(spec, class_names=own.class_names))
    names = transfer.channel_names(spec.class_names, channels)
    if len(names) > channels or any(i not in spec.ignored_ids for i in range(spec.num_classes, channels)):
        raise errors.DataError(f"the data set has {spec.num_classes} classes, the net in {evaluated.source} has "
                               f"{channels}", fix="give a data set of the net's classes, or train it on these: fcn "
                               f"train --weights {shlex.quote(evaluated.source)} --data FOLDER --run RUN")
    if weights.class_names:
        _note(own.class_names, names, spec.ignored_ids, "file")
    return dataclasses.replace(evaluated, spec=spec)


def note_names(evaluated, data):
    """Log the classes of another data folder whose names differ from those in training."""
    settings = evaluated.settings
    names = _auto.of(settings).spec(data, settings.classes, settings.ignore_label).class_names
    _note(evaluated.spec.class_names, names, evaluated.spec.ignored_ids, "run")


def _note(own, names, ignored_ids, where):
    for i, (theirs, ours) in enumerate(zip(own, names, strict=False)):
        if i not in ignored_ids and theirs.casefold() != ours.casefold():
            logger.info(f"note: class {i} is '{theirs}' in the {where}, '{ours}' in the data set; only ids matter")
