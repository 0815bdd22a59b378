"""Augmentation moves image and label alike, invents no label, and follows from seed and sample number alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.config import parsers
from fcn.core import registry
from fcn.data import augment
from fcn.data.augment import Augmentation
from fcn.data.augmentations import brightness, elastic, gamma, hue, zoom

LAW = settings(max_examples=60, deadline=None)
SEEDS, NUMBERS = st.integers(0, 2**32), st.integers(0, 10**9)
SIDES = st.tuples(st.integers(1, 20), st.integers(1, 20))
ALL = registry.names("augmentations")
NAMES = st.lists(st.sampled_from(ALL), unique=True)
EXACT = ("turn", "hflip", "vflip")  # these move pixels and change none
FILL = (255, 255, 255)              # with ignored id 255, an image whose red is its label keeps being one


def pair(shape, seed=0, ids=256):
    """An image whose red is its label, and the label."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, ids, shape, np.uint8)
    return np.dstack([label, rng.integers(0, 256, (*shape, 2), np.uint8)]), label


def sample(shape, size_px, names, seed=0, number=0):
    return augment.sample(*pair(shape), size_px=size_px, augmentation=Augmentation(names, seed, FILL, 255),
                          number=number)


@given(SIDES, SIDES, NAMES, SEEDS, NUMBERS)
@LAW
def test_sample_has_the_given_size_and_only_ids_of_its_label(shape, size, names, seed, k):
    image, label = pair(shape, ids=9)
    new_image, new_label = augment.sample(image, label, size, Augmentation(names, seed, padding_id=200), k)
    assert new_image.shape == (*size, 3) and new_label.shape == size
    assert new_image.dtype == new_label.dtype == np.uint8
    assert set(np.unique(new_label)) <= {*np.unique(label), 200}


@given(SIDES, NAMES, SEEDS, NUMBERS)
@LAW
def test_without_a_size_a_sample_keeps_or_transposes_its_size(shape, names, seed, number):
    image, label = sample(shape, None, names, seed, number)
    turned = augment.drawn(names, seed, number).get("turn", 0) % 2
    assert label.shape == image.shape[:2] == (shape[::-1] if turned else shape)
    if set(names) <= set(EXACT):
        assert sorted(label.ravel()) == sorted(pair(shape)[1].ravel())


@given(SIDES, SIDES, NAMES, SEEDS, NUMBERS)
@LAW
def test_the_same_seed_and_number_are_the_same_sample(shape, size, names, seed, number):
    for one, other in zip(sample(shape, size, names, seed, number), sample(shape, size, names[::-1], seed, number),
                          strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_numbers_and_other_seeds_are_other_samples():
    seen = {sample((8, 8), (4, 4), ALL, seed, k)[0].tobytes() for seed in range(9) for k in range(9)}
    assert len(seen) == 81


@given(NAMES, SEEDS, NUMBERS)
@LAW
def test_enabling_an_augmentation_changes_no_other_draw(names, seed, number):
    alone, together = augment.drawn(names, seed, number), augment.drawn(ALL, seed, number)
    assert alone == {name: together[name] for name in ALL if name in names}


def test_every_augmentation_has_its_own_random_stream():
    streams = [augment.stream_of(name) for name in ALL]
    assert len({*streams, augment.CROP}) == len(streams) + 1


@given(SIDES, SIDES, st.lists(st.sampled_from(EXACT), unique=True), SEEDS, NUMBERS)
@LAW
def test_photo_and_label_are_transformed_together(shape, size, names, seed, number):
    image, label = sample(shape, size, names, seed, number)
    np.testing.assert_array_equal(image[..., 0], label)


@given(st.integers(20, 60), st.integers(20, 60), st.booleans(), SEEDS, NUMBERS)
@LAW
def test_edge_in_a_scaled_photo_is_within_a_pixel_of_its_label(height, width, sized, seed, number):
    label = np.zeros((height, width), np.uint8)
    label[:, width // 2:] = 250
    size = (height, width) if sized else None
    image, label = augment.sample(np.repeat(label[..., None], 3, 2), label, size,
                                  Augmentation(("scale",), seed, (0, 0, 0), 0), number)
    edges = np.flatnonzero(np.diff(label.max(axis=0)))
    bright = np.flatnonzero(np.diff((image[..., 0].max(axis=0) > 125).astype(int)))
    assert len(edges) == len(bright) and np.abs(edges - bright).max(initial=0) <= 1


@given(SIDES, SEEDS)
@LAW
def test_mirroring_twice_or_turning_four_times_is_the_identity(shape, seed):
    array = pair(shape, seed)[0]
    for name, times, value in (("hflip", 2, True), ("vflip", 2, True), ("turn", 4, 1)):
        moved = array
        for _ in range(times):
            moved = registry.load("augmentations", name).change(moved, value)
        np.testing.assert_array_equal(moved, array)


@pytest.mark.parametrize(("name", "reference"), [
    ("hflip", lambda array, value: np.fliplr(array) if value else array),
    ("vflip", lambda array, value: np.flipud(array) if value else array),
    ("turn", lambda array, value: np.rot90(array, value)),
], ids=EXACT[1:] + EXACT[:1])
def test_whole_image_is_transformed_like_numpy(name, reference):
    image, label = pair((3, 5))
    values = set()
    for number in range(20):
        value = augment.drawn([name], 0, number)[name]
        moved = augment.sample(image, label, None, Augmentation((name,)), number)
        np.testing.assert_array_equal(moved[0], reference(image, value))
        np.testing.assert_array_equal(moved[1], reference(label, value))
        values.add(value)
    assert values == ({0, 1, 2, 3} if name == "turn" else {False, True})


def moved_by(down, right):
    """Displacements that are the same everywhere."""
    return [[[down] * 3] * 3, [[right] * 3] * 3]


def test_equal_displacements_shift_and_mirror_at_the_edge():
    label = np.array([[1, 2, 3, 4]], np.uint8)
    image = np.repeat(label[..., None], 2, 2)
    assert elastic.change(label, moved_by(0, 1)).tolist() == [[2, 3, 4, 3]]
    assert elastic.change(label, moved_by(0, -2)).tolist() == [[3, 2, 1, 2]]
    assert elastic.change(label.T, moved_by(-1, 0)).T.tolist() == [[2, 1, 2, 3]]
    assert elastic.change(image, moved_by(7, 1))[..., 1].tolist() == [[2, 3, 4, 3]]  # the only row is its mirror image


@given(SIDES, st.integers(-30, 30), st.integers(-30, 30))
@LAW
def test_shifted_label_drawn_as_image_stays_equal(shape, down, right):
    image, label = pair(shape)
    np.testing.assert_array_equal(elastic.change(image, moved_by(down, right))[..., 0],
                                  elastic.change(label, moved_by(down, right)))


@given(st.tuples(st.integers(1, 60), st.integers(1, 60)), SEEDS, st.integers(0, 1))
@LAW
def test_deformed_image_and_label_are_read_at_the_same_points(shape, seed, axis):
    label = np.indices(shape)[axis].astype(np.uint8)  # of a ramp, bilinear and nearest values differ by half a pixel
    value = elastic.draw(augment.stream(seed, 0, 0))
    image = elastic.change(np.repeat(label[..., None], 3, 2), value)
    assert np.abs(image - elastic.change(label, value)[..., None].astype(int)).max() <= 1
    assert (image == image[..., :1]).all()


def test_elastic_grid_lies_on_corners_and_centre():
    down, right = np.arange(9.0).reshape(3, 3), np.zeros((3, 3))
    label = np.arange(35 * 21, dtype=np.uint16).reshape(35, 21)
    moved = elastic.change(label, [down.tolist(), right.tolist()])
    for i, row in enumerate((0, 17, 34)):
        for j, column in enumerate((0, 10, 20)):
            place = row + int(down[i, j])
            assert moved[row, column] == label[place if place < 35 else 68 - place, column]


def test_elastic_weights_are_keys_cubic_convolution():
    # Halfway between two points: (-1, 9, 9, -1) / 16 of the neighbours; the outermost one counts for those beyond.
    np.testing.assert_allclose(elastic.cubic_weights(5), [[1, 0, 0], [8 / 16, 9 / 16, -1 / 16], [0, 1, 0],
                                                          [-1 / 16, 9 / 16, 8 / 16], [0, 0, 1]], atol=1e-12)
    assert elastic.cubic_weights(301).sum(axis=1) == pytest.approx(1)
    assert np.abs(np.diff(elastic.cubic_weights(301), axis=0)).max() < 0.02  # smooth


def test_elastic_displacements_have_a_deviation_of_10_px():
    values = np.array([augment.drawn(["elastic"], 5, number)["elastic"] for number in range(500)])
    assert values.shape == (500, 2, 3, 3)
    assert abs(values.mean()) < 4 * 10 / 95 and values.std() == pytest.approx(10, rel=0.04)


def test_zoom_takes_the_middle_like_the_tutorial():
    label = np.arange(100, dtype=np.uint8)[:, None] * np.ones(100, np.uint8)
    moved = zoom.change(label, 0.7)  # rows 15 to 84
    assert moved.shape == (100, 100) and moved[0, 0] == 15 and moved[-1, 0] == 84 and moved[50, 0] == 50
    image = zoom.change(np.repeat(label[..., None], 3, 2), 0.7)
    assert np.abs(image[..., 0].astype(int) - moved).max() <= 1
    np.testing.assert_array_equal(zoom.change(label, 1.0), label)


@pytest.mark.parametrize("name", EXACT)
def test_flips_and_turns_are_equally_likely(name):
    values = [int(augment.drawn([name], 3, number)[name]) for number in range(2000)]
    counts = np.bincount(values)
    expected = 2000 / len(counts)
    assert np.abs(counts - expected).max() < 4 * math.sqrt(expected)


@pytest.mark.parametrize(("name", "low", "high"), [("scale", 0.9, 1.1), ("brightness", -32, 32), ("gamma", 0.8, 1.25),
                                                   ("hue", -18, 18), ("zoom", 0.7, 1.0), ("multiscale", 0.5, 2)])
def test_factors_fill_their_range_and_centre_on_its_middle(name, low, high):
    values = [augment.drawn([name], 5, number)[name] for number in range(2000)]
    assert low <= min(values) < low + 0.02 * (high - low) and high - 0.02 * (high - low) < max(values) <= high
    middle = math.sqrt(low * high) if name == "gamma" else (low + high) / 2
    assert abs(sum(np.sign(value - middle) for value in values)) < 4 * math.sqrt(2000)


@pytest.mark.parametrize(("shape", "size"), [((6, 7), (4, 5)), ((4, 5), (6, 7)), ((4, 7), (6, 5)), ((5, 5), (1, 5))])
def test_every_position_of_a_crop_is_equally_likely(shape, size):
    label = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    image = np.repeat(label[..., None], 3, 2)
    positions = {}
    for number in range(1800):
        cropped = augment.sample(image, label, size, Augmentation(fill_rgb=FILL), number)
        positions.setdefault(cropped[1].tobytes(), []).append(cropped)
    outcomes = (abs(shape[0] - size[0]) + 1) * (abs(shape[1] - size[1]) + 1)
    assert len(positions) == outcomes
    counts = np.array([len(found) for found in positions.values()])
    assert np.abs(counts - 1800 / outcomes).max() < 4 * math.sqrt(1800 / outcomes)
    np.testing.assert_array_equal(cropped[0], np.repeat(cropped[1][..., None], 3, 2))


@given(SIDES, SIDES, SEEDS, NUMBERS)
@LAW
def test_a_crop_is_an_exact_cut_of_the_padded_image(shape, size, seed, number):
    label = np.arange(shape[0] * shape[1], dtype=np.int64).reshape(shape)
    place = augment.corner(shape, size, seed, number)
    found = augment.cut(label, *place, sides=size, fill=-1)
    margin = 20
    padded = np.pad(label, margin, constant_values=-1)
    top, left = (c + margin for c in place)
    np.testing.assert_array_equal(found, padded[top:top + size[0], left:left + size[1]])
    kept = [min(a, b) for a, b in zip(shape, size, strict=True)]
    assert (found >= 0).sum() == kept[0] * kept[1]  # the window never leaves the image further than it must


def test_pixels_outside_have_the_fill_colour_and_are_ignored():
    image, label = augment.sample(*pair((1, 1), ids=1), size_px=(2, 3),
                                 augmentation=Augmentation((), 0, (7, 8, 9), 77), number=0)
    assert sorted(label.ravel()) == [0, 77, 77, 77, 77, 77]
    assert (image[label == 77] == (7, 8, 9)).all()


def test_cost_depends_on_the_crop_size():
    side = 10**6  # 3 TB, were it ever copied
    image, label = np.broadcast_to(np.uint8(9), (side, side, 3)), np.broadcast_to(np.uint8(9), (side, side))
    new_image, new_label = augment.sample(image, label, (16, 12),
                                          Augmentation(("scale", "turn", "hflip", "vflip")), 0)
    assert (new_image == 9).all() and (new_label == 9).all() and new_label.shape == (16, 12)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "nothing"), [("brightness", 0), ("gamma", 1.0), ("hue", 0.0)])
@given(SIDES, SEEDS)
@LAW
def test_neutral_colour_change_is_the_identity(name, nothing, shape, seed):
    image = pair(shape, seed)[0]
    np.testing.assert_array_equal(registry.load("augmentations", name).change(image, nothing), image)


@given(st.floats(-180, 180))
@LAW
def test_grey_is_unchanged_by_hue(degrees):
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    np.testing.assert_array_equal(hue.change(greys, degrees), greys)


def test_third_of_the_hue_circle_turns_red_into_another_primary():
    weak_red = np.array([[[130, 100, 100]]], np.uint8)
    turned = hue.change(weak_red, 120).astype(float)[0, 0]
    assert turned.argmax() != 0
    assert turned @ [0.299, 0.587, 0.114] == pytest.approx(130 * 0.299 + 100 * 0.701, abs=0.6)


@given(st.floats(-18, 18))
@LAW
def test_hue_turned_forth_and_back_is_unchanged_within_rounding(degrees):
    image = np.random.default_rng(0).integers(80, 176, (4, 4, 3), np.uint8)  # far from being cut off
    back = hue.change(hue.change(image, degrees), -degrees)
    assert np.abs(back.astype(int) - image).max() <= 2


def test_brightness_and_gamma_are_clipped_at_black_and_white():
    image = np.array([[[0, 100, 250]]], np.uint8)
    assert brightness.change(image, 30).tolist() == [[[30, 130, 255]]]
    assert brightness.change(image, -30).tolist() == [[[0, 70, 220]]]
    assert gamma.change(np.array([0, 64, 255], np.uint8), 0.5).tolist() == [0, 128, 255]  # 255 sqrt(64 / 255) = 127.7


def test_colours_change_no_label_and_no_position():
    image, label = pair((6, 7))
    for number in range(5):
        new = augment.sample(image, label, None, Augmentation(("brightness", "gamma")), number)
        np.testing.assert_array_equal(new[1], label)
        order = np.argsort(image[..., 0].ravel(), kind="stable")
        assert (np.diff(new[0][..., 0].ravel()[order].astype(int)) >= 0).all()  # brighter stays brighter


def test_random_streams_and_order_match_earlier_runs():
    names = ("scale", "turn", "hflip", "vflip", "brightness", "gamma", "hue")
    assert [augment.stream_of(name) for name in names] == list(range(10, 17))
    assert tuple(augment.drawn(sorted(names), 0, 0)) == names


def test_settings_list_augmentations_in_the_established_order():
    names = ("hflip", "vflip", "turn", "scale", "brightness", "gamma", "hue")
    assert parsers.parse_augmentations(",".join(reversed(names))) == names
