"""Fully Convolutional Networks (Long, Shelhamer & Darrell) in TensorFlow's graph mode.

>>> import fcn
>>> model = fcn.load("runs/ade")                        # a run's folder, a checkpoint, or a published .mat or .npz
>>> ids = model.predict("photo.jpg")                    # (H, W) uint8 class ids
>>> scores = model.evaluate("ADEChallengeData2016")     # scores.mean_iou, scores.save("report.html")
>>> run = fcn.train("camvid", run="runs/camvid", recipe="camvid")

Importing fcn imports no TensorFlow, prints nothing and changes nothing in the process. ARCHITECTURE.md describes the
packages.
"""

import importlib
import typing

__all__ = ["Config", "Model", "Run", "Scores", "errors", "load", "score_layout", "train"]

if typing.TYPE_CHECKING:
    from fcn.api.model import Model, load
    from fcn.api.scores import Scores
    from fcn.api.training import Run, train
    from fcn.config.training_config import Config
    from fcn.core import errors
    from fcn.evaluation.layout_score import score_layout

_MODULES = {"Config": "fcn.config.training_config", "Model": "fcn.api.model", "Run": "fcn.api.training",
            "Scores": "fcn.api.scores", "load": "fcn.api.model",
            "score_layout": "fcn.evaluation.layout_score", "train": "fcn.api.training"}


def __getattr__(name):
    if name == "errors":
        return importlib.import_module("fcn.core.errors")
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("fcn")
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'fcn' has no attribute '{name}'")


def __dir__():
    return sorted([*globals(), *__all__])
