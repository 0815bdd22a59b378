"""Stages as they are planned: each has a seed of its own, and one that was begun with another keeps that."""

import dataclasses
import json

import numpy as np
import pytest

from fcn.cli import train
from fcn.config import training_config
from fcn.data import batch_loader
from fcn.runs import checkpoint_files, stages


def planned(run, *words):
    """[(Config, origins)] of two stages of the recipes of Long et al., as train_fcn.py resolves them."""
    arguments = train.parse(["--stages", "long2015_fcn32s,long2015_fcn16s", "--run", str(run), "--data", "d",
                                 "--layout", "voc", *words])
    return [train.resolve(stage) for stage in stages.listed(arguments)]


def begun(folder, settings):
    """A run's folder that has been begun with these settings."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"config": training_config.to_dict(settings), "spec": {},
                                                    "model": {"channels": {}}}))
    (folder / "checkpoints" / checkpoint_files.name(3)).mkdir(parents=True)


def test_every_stage_has_its_own_seed(tmp_path):
    (one, _), (two, where) = planned(tmp_path)
    assert one.seed == 1337 and two.seed == stages.seed_of(1337, 2) != 1337
    assert where["seed"].startswith("stage 2 of seed 1337 (recipe long2015_fcn16s: voc-fcn16s/net.py")
    orders = [batch_loader.order(settings.seed, 0, 50).tolist() for settings in (one, two)]
    assert orders[0] != orders[1]


def test_stage_seed_comes_from_numpy_and_fits_the_graph():
    assert stages.seed_of(5, 1) == 5
    assert stages.seed_of(5, 2) == np.random.SeedSequence((5, 2)).generate_state(1)[0] >> 1
    seeds = {stages.seed_of(seed, number) for seed in range(20) for number in (2, 3, 4)}
    assert len(seeds) == 60 and max(seeds) < 2 ** 31


@pytest.mark.parametrize("words, base", [((), 1337), (("--seed", "7"), 7)])
def test_stage_resumes_with_its_own_seed(tmp_path, words, base):
    (_, _), (settings, _) = planned(tmp_path, *words)
    begun(tmp_path / "2-long2015_fcn16s", settings)
    assert planned(tmp_path, *words)[1][0].seed == settings.seed == stages.seed_of(base, 2)


def test_stage_begun_with_the_shared_seed_keeps_it(tmp_path):
    (_, _), (settings, _) = planned(tmp_path)
    begun(tmp_path / "2-long2015_fcn16s", dataclasses.replace(settings, seed=1337))
    again, where = planned(tmp_path)[1]
    assert again.seed == 1337 and "started when all stages had one seed" in where["seed"]
    assert planned(tmp_path, "--seed", "8")[1][0].seed == stages.seed_of(8, 2)  # and is refused, as another seed
