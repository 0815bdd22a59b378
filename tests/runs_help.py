"""Folders of runs, without a training."""

import json

from fcn.config import training_config
from fcn.data.spec import DatasetSpec
from fcn.runs import checkpoint_files, record


def a_run(folder, scores, **settings):
    """A run folder that evaluation and export can open, with a checkpoint for each {step: score}."""
    folder.mkdir(parents=True)
    own = {"settings": "a"}
    spec = record.spec_to_dict(DatasetSpec(("a", "b", "c")))
    (folder / "config.json").write_text(json.dumps({
        "config": training_config.to_dict(training_config.Config(**settings)), "spec": spec,
        "model": {"channels": {}, "net": "fcn8s", "num_classes": 3, "mean_rgb": [0, 0, 0],
                  "ignored_ids": []},
        "fingerprints": own}))
    for step, score in scores.items():
        path = folder / "checkpoints" / checkpoint_files.name(step)
        path.mkdir(parents=True)
        (path / "model.index").write_text(f"{step}")
        checkpoint_files.seal(path, {"step": step, "score": score, "fingerprints": own})
    return folder
