"""Which checkpoint of a run is taken, what is said of it, and that one of another run is not taken for it."""

import json
import math
import re

import pytest

from fcn.core import errors
from fcn.runs import checkpoint_choice, checkpoint_files, run_differences
from fcn.training import setup
from fcn.weights.formats._weights import Weights

OWN, OTHER = {"settings": "a"}, {"settings": "b"}


def make(run, scores, fingerprints=OWN):
    """A run's folder with a checkpoint for each step: score."""
    run.mkdir(parents=True)
    content = {"config": {}, "spec": {"class_names": [], "ignored_ids": [], "colours": []},
               "model": {"net": "fcn8s", "num_classes": 2, "channels": {}, "mean_rgb": [0, 0, 0], "ignored_ids": []}}
    (run / "config.json").write_text(json.dumps(content | ({"fingerprints": fingerprints} if fingerprints else {})))
    for step, score in scores.items():
        add(run, step, score, fingerprints)
    return run


def add(run, step, score, fingerprints):
    path = run / "checkpoints" / checkpoint_files.name(step)
    path.mkdir(parents=True)
    (path / "model").write_text(f"{run.name} {step}")
    checkpoint_files.seal(path, {"step": step, "score": score, "fingerprints": fingerprints})
    return path


@pytest.mark.parametrize("which, step, said", [
    ("best", 20, "(step 20, validation mean IoU 0.5000, the best; the newest is step 30)"),
    ("latest", 30, "(step 30, validation mean IoU 0.2500, the newest)")])
def test_best_checkpoint_is_the_default_and_newest_is_named(tmp_path, which, step, said):
    run = make(tmp_path / "run", {10: None, 20: 0.5, 30: 0.25})
    chosen = checkpoint_choice.choose(run, which)
    assert (chosen.path.name, chosen.state["step"], chosen.run) == (f"step-0000{step}", step, run)
    assert chosen.text == f"{chosen.path} {said}"
    assert checkpoint_choice.choose(run).state["step"] == 20


def test_best_by_loss_is_the_checkpoint_with_the_smallest_loss(tmp_path):
    run = make(tmp_path / "run", {10: 0.5, 20: 0.25, 30: 0.25})
    for path in checkpoint_files.paths(run / "checkpoints"):
        checkpoint_files.write_state(path, checkpoint_files.read_state(path) | {"best_by": "loss"})
    assert checkpoint_choice.choose(run).text.endswith("(step 20, validation loss 0.2500, the best; the newest is "
                                                       "step 30)")


@pytest.mark.parametrize("best_by", ["loss", "mean_iou"])
def test_score_that_is_not_a_number_is_never_best(tmp_path, best_by):
    """Older versions stored NaN; a maximum over NaN depends on the order."""
    run = make(tmp_path / "run", {10: math.nan, 20: 0.25, 30: math.nan, 40: 0.25})
    for path in checkpoint_files.paths(run / "checkpoints"):
        checkpoint_files.write_state(path, checkpoint_files.read_state(path) | {"best_by": best_by})
    assert checkpoint_choice.choose(run).state["step"] == 20


def test_newest_is_taken_without_a_score(tmp_path):
    chosen = checkpoint_choice.choose(make(tmp_path / "run", {10: None, 20: None}))
    assert chosen.text.endswith("step-000020 (step 20, no validation score, the newest)")


def test_checkpoint_folder_selects_that_checkpoint(tmp_path):
    run = make(tmp_path / "run", {10: 0.5, 20: 0.25})
    chosen = checkpoint_choice.choose(run / "checkpoints/step-000020")
    assert chosen.run == run and chosen.text.endswith("(step 20, validation mean IoU 0.2500)")
    with pytest.raises(errors.UsageError, match="is a checkpoint, so"):
        checkpoint_choice.choose(run / "checkpoints/step-000020", "latest")


def test_folder_without_run_or_checkpoint_is_named(tmp_path):
    with pytest.raises(errors.UsageError, match="neither a run folder nor a checkpoint"):
        checkpoint_choice.choose(tmp_path)
    with pytest.raises(errors.WeightsError, match=r"run/checkpoints: holds no checkpoint of this run"):
        checkpoint_choice.choose(make(tmp_path / "run", {}))


def test_checkpoint_of_another_run_is_refused_with_a_working_fix(tmp_path):
    run, theirs = make(tmp_path / "run", {10: 0.5}), make(tmp_path / "other", {10: 0.5}, OTHER)
    with pytest.raises(errors.WeightsError, match="belongs to another run") as error:
        checkpoint_choice.choose(run, theirs / "checkpoints/step-000010")
    advised = re.search(r"--run (\S+)$", str(error.value))[1]
    assert checkpoint_choice.choose(advised).run == theirs


def test_checkpoint_outside_its_run_is_refused_with_the_fix(tmp_path):
    run = make(tmp_path / "run", {10: 0.5})
    alone = add(tmp_path / "backup", 20, 0.5, OTHER)
    with pytest.raises(errors.WeightsError, match=r"its own run.*--run RUN/checkpoints/step-000020"):
        checkpoint_choice.choose(run, alone)
    theirs = make(tmp_path / "other", {10: 0.5}, OTHER)
    alone.rename(theirs / "checkpoints/step-000020")
    assert checkpoint_choice.choose(theirs / "checkpoints/step-000020").state["step"] == 20


def test_foreign_checkpoint_among_others_is_skipped_or_refused(tmp_path):
    run = make(tmp_path / "run", {10: 0.5})
    foreign = add(run, 20, 0.9, OTHER)
    for path, which in ((run, foreign), (foreign, "best")):
        with pytest.raises(errors.WeightsError, match="belongs to another run") as error:
            checkpoint_choice.choose(path, which)
        advised = re.search(r"give (\S+) itself", str(error.value))[1]
        assert checkpoint_choice.choose(advised).state["step"] == 10


def test_checkpoint_with_equal_fingerprints_may_be_anywhere(tmp_path):
    run, copy = make(tmp_path / "run", {10: 0.5}), add(tmp_path / "backup", 20, 0.25, OWN)
    assert checkpoint_choice.choose(run, copy).state["step"] == 20


def test_run_without_fingerprints_is_reported_as_unverified(tmp_path):
    run = make(tmp_path / "run", {10: 0.5}, None)
    assert "had fingerprints" not in checkpoint_choice.choose(run).text
    assert "had fingerprints" not in checkpoint_choice.choose(run, run / "checkpoints/step-000010").text
    elsewhere = add(tmp_path / "backup", 20, 0.25, None)
    assert "saved before checkpoints had fingerprints" in checkpoint_choice.choose(run, elsewhere).text
    with pytest.raises(errors.WeightsError, match="belongs to another run"):
        checkpoint_choice.choose(run, add(tmp_path / "newer", 20, 0.25, OWN))


def test_run_weights_are_identified_by_checksums(tmp_path):
    """In config.json, and where runs are compared: two paths of one checkpoint are the same weights."""
    of_run = {"run": "/r", "checkpoint": "step-000020", "step": 20, "files": {"model.index": "12"}}
    facts = setup.weights_facts(tmp_path, Weights({}, None, ("a net",), of_run=of_run))
    assert facts == {"sha256": None, **of_run, "notes": ("a net",)}
    identity = run_differences.IDENTITIES["weights"]
    assert identity({"weights": facts, "config": {"weights": "/r"}}) == {"model.index": "12"}
    assert identity({"weights": {"sha256": None}, "config": {"weights": "/r"}}) == "/r"  # a run of before
