"""Weight maps of equation 2 of the U-Net paper, against a loop over pixels and cases by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from fcn.core import errors
from fcn.data import border_weights
from fcn.data.border_weights import BorderWeights


def by_loops(label, w0, objects):
    """The map of one label: for every background pixel, the distances to all pixels of all objects."""
    groups, count = ndimage.label(np.isin(label, objects))
    places = [np.argwhere(groups == number) for number in range(1, count + 1)]
    found = np.ones(label.shape)
    for pixel in zip(*np.nonzero(label == 0), strict=True):
        distances = sorted(min(math.dist(pixel, place) for place in of_one) for of_one in places)
        if count > 1:
            found[pixel] += w0 * math.exp(-(distances[0] + distances[1]) ** 2 / (2 * 5 ** 2))
    return found


def test_gap_between_two_cells_by_hand():
    label = np.array([[[1, 0, 0, 0, 1, 0]]], np.uint8)  # d1 + d2 is 4 in the gap, 1 + 5 at the right
    gap, right = (1 + 10 * math.exp(-distance ** 2 / 50) for distance in (4, 6))
    found = BorderWeights(10, (0, 1)).maps(label)
    assert found.dtype == np.float32 and found.shape == label.shape
    assert found[0, 0] == pytest.approx([1, gap, gap, gap, 1, right], rel=1e-6)


@pytest.mark.parametrize("row", [[0, 0, 0], [1, 1, 1], [0, 1, 0]], ids=["no cell", "only a cell", "one cell"])
def test_fewer_than_two_cells_have_no_border(row):
    assert (BorderWeights(10, (0, 1)).maps(np.array([[row]], np.uint8)) == 1).all()


def test_map_times_class_weight_is_equation_2():
    label = np.array([[[1, 0, 1]]], np.uint8)
    found = BorderWeights(10, (0, 1), (4.0, 0.5)).maps(label)[0, 0] * [0.5, 4, 0.5]
    assert found == pytest.approx([0.5, 4 + 10 * math.exp(-2 ** 2 / 50), 0.5], rel=1e-6)


def test_ignored_pixels_and_other_ids_are_no_cells():
    label = np.array([[[1, 0, 255, 0, 7, 0, 2]]], np.uint16)
    found = BorderWeights(10, (0, 1, 2)).maps(label)[0, 0]
    assert found == pytest.approx([1, 1 + 10 * math.exp(-6 ** 2 / 50), 1, 1 + 10 * math.exp(-6 ** 2 / 50), 1,
                                   1 + 10 * math.exp(-6 ** 2 / 50), 1], rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 14), st.integers(1, 14))
def test_maps_equal_a_loop_over_pixels(seed, height, width):
    labels = np.random.default_rng(seed).choice([0, 0, 0, 1, 2, 255], (2, height, width)).astype(np.uint8)
    found = BorderWeights(7, (0, 1, 2)).maps(labels)
    for one, label in zip(found, labels, strict=True):
        np.testing.assert_allclose(one, by_loops(label, 7, (1, 2)), rtol=1e-5)


def test_objects_far_apart_are_left_out():
    label = np.zeros((1, 1, 200), np.uint8)
    for gap in (20, 45, 60):
        here = label.copy()
        here[0, 0, [70, 70 + gap]] = 1
        exact = by_loops(here[0], 10, (1,))
        assert np.abs(BorderWeights(10, (0, 1)).maps(here)[0] - exact).max() < 4e-5


def test_turned_label_has_the_turned_map():
    label = np.random.default_rng(0).integers(0, 3, (1, 9, 13)).astype(np.uint8)
    maps = BorderWeights(10, (0, 1, 2)).maps
    for turns, flipped in itertools.product(range(4), (False, True)):
        def change(array, turns=turns, flipped=flipped):
            return np.rot90(array[..., ::-1] if flipped else array, turns, (1, 2))
        np.testing.assert_allclose(maps(change(label)), change(maps(label)), rtol=1e-6)


def test_off_is_none_and_a_background_without_weight_is_refused():
    assert border_weights.make(0, (0, 1)) is None
    assert border_weights.make(10, (0, 1), [1, 2]) == BorderWeights(10, (0, 1), [1, 2])
    for ids, weights in (((1, 2), None), ((0, 1), [0, 1])):
        with pytest.raises(errors.UsageError, match="--border-weight 10: class 0"):
            border_weights.make(10, ids, weights)


@pytest.mark.slow
def test_membranes_of_isbi_have_the_weight(shared_file):
    cells = np.asarray(Image.open(shared_file("data/isbi2012/labels") / "0.png")) > 127
    found = BorderWeights(10, (0, 1)).maps(np.uint8(cells)[None])[0]
    groups, count = ndimage.label(cells)
    nearest = np.sort([ndimage.distance_transform_edt(groups != number) for number in range(1, count + 1)], axis=0)
    exact = np.where(cells, 1, 1 + 10 * np.exp(-(nearest[0] + nearest[1]) ** 2 / 50))
    assert count == 136 and np.abs(found - exact).max() < 4e-5
