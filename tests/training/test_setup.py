"""How settings become samples, and which id the pixels outside an image have."""

import dataclasses

import numpy as np
import pytest

from fcn.config import training_config
from fcn.core import errors
from fcn.data import label_policy
from fcn.data.spec import DatasetSpec
from fcn.runs import record
from fcn.training import setup

NAMES = ("a", "b", "c")


class FakeCache:
    class_pixels, digest = np.ones(256, np.int64), 7

    def __len__(self):
        return 10


def described(settings, spec):
    """config.json's content of a run on caches in which every id of the spec occurs."""
    old = {"model": {"channels": {}, "mean_rgb": [1.4, 2.6, 3.0]}, "weights": {}, "config": {"weights": "x"},
           "fingerprints": {}}
    return setup.describe(settings, spec, ["l", "m"], (FakeCache(), FakeCache()), None, old)


@pytest.mark.parametrize("settings, pads", [
    ({}, False), ({"augment": ("hflip", "vflip", "gamma")}, False), ({"augment": ("scale",)}, True),
    ({"augment": ("turn",)}, True), ({"size": None, "batch": 1}, False), ({"crop_size": (8, 8)}, False),
    ({"size": None, "crop_size": (8, 8)}, True)])
def test_samples_may_extend_beyond_their_image(settings, pads):
    assert setup.pads(training_config.Config(**settings)) is pads


@pytest.mark.parametrize("ignored, train_ignored, in_graph, in_scores", [
    ((), False, [255], [255]), ((0,), False, [0], [0]), ((1, 255), False, [1, 255], [1, 255]),
    ((0,), True, [255], [0, 255])])
def test_pixels_outside_an_image_are_ignored_in_loss_and_scores(ignored, train_ignored, in_graph, in_scores):
    settings = training_config.Config(augment=("scale",), train_ignored=train_ignored)
    content = described(settings, DatasetSpec(NAMES, ignored))
    assert content["model"]["ignored_ids"] == in_graph and content["spec"]["ignored_ids"] == in_scores
    assert label_policy.of_run(content["model"], record.spec_from_dict(content["spec"])).padding_id == in_graph[0]


def test_without_padding_no_other_id_is_ignored():
    content = described(training_config.Config(augment=("hflip",)), DatasetSpec(NAMES))
    assert content["model"]["ignored_ids"] == [] and content["spec"]["ignored_ids"] == []


def test_class_is_never_used_as_padding_id():
    names = tuple(map(str, range(256)))
    with pytest.raises(errors.UsageError, match="the label 255 of such pixels is a class"):
        described(training_config.Config(augment=("turn",)), DatasetSpec(names))
    assert described(training_config.Config(augment=("turn",)), DatasetSpec(names, (3,)))["model"]["ignored_ids"] == [3]


def test_sample_settings_are_passed_on():
    settings = training_config.Config(batch=3, seed=5, crop_size=(8, 9), augment=("hflip", "hue"), crops_per_image=4,
                                      images_in_memory=6, size=(10, 12))
    found = dataclasses.asdict(setup.sampling(settings, [1.4, 2.6, 3.0], 2))
    assert found == {"batch": 3, "seed": 5, "crop_size": (8, 9), "augment": ("hflip", "hue"), "crops_per_image": 4,
                     "images_in_memory": 6, "replace": False, "fill_rgb": (1, 3, 3), "padding_id": 2}
    again = training_config.Config(replacement=True)
    assert setup.sampling(again, (0, 0, 0), 255).replace


@pytest.mark.parametrize("crops, steps", [(1, 10), (8, 80)])
def test_epoch_is_crops_times_images(crops, steps):
    settings = training_config.Config(epochs=2, batch=2, crop_size=(8, 8), crops_per_image=crops)
    assert described(settings, DatasetSpec(NAMES))["steps"] == steps


@pytest.mark.parametrize("given, message", [
    ({"size": None, "batch": 2}, "images of a batch need one size"), ({"crops_per_image": 2}, "needs --crop-size"),
    ({"crop_size": (10, 500), "size": (384, 384)}, "larger than"),
    ({"images_in_memory": 3, "replacement": True}, "any image may come next")])
def test_conflicting_settings_are_refused(given, message):
    with pytest.raises(errors.UsageError, match=message):
        training_config.resolve(given)
