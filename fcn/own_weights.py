"""The weights of a run of ours, as a file of weights: for the next stage, another data set, or export."""

import pathlib

import numpy as np

from fcn import checkpoint, checkpoint_files, errors, record, transplant
from fcn.mat_weights import Weights


def read(path):
    """The Weights of a run's folder (its newest checkpoint) or of one of its checkpoint folders. Raises WeightsError."""
    path = pathlib.Path(path)
    if (path / "config.json").exists():
        found = checkpoint_files.listed(path / "checkpoints")
        if not found:
            raise errors.WeightsError("there is no checkpoint", where=path / "checkpoints",
                                      cure="train on, until the first one is saved.")
        run, path = path, found[0][0]
    else:
        run = path.parent.parent
    if not (run / "config.json").exists():
        raise errors.WeightsError("is neither a run's folder nor a checkpoint in one", where=path)
    content, step = record.read(run), checkpoint_files.read_state(path)["step"]
    model = content["model"]
    return Weights(checkpoint.read_layers(path), np.array(model["mean_rgb"], np.float32),
                   (f"{model['net']} of {path}, step {step}",), model["net"], model["choices"],
                   transplant.channel_names(content["spec"]["class_names"], model["num_classes"]))
