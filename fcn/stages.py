"""--stages A,B,C: recipes, or TOML files, as runs RUN/1-A, RUN/2-B, ..., each from the weights of the one before."""

import argparse
import pathlib

from fcn import checkpoint_files, config, errors, record


def listed(arguments):
    """The arguments of each stage; arguments are those of train_fcn.py. Raises UsageError."""
    folder = pathlib.Path(arguments.run or "runs/stages")
    found: list[argparse.Namespace] = []
    for number, name in enumerate((name.strip() for name in arguments.stages.split(",")), 1):
        if not name:
            raise errors.UsageError(f"--stages {arguments.stages}: stage {number} has no name")
        path = pathlib.Path(name)
        stage = argparse.Namespace(**vars(arguments) | {"run": str(folder / f"{number}-{path.stem}")})
        stage.config, stage.recipe = (name, stage.recipe) if path.suffix == ".toml" else (stage.config, name)
        if found:
            stage.weights = found[-1].run
        found.append(stage)
    return found


def is_finished(run, settings, begun_after):
    """Whether a stage needs no more steps. With any other setting or data the run itself must say what is wrong.

    settings: its Config. begun_after: a later stage has begun, so that checkpoints of this one may be gone.
    """
    run = pathlib.Path(run)
    if not (run / "config.json").exists():
        return False
    content, found = record.read(run), checkpoint_files.listed(run / "checkpoints")
    if record.differences(content["config"], config.to_dict(settings), (*config.SAME_AT_RESUME, "data", "epochs")):
        return False
    state = found[0][1] if found else {"step": content["steps"] if begun_after else 0}
    return checkpoint_files.is_last(state, settings.steps or content["steps"], settings.patience)
