"""--stages A,B,C: train recipes or TOML files as runs RUN/1-A, RUN/2-B, ..., each from the weights of the previous one.

The checkpoint of the previous stage is the one that --weights RUN uses: the best by validation score.
"""

import argparse
import dataclasses
import math
import pathlib

import numpy as np

from fcn.config import training_config
from fcn.core import errors
from fcn.runs import checkpoint_files, record


def listed(arguments):
    """The arguments of each stage, a list of Namespace. arguments: of fcn train. Raises UsageError."""
    folder = pathlib.Path(arguments.run or "runs/stages")
    found: list[argparse.Namespace] = []
    for number, name in enumerate((name.strip() for name in arguments.stages.split(",")), 1):
        if not name:
            raise errors.UsageError(f"--stages {arguments.stages}: stage {number} has no name",
                                    fix="separate recipes or TOML files by single commas, as in "
                                        "long2015_fcn32s,long2015_fcn16s.")
        path = pathlib.Path(name)
        stage = argparse.Namespace(**vars(arguments) | {"run": str(folder / f"{number}-{path.stem}"), "stage": number})
        stage.config, stage.recipe = (name, stage.recipe) if path.suffix == ".toml" else (stage.config, name)
        if found:
            stage.weights = found[-1].run
        found.append(stage)
    return found


def seed_of(seed, number):
    """The seed of stage `number` (1, 2, ...).

    The first stage has `seed`, like a run without stages. The others have 31 bits of
    numpy.random.SeedSequence((seed, number)), so that they differ in order, augmentation and dropout.
    """
    return seed if number == 1 else int(np.random.SeedSequence((seed, number)).generate_state(1)[0] >> 1)


def seeded(settings, where, number, own):
    """(Config, origins of its settings) of stage `number`, with the stage's seed.

    settings: a Config. where: {setting: origin}. own: settings of the stage's run, {} before its first checkpoint. A
    started run keeps its seed if none is given, or if an older version started all stages with the given seed.
    """
    seed = settings.seed
    if number == 1 or where["seed"] == "the run":
        return settings, where
    if own.get("seed") == seed:
        return settings, where | {"seed": f"the run, started when all stages had one seed ({where['seed']})"}
    origin = f"stage {number} of seed {seed} ({where['seed']})"
    return dataclasses.replace(settings, seed=seed_of(seed, number)), where | {"seed": origin}


def shares(settings):
    """The share of each stage in --hours: by its steps, images a step and pixels of an image; equal if one is unknown.

    settings: a list of Config.
    """
    work = [one.steps * one.batch * one.batches_per_step * math.prod(one.crop_size or one.size or (0,))
            for one in settings]
    return [part / sum(work) for part in work] if all(work) else [1 / len(work)] * len(work)


def is_finished(run, settings, begun_after):
    """Whether a stage is finished. False if its settings have changed: then the run reports the difference.

    settings: a Config. begun_after: whether a later stage has started, so that checkpoints of this one may be deleted.
    """
    run = pathlib.Path(run)
    if not (run / "config.json").exists():
        return False
    content, found = record.read_record(run), checkpoint_files.listed(run / "checkpoints")
    if record.differences(content["config"], training_config.to_dict(settings),
                          (*training_config.SAME_AT_RESUME, "data", "epochs")):
        return False
    state = found[0][1] if found else {"step": content["steps"] if begun_after else 0}
    return checkpoint_files.is_last(state, settings.steps or content["steps"], settings.patience)
