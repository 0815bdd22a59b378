"""What is merged, by hand: two windows, two scales, ids that are barred; and how much is held meanwhile."""

import tracemalloc

import numpy as np
import pytest

from fcn.evaluation import tiling

# An image of 1 x 96 px in windows (0, 64) and (32, 96); scores of two classes, the same all over a window.
LEFT, RIGHT = (1.0, 4.0), (3.0, 2.0)
SPANS = [(0, 1)], [(0, 64), (32, 96)]


def merged(rule, left=LEFT, right=RIGHT):
    """float32 (96, 2) of the two windows."""
    rule = tiling.RULES[rule]

    def scores(down, across):
        logits = np.array(left if across == (0, 64) else right, np.float32)
        return rule.prepare(np.tile(logits, (down[1] - down[0], across[1] - across[0], 1)))
    (top, rows), = tiling.rows(SPANS, rule, scores)
    assert top == 0 and rows.shape == (1, 96, 2) and rows.dtype == np.float32
    return rows[0]


@pytest.mark.parametrize(("rule", "both"), [("max", (3, 4)), ("mean", (2, 3))])
def test_where_two_windows_overlap_their_scores_are_merged(rule, both):
    found = merged(rule)
    np.testing.assert_array_equal(found[:32], np.tile(LEFT, (32, 1)))
    np.testing.assert_array_equal(found[32:64], np.tile(both, (32, 1)))
    np.testing.assert_array_equal(found[64:], np.tile(RIGHT, (32, 1)))


def test_the_mean_probability_weighs_a_sure_window_no_more_than_an_unsure_one():
    found = merged("probability", (np.log(9), 0), (-100, 0))  # 0.9 and 0.1; 0 and 1
    np.testing.assert_allclose(found[[0, 40, 90]], [(0.9, 0.1), (0.45, 0.55), (0, 1)], atol=1e-6)


def test_the_centre_of_the_overlap_is_where_one_window_takes_over_from_the_other():
    np.testing.assert_array_equal(merged("centre"), [LEFT] * 48 + [RIGHT] * 48)


def test_negative_scores_are_not_merged_with_zeros():
    assert merged("max", (-5, -7), (-6, -6)).tolist() == [[-5, -7]] * 32 + [[-5, -6]] * 32 + [[-6, -6]] * 32


@pytest.mark.parametrize(("rule", "expected"), [("max", (3, 4)), ("mean", (2, 3)), ("centre", (2, 3))])
def test_scales_and_mirrored_images_are_merged_by_the_same_rule(rule, expected):
    parts = [np.array([[LEFT]], np.float32), np.array([[RIGHT]], np.float32)]
    assert tiling.RULES[rule].joined(parts)[0, 0].tolist() == list(expected)
    assert (parts[0][0, 0].tolist(), parts[1][0, 0].tolist()) == (list(LEFT), list(RIGHT))
    again = tiling.RULES[rule].joined([*parts, *parts])
    assert again[0, 0].tolist() == list(expected)


@pytest.mark.parametrize("rule", tiling.RULES)
def test_windows_in_two_directions_are_merged_as_by_a_loop_over_pixels(rule):
    rng, size, count = np.random.default_rng(1), (150, 203), 3
    spans = tiling.along(size[0], 96, 0.5), tiling.along(size[1], 128, 96)
    scored = {(down, across): rng.normal(size=(down[1] - down[0], across[1] - across[0], count)).astype(np.float32)
              for down in spans[0] for across in spans[1]}
    kind = tiling.RULES[rule]
    found, tops = np.full((*size, count), np.nan), []
    for top, rows in tiling.rows(spans, kind, lambda *window: kind.prepare(scored[window])):
        tops += range(top, top + len(rows))
        found[top:top + len(rows)] = rows
    assert tops == list(range(size[0]))
    for y, x in rng.integers(0, size, (300, 2)):
        here = [((down, across), values[y - down[0], x - across[0]]) for (down, across), values in scored.items()
                if down[0] <= y < down[1] and across[0] <= x < across[1]]
        np.testing.assert_allclose(found[y, x], by_definition(rule, here, y, x, size), atol=1e-5)


def by_definition(rule, here, y, x, size):
    values = np.array([value for _, value in here], float)
    if rule == "probability":
        values = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    if rule == "max":
        return values.max(axis=0)
    if rule == "centre":
        def depth(window):  # to the nearest edge that is not the image's, in each direction
            sides = [min(at + 0.5 - start if start else 1e9, end - at - 0.5 if end < side else 1e9)
                     for (start, end), at, side in zip(window, (y, x), size, strict=True)]
            return tuple(sides)
        deepest = [max(depth(window)[axis] for window, _ in here) for axis in (0, 1)]
        return next(value for window, value in here if list(depth(window)) == deepest)
    return values.mean(axis=0)


@pytest.mark.parametrize("rule", ["mean", "centre"])
def test_no_more_than_a_windows_height_of_rows_is_held(rule):
    size, side, channels = (2048, 512), 256, 8
    spans = tiling.along(size[0], side, 0.5), tiling.along(size[1], side, 0.5)
    window = np.zeros((side, side, channels), np.float32)
    stream = tiling.rows(spans, tiling.RULES[rule], lambda down, across: window)
    tracemalloc.start()
    try:
        rows = sum(len(block) for _, block in stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == size[0]
    assert peak < 1.05 * (side + 32) * size[1] * channels * 4  # 32 rows are those being looked at


def test_rows_are_given_out_before_the_next_band_of_windows_is_predicted():
    asked, given = [], []
    spans = tiling.along(320, 128, 0.5), [(0, 1)]

    def scores(down, across):
        asked.append(down[0])
        return np.zeros((down[1] - down[0], 1, 1), np.float32)
    for top, _ in tiling.rows(spans, tiling.RULES["mean"], scores):
        given.append((asked[-1], top))
    assert given == [(0, 0), (0, 32), (64, 64), (64, 96), (128, 128), (128, 160),
                     (192, 192), (192, 224), (192, 256), (192, 288)]


def test_the_best_class_is_never_one_that_is_barred():
    scores = np.array([[[9, 1, 5], [0, 2, 2]]], np.float32)
    for barred, expected in ((), [0, 1]), ((0,), [2, 1]), ((0, 1), [2, 2]):
        found = tiling.best(scores, barred)
        assert found.dtype == np.uint8 and found.tolist() == [expected]


@pytest.mark.parametrize("rule", tiling.RULES)
def test_probabilities_add_up_to_one_over_classes_that_are_not_barred(rule):
    kind, logits = tiling.RULES[rule], np.log(np.array([[[1, 2, 6]]], np.float32))
    scores = kind.prepare(logits)
    kept = scores.copy()
    np.testing.assert_allclose(kind.probabilities(scores, ())[0, 0], (1 / 9, 2 / 9, 6 / 9), rtol=1e-6)
    np.testing.assert_allclose(kind.probabilities(scores, (2,))[0, 0], (1 / 3, 2 / 3, 0), rtol=1e-6)
    np.testing.assert_array_equal(scores, kept)


def test_probabilities_of_large_scores_do_not_overflow():
    np.testing.assert_array_equal(tiling.softmax(np.array([1000, 0, -1000], np.float32)), [1, 0, 0])
    none_left = tiling.RULES["probability"].probabilities(np.array([1, 0, 0], np.float32), (0,))
    assert np.isfinite(none_left).all()
