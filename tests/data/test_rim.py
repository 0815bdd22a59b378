"""--rim: boundary pixels of DIVA-HisDB in labels, loss, class weights and scores."""

import dataclasses
import types

import numpy as np
import pytest
from PIL import Image

from fcn.config import training_config
from fcn.core import errors
from fcn.data import class_weights, label_policy
from fcn.data.label_formats import blue_bits
from fcn.data.layouts import diva_hisdb, paired
from fcn.training import start

OLD = diva_hisdb.spec("")
SPEC = blue_bits.with_boundary(OLD)
LABEL = np.array([[1, 2, 130, 8, 138]], np.uint8)  # background, comment, its boundary, main text, boundary of both
UNUSED = (0, 3, 5, 7, 9, 11, 13)


def policy(rim):
    return label_policy.make(SPEC, train_ignored=False, pads=False, rim=rim)


def write(path, red, blue):
    Image.fromarray(np.array([[(red, 0, blue)]], np.uint8)).save(path)
    return path


def test_a_boundary_pixel_keeps_its_class(tmp_path):
    path = write(tmp_path / "a.png", 128, 10)
    assert blue_bits.read(path, SPEC).tolist() == [[138]]
    assert blue_bits.read(path, OLD).tolist() == [[255]]  # the spec of runs of older versions


def test_written_labels_are_read_again(tmp_path):
    blue_bits.write(tmp_path / "a.png", LABEL, SPEC)
    assert blue_bits.read(tmp_path / "a.png", SPEC).tolist() == LABEL.tolist()


def test_only_a_spec_that_ignores_255_gets_boundary_ids():
    assert SPEC.ignored_ids == (*UNUSED, *blue_bits.BOUNDARY_IDS)
    for other in (paired.spec("nowhere"), diva_hisdb.spec("", ignore_label=(2,))):
        assert blue_bits.with_boundary(other) == other


@pytest.mark.parametrize(("rim", "in_loss"), [("background", [1, 2, 1, 8, 1]), ("ignore", [1, 2, 130, 8, 138])])
def test_labels_of_loss_and_scores(rim, in_loss):
    made = policy(rim)
    assert made.for_loss(LABEL).tolist() == [in_loss]
    assert made.for_scores(LABEL).tolist() == [[1, 2, 2, 8, 10]]
    assert set(made.ignored_in_loss) == {*UNUSED, *(blue_bits.BOUNDARY_IDS if rim == "ignore" else ())}
    assert made.padding_id == 0  # not a boundary pixel


def test_other_labels_are_unchanged():
    for spec in (OLD, paired.spec("nowhere")):
        made = label_policy.make(spec, train_ignored=False, pads=False)
        assert made.for_loss(LABEL) is LABEL and made.for_scores(LABEL) is LABEL


@pytest.mark.parametrize("rim", ["background", "ignore"])
def test_policy_of_a_run_knows_its_rim(rim):
    made = policy(rim)
    model = {"ignored_ids": list(made.ignored_in_loss), "num_classes": 15}
    assert label_policy.of_run(model, dataclasses.replace(SPEC, ignored_ids=made.ignored_in_scores)) == made


@pytest.mark.parametrize(("rim", "weight"), [("background", 5 / (3 * 3)), ("ignore", 3 / (3 * 1))])
def test_class_weights_count_the_labels_of_the_loss(rim, weight):
    pixels = np.bincount(LABEL.ravel(), minlength=256)
    found = class_weights.resolve("inverse", types.SimpleNamespace(class_pixels=pixels), SPEC.class_names, 15,
                                  policy(rim))
    assert found[1] == pytest.approx(weight)


def settings(**given):
    return training_config.Config(data="pages", layout="diva_hisdb", **given)


@pytest.mark.parametrize(("given", "own", "rim"), [
    ({}, None, "background"),
    ({"rim": "ignore"}, None, "ignore"),
    ({}, {"layout": "diva_hisdb"}, None),  # a run of an older version resumes
    ({"ignore_label": (255,)}, None, None),
    ({"label_encoding": "blue"}, None, None),
])
def test_default_of_rim(given, own, rim):
    assert start.with_layout(settings(**given), own).rim == rim


@pytest.mark.parametrize(("given", "why"), [
    ({"layout": "voc"}, "the layout voc has no boundary pixels"),
    ({"ignore_label": (255,)}, "--ignore-label and --label-encoding replace how boundary pixels are read"),
])
def test_rim_without_boundary_pixels_is_refused(given, why):
    with pytest.raises(errors.UsageError, match=f"--rim ignore: {why}"):
        start.with_layout(dataclasses.replace(settings(rim="ignore"), **given))
