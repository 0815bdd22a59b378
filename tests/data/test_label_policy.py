"""Which ids are left out where, for each way in which a data set and settings can say so."""

import pytest

from fcn.core import errors
from fcn.data import label_policy
from fcn.data.label_policy import LabelPolicy
from fcn.data.spec import DatasetSpec

NAMES = ("a", "b", "c")


@pytest.mark.parametrize("ignored, in_loss, never_predicted, padding_id", [
    ((), (), (), 255), ((0,), (0,), (0,), 0), ((255,), (255,), (), 255), ((255, 1), (255, 1), (1,), 255)])
def test_ignored_ids_are_left_out_and_never_predicted(ignored, in_loss, never_predicted, padding_id):
    policy = label_policy.make(DatasetSpec(NAMES, ignored), train_ignored=False, pads=False)
    assert policy == LabelPolicy(in_loss, ignored, never_predicted, padding_id)


@pytest.mark.parametrize("ignored, expected", [
    ((), LabelPolicy((255,), (255,), (), 255)), ((0,), LabelPolicy((0,), (0,), (0,), 0))])
def test_padding_is_ignored_in_loss_and_scores(ignored, expected):
    assert label_policy.make(DatasetSpec(NAMES, ignored), train_ignored=False, pads=True) == expected


def test_trained_ignored_ids_are_predicted_but_not_scored():
    spec = DatasetSpec(NAMES, (0,))
    assert label_policy.make(spec, train_ignored=True, pads=False) == LabelPolicy((), (0,), (), 255)
    assert label_policy.make(spec, train_ignored=True, pads=True) == LabelPolicy((255,), (0, 255), (), 255)


def test_trained_ignored_id_next_to_the_classes_gets_a_channel():
    assert label_policy.num_channels(DatasetSpec(NAMES, (3,)), train_ignored=False) == 3
    assert label_policy.num_channels(DatasetSpec(NAMES, (3,)), train_ignored=True) == 4
    with pytest.raises(errors.UsageError, match="net of 256 channels"):
        label_policy.num_channels(DatasetSpec(NAMES, (255,)), train_ignored=True)


def test_policy_of_a_run_by_an_older_version():
    model = {"net": "fcn8s", "num_classes": 3, "ignored_ids": [2, 255]}
    assert label_policy.of_run(model, DatasetSpec(NAMES, (0, 2))) == LabelPolicy((2, 255), (0, 2), (2,), 2)


def test_a_class_is_never_used_for_padding():
    names = tuple(map(str, range(256)))
    with pytest.raises(errors.UsageError, match="label 255 of such pixels is a class"):
        label_policy.make(DatasetSpec(names), train_ignored=False, pads=True)
    assert label_policy.make(DatasetSpec(names, (3,)), train_ignored=False, pads=True).padding_id == 3


def test_trained_ids_are_the_channels_counted_in_the_loss():
    assert LabelPolicy(ignored_in_loss=(1, 255)).trained_ids(4) == (0, 2, 3)
