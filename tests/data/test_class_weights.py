"""Weights of the classes in the loss: frequencies by hand on three label maps of 2 x 2, and files that name them."""

import json

import numpy as np
import pytest

from fcn.core import errors, registry
from fcn.data import class_weights
from fcn.data.cache import cache
from fcn.data.label_policy import LabelPolicy

# Id 0 is ignored in most tests; classes 1 and 2 occur, class 3 does not, 4 lies beyond the channels.
LABELS = np.array([[[1, 1], [1, 2]], [[1, 1], [0, 0]], [[2, 2], [4, 255]]], np.uint8)
NAMES = ("other", "sky", "road", "car")


class training:
    """What stands for a Cache."""

    def __init__(self, labels=LABELS):
        self.label, self.count = labels.__getitem__, len(labels)
        self.class_pixels = np.bincount(labels.ravel(), minlength=256)

    def __len__(self):
        return self.count


def weights(how, ignored=(0,), labels=LABELS, names=NAMES):
    return class_weights.resolve(how, training(labels), names, len(names), LabelPolicy(ignored))


def test_without_class_weights_no_label_is_read():
    assert class_weights.resolve("none", None, NAMES, 4, LabelPolicy((0,))) is None


def test_inverse_frequency_by_hand():
    # 5 pixels of class 1 and 3 of class 2: 8 / (2 * 5) and 8 / (2 * 3); 0 is ignored, 3 does not occur.
    assert weights("inverse") == pytest.approx([1, 0.8, 8 / 6, 1])


def test_inverse_frequency_gives_every_class_equal_weight():
    labels = np.random.default_rng(0).choice(5, (7, 9, 11), p=[0.6, 0.2, 0.1, 0.09, 0.01]).astype(np.uint8)
    sums = np.array(weights("inverse", (), labels, "abcde")) * np.bincount(labels.ravel())
    assert sums == pytest.approx(np.full(5, labels.size / 5))


def test_median_frequency_by_hand():
    # Class 1 is in images of 4 and 2 labelled pixels: 5 / 6. Class 2 too, in others: 3 / 6. Their median is 2 / 3.
    assert weights("median") == pytest.approx([1, (2 / 3) / (5 / 6), (2 / 3) / (3 / 6), 1])


def test_median_frequency_counts_only_images_with_the_class():
    # A third image that is all of class 3 makes the others no rarer: frequencies 5 / 6, 3 / 6 and 4 / 4.
    labels = np.concatenate([LABELS, np.full((1, 2, 2), 3, np.uint8)])
    assert weights("median", labels=labels) == pytest.approx([1, 1, (5 / 6) / (3 / 6), 5 / 6])


def test_class_that_is_not_ignored_is_counted():
    # 2 of class 0, 5 and 3; of 4 labelled pixels in each of the first two images, and 2 in the third.
    assert weights("inverse", ()) == pytest.approx([10 / 6, 10 / 15, 10 / 9, 1])
    assert weights("median", ()) == pytest.approx([(0.5) / (2 / 4), 0.5 / (5 / 8), 0.5 / (3 / 6), 1])


def test_frequencies_are_counted_in_the_training_cache(tiny_ade, tmp_path):
    layout = registry.load("layouts", "ade20k")
    spec = layout.spec(tiny_ade)
    made = cache.prepare(layout.listing(tiny_ade, "training").pairs, spec, (24, 32), tmp_path, "ade")
    for how in ("inverse", "median"):
        names, policy = spec.class_names, LabelPolicy(spec.ignored_ids)
        found = class_weights.resolve(how, made, names, spec.num_classes, policy)
        labels = np.stack([made.label(i) for i in range(len(made))])
        again = class_weights.resolve(how, training(labels), names, spec.num_classes, policy)
        assert found == pytest.approx(again) and len(found) == spec.num_classes and found[0] == 1
        assert max(found) > 1 > min(found)


@pytest.mark.parametrize("content", [
    "[1, 0.5, 2, 0]", "1\n0.5\n2\n0\n", "1 0.5 2e0 0", '{"sky": 0.5, "car": 0, "road": 2}', ' \n{"sky": 0.5,\n'
    '"road": 2, "car": 0.0, "other": 1}'], ids=["list", "lines", "words", "object", "whole object"])
def test_weights_file_is_a_list_lines_or_an_object_by_class_name(tmp_path, content):
    path = tmp_path / "weights"
    path.write_text(content)
    assert class_weights.resolve(str(path), None, NAMES, 4, LabelPolicy((0,))) == [1, 0.5, 2, 0]


def test_ignored_channels_weigh_one_unless_the_file_has_them(tmp_path):
    path = tmp_path / "weights"
    for content, expected in (([2, 3, 4, 5], [2, 3, 4, 5, 1]), ([2, 3, 4, 5, 6], [2, 3, 4, 5, 6]),
                              ({"road": 7}, [1, 1, 7, 1, 1])):
        path.write_text(json.dumps(content))
        assert class_weights.resolve(str(path), None, NAMES, 5, LabelPolicy()) == expected


WRONG = {
    "1\n2\n3": "found 3 numbers, expected 4 from 0 up",
    "[1, 2, 3, 4, 5, 6]": "found 6 numbers, expected 4 from 0 up",
    "": "found 0 numbers, expected 4 from 0 up",
    "[1, 2, 3, -4]": "found 4 numbers, expected 4 from 0 up, not all 0",
    "[1, 2, 3, NaN]": "found 4 numbers, expected 4 from 0 up, not all 0",
    "1 2 3 inf": "found 4 numbers, expected 4 from 0 up, not all 0",
    "[0, 0, 0, 0]": "found 4 numbers, expected 4 from 0 up, not all 0",
    "[1, 2, 3, null]": "NoneType",
    "[1, 2, 3": "Expecting",
    "one two three four": "could not convert string to float: 'one'",
    '{"sky": 1, "cars": 2, "bus": 3}': "unknown class names: bus, cars",
    '{"sky": "much"}': "could not convert",
    '{"sky": [1]}': "list",
}


@pytest.mark.parametrize("content", WRONG, ids=WRONG)
def test_wrong_weights_file_is_reported_with_what_is_expected(tmp_path, content):
    path = tmp_path / "weights.txt"
    path.write_text(content)
    with pytest.raises(errors.UsageError) as caught:
        class_weights.resolve(str(path), None, NAMES, 4, LabelPolicy((0,)))
    for word in (f"{path}: cannot be read as class weights", WRONG[content], "Fix:", "one number per line", "inverse",
                 "median", "none"):
        assert word in str(caught.value)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(),
                                  lambda path: path.write_bytes(b"\xff\xfe\x00\x01")], ids=["none", "folder", "binary"])
def test_weights_that_are_not_a_text_file_are_reported(tmp_path, make):
    path = tmp_path / "inverted"
    make(path)
    with pytest.raises(errors.UsageError, match="inverted: cannot be read as class weights"):
        class_weights.resolve(str(path), None, NAMES, 4, LabelPolicy((0,)))
