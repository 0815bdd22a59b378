"""What is evaluated: a run, one checkpoint of it, or a whole FCN in a file; and what is known of it."""

import dataclasses
import pathlib
import shlex

from fcn.config import training_config
from fcn.core import errors, registry
from fcn.data import label_policy
from fcn.data.layouts import _auto
from fcn.data.spec import DatasetSpec
from fcn.models import components
from fcn.runs import checkpoint_choice, record
from fcn.weights import detection, transfer


@dataclasses.dataclass(frozen=True)
class EvaluatedModel:
    """name: for people. settings: the Config of its data and sizes. spec: its classes. model: "model" of config.json.

    checkpoint, step: its checkpoint's folder, or weights: the Weights of a file. run: the run's folder, or None.
    starts: config.json's, () for a file. folder: where its evaluations go. data: the folder that it was trained on.
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

    @property
    def policy(self):
        """The LabelPolicy of its net and of its classes."""
        return label_policy.of_run(self.model, self.spec)


def from_run(run, which="best"):
    """The EvaluatedModel of a run's folder, or of a checkpoint's in one, as checkpoint_choice.choose has it; prints
    which checkpoint it is. Raises UsageError, WeightsError.
    """
    chosen = checkpoint_choice.choose(run, which)
    print(f"checkpoint: {chosen.text}")
    run, content = chosen.run, chosen.content
    return EvaluatedModel(run.absolute().name, training_config.from_dict(content["config"]),
                          record.spec_from_dict(content["spec"]),
                          content["model"], run, chosen.path, chosen.state["step"], run=run,
                          starts=tuple(content.get("starts", ())), data=content["config"].get("data", ""))


def from_file(path, asked=None):
    """The EvaluatedModel of a whole FCN in a file. asked: function of no arguments that gives (layout, spec of the data
    set whose classes it must have), None for photos without labels. Raises WeightsError, DataError.
    """
    weights = detection.read_weights(path)
    print("\n  ".join([f"weights: {path}", *weights.notes]))
    if weights.net is None:
        raise errors.WeightsError("holds a VGG, not a whole FCN: there is nothing to evaluate", where=path,
                                  fix=f"train from it: python train_fcn.py --weights {shlex.quote(str(path))} --data "
                                       "FOLDER --run RUN")
    channels = weights.num_classes
    spec = DatasetSpec(tuple(weights.class_names) or tuple(f"class {i}" for i in range(channels)),
                       tuple(weights.ignored_ids))
    layout = "auto"
    if asked:
        layout, wanted = asked()
        spec = _same_classes(wanted, spec, len(weights.class_names) > 0, channels, path)
    model = {"net": weights.net, "choices": weights.variant, "num_classes": channels,
             "ignored_ids": list(weights.ignored_ids), "mean_rgb": weights.mean_rgb.tolist(),
             "channels": components.of(weights.net).widths(weights.widths)}
    name = pathlib.Path(path).name
    return EvaluatedModel(name, training_config.Config(layout=layout, size=None), spec, model,
                          pathlib.Path("runs", name), weights=weights)


def classes_of(data, layout, classes, ignore_label, encoding, mask_threshold):
    """(layout, DatasetSpec) of a folder, as the flags have it; "auto" is told by its looks. Raises DataError."""
    if layout == "auto":
        layout, why = _auto.choose(data)
        print(f"layout {layout}: {why}")
    spec = registry.load("layouts", layout).spec(data, classes, ignore_label)
    return layout, spec.as_asked(encoding, mask_threshold)


def _same_classes(asked, own, named, channels, path):
    """The spec of the data set, whose classes must be those of the net: ids decide, names that differ are told."""
    if not asked.class_names:
        return dataclasses.replace(asked, class_names=own.class_names)
    names = transfer.channel_names(asked.class_names, channels)
    if len(names) > channels or any(i not in asked.ignored_ids for i in range(asked.num_classes, channels)):
        raise errors.DataError(f"the data set has {asked.num_classes} classes, the net in {path} {channels}")
    if named:
        _note(own.class_names, names, asked.ignored_ids, "file")
    return asked


def note_names(evaluated, data):
    """Say which classes of another data folder are called otherwise than those that the run was trained on."""
    settings = evaluated.settings
    names = registry.load("layouts", settings.layout).spec(data, settings.classes, settings.ignore_label).class_names
    _note(evaluated.spec.class_names, names, evaluated.spec.ignored_ids, "run")


def _note(own, names, ignored_ids, where):
    for i, (theirs, ours) in enumerate(zip(own, names, strict=False)):
        if i not in ignored_ids and theirs.casefold() != ours.casefold():
            print(f"note: class {i} is '{theirs}' in the {where}, '{ours}' in the data set; ids count, not names")
