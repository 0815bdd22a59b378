"""Training from Python: the same as `fcn train`, in the same run folders."""

import dataclasses
import os
import pathlib

from fcn.api import model
from fcn.api.arguments import path_of
from fcn.config import training_config
from fcn.core import errors
from fcn.runs import checkpoint_choice, run_facts, run_log
from fcn.training import start


@dataclasses.dataclass(frozen=True)
class Run:
    """A training run: its folder and what it has logged.

    Attributes
    ----------
    folder : pathlib.Path
        The run's folder: config.json, checkpoints, log.jsonl, curves.png.
    """

    folder: pathlib.Path

    @property
    def log(self):
        """The entries of log.jsonl: dicts with "step" and "loss", "val_mean_iou", ... (docs/training.md)."""
        return run_log.read_entries(self.folder / "log.jsonl")

    @property
    def best_mean_iou(self):
        """The highest mean IoU of a validation, 0 to 1; None before the first one."""
        return self._facts()["best_mean_iou"]

    @property
    def steps(self):
        """How many weight updates were made."""
        return self._facts()["steps_done"]

    def _facts(self):
        return run_facts.read_log(self.folder, self.folder.name).facts

    def load(self, checkpoint=checkpoint_choice.BEST):
        """The Model of a checkpoint, see fcn.load()."""
        return model.load(self.folder, checkpoint)


def train(data=None, *, run=None, recipe=None, config=None, resume="auto", **settings):
    """Train a net, or resume the run in a folder.

    A run that is interrupted and started again with the same call ends as an uninterrupted one. Ctrl-C ends the step,
    saves a checkpoint and raises fcn.errors.Stopped; a second one raises KeyboardInterrupt.

    Parameters
    ----------
    data : str or pathlib.Path, optional
        Folder of the data set; a run that resumes has it.
    run : str or pathlib.Path, optional
        Folder of the run; by default runs/LAYOUT-NET.
    recipe : str, optional
        Name of a set of settings to start from, such as "camvid".
    config : fcn.Config, str or pathlib.Path, optional
        Settings from fcn.Config.create(), or a TOML file of them.
    resume : str
        "auto": resume the run if the folder holds one; "never": refuse such a folder; or the folder of a checkpoint
        that a new run starts from.
    **settings
        Single settings (fcn.Config): net="fcn8s", size=(360, 480), steps=2000, augment=("hflip", "scale"), ...
        They take precedence over config, config over recipe, recipe over the settings of the run.

    Returns
    -------
    Run

    Raises
    ------
    fcn.errors.FcnError
        UsageError for invalid settings, DataError for files that cannot be used, WeightsError for weights or
        checkpoints, MachineError for memory and disks, DivergedError if the loss is not finite, Stopped after a signal.
    """
    if isinstance(config, training_config.Config):
        if recipe:
            raise errors.UsageError("recipe and a fcn.Config are given",
                                    fix="fcn.Config.create(recipe=...) joins them.")
        settings, config = {**vars(config), **training_config.from_python(settings)}, None
    else:
        settings = training_config.from_python(settings)
    if data is not None:
        settings["data"] = str(path_of("data", data))
    if not isinstance(config, str | os.PathLike | None):
        raise errors.UsageError(f"config={config!r}: expected a fcn.Config or the path of a TOML file",
                                fix="fcn.Config.create(batch=4) makes one.")
    run = None if run is None else path_of("run", run)
    resume = resume if resume in ("auto", "never") else path_of("resume", resume)
    own = start.own_settings(run, resume) if run else {}
    resolved = start.with_layout(training_config.resolve(settings, config, recipe, own), own)
    folder = pathlib.Path(run or f"runs/{resolved.layout}-{resolved.net}")
    prepared = start.with_absolute_paths(start.with_precision(resolved, own))
    start.train(start.Start(folder, prepared, str(resume), times_precisions=resolved.precision == training_config.AUTO))
    return Run(folder)
