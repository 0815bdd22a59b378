"""Windows cover an image on a grid of 32 px; scores are merged, and resized in strips as TensorFlow and Pillow do."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fcn.core import errors
from fcn.evaluation import tiling
from fcn.models.tf_compat import new_session, tf

LAW = settings(max_examples=200, deadline=None)
SIDES = st.integers(2, 20).map(lambda n: 32 * n)


@st.composite
def layouts(draw):
    """(length, window, overlap) that tiling.check lets pass."""
    window = draw(SIDES)
    share = st.integers(0, window // 32 - 1).map(lambda n: 32 * n / window)
    return draw(st.integers(1, 2000)), window, draw(st.one_of(share, st.integers(1, window - 32)))


def test_tiles_overlap_by_half_and_end_on_the_grid():
    assert tiling.along(1000, 256, 0.5) == [(0, 256), (128, 384), (256, 512), (384, 640), (512, 768), (640, 896),
                                            (768, 1000)]
    assert tiling.along(290, 128, 0) == [(0, 128), (128, 256), (192, 290)]  # not 256 to 290, nor 162 to 290
    assert tiling.along(512, 256, 0) == [(0, 256), (256, 512)]


@pytest.mark.parametrize("length", [1, 255, 256])
def test_image_not_larger_than_a_tile_is_one_tile(length):
    assert tiling.along(length, 256, 0.5) == [(0, length)]


@pytest.mark.parametrize(("overlap", "second"), [(0, 320), (0.1, 288), (0.5, 160), (0.9, 32), (1, 288), (100, 192),
                                                 (288, 32)])
def test_overlap_is_a_share_or_pixels_and_never_less_than_given(overlap, second):
    assert tiling.along(10_000, 320, overlap)[1] == (second, second + 320)


@pytest.mark.slow
@LAW
@given(layouts())
def test_every_pixel_is_in_a_tile_and_every_tile_on_the_grid(layout):
    length, window, overlap = layout
    tiling.check((window, window), overlap)
    spans = tiling.along(length, window, overlap)
    assert set().union(*(range(*span) for span in spans)) == set(range(length))
    assert all(start % 32 == 0 for start, _ in spans) and spans == sorted(set(spans))
    assert all(end - start == window for start, end in spans[:-1])
    assert spans[-1][1] == length and (len(spans) == 1 or window - 32 < length - spans[-1][0] <= window)
    wanted = overlap if overlap >= 1 else overlap * window
    assert all(end - start >= wanted - 1e-6 for (_, end), (start, _) in itertools.pairwise(spans))


@LAW
@given(layouts())
def test_pixel_belongs_to_the_tile_with_the_farthest_edges(layout):
    length = layout[0]
    spans = tiling.along(*layout)
    middles = tiling.middles(spans)
    assert [pixel for middle in middles for pixel in range(*middle)] == list(range(length))

    def depth(span, pixel):  # edges of the image are none
        return min(pixel - span[0] + 0.5 if span[0] > 0 else length,
                   span[1] - pixel - 0.5 if span[1] < length else length)
    for span, middle in zip(spans, middles, strict=True):
        for pixel in {middle[0], sum(middle) // 2, middle[1] - 1}:
            holding = [other for other in spans if other[0] <= pixel < other[1]]
            assert depth(span, pixel) == max(depth(other, pixel) for other in holding)


@pytest.mark.parametrize(("window", "overlap", "said"), [
    ((100, 128), 0.5, "--window 96"), ((128, 32), 0, "--window 64"), ((0, 128), 0, "--window 64"),
    ((128, 128), 0.8, "from 0 to 0.75"), ((128, 128), 97, "from 0 to 0.75"), ((256, 128), -0.1, "a share"),
    ((128, 256), 100, "from 0 to 0.75")])
def test_invalid_tiles_are_refused(window, overlap, said):
    with pytest.raises(errors.UsageError, match=said):
        tiling.check(window, overlap)


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
def test_scores_of_overlapping_tiles_are_merged(rule, both):
    found = merged(rule)
    np.testing.assert_array_equal(found[:32], np.tile(LEFT, (32, 1)))
    np.testing.assert_array_equal(found[32:64], np.tile(both, (32, 1)))
    np.testing.assert_array_equal(found[64:], np.tile(RIGHT, (32, 1)))


def test_confident_tile_weighs_no_more_in_the_mean_probability():
    found = merged("probability", (np.log(9), 0), (-100, 0))  # 0.9 and 0.1; 0 and 1
    np.testing.assert_allclose(found[[0, 40, 90]], [(0.9, 0.1), (0.45, 0.55), (0, 1)], atol=1e-6)


def test_tiles_change_over_at_the_centre_of_the_overlap():
    np.testing.assert_array_equal(merged("centre"), [LEFT] * 48 + [RIGHT] * 48)


def test_negative_scores_are_not_merged_with_zeros():
    assert merged("max", (-5, -7), (-6, -6)).tolist() == [[-5, -7]] * 32 + [[-5, -6]] * 32 + [[-6, -6]] * 32


@pytest.mark.parametrize(("rule", "expected"), [("max", (3, 4)), ("mean", (2, 3)), ("centre", (2, 3))])
def test_scales_and_mirrored_images_use_the_same_merge(rule, expected):
    parts = [np.array([[LEFT]], np.float32), np.array([[RIGHT]], np.float32)]
    assert tiling.RULES[rule].joined(parts)[0, 0].tolist() == list(expected)
    assert (parts[0][0, 0].tolist(), parts[1][0, 0].tolist()) == (list(LEFT), list(RIGHT))
    again = tiling.RULES[rule].joined([*parts, *parts])
    assert again[0, 0].tolist() == list(expected)


@pytest.mark.parametrize("rule", tiling.RULES)
def test_tiles_in_two_directions_match_a_loop_over_pixels(rule):
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
def test_at_most_the_height_of_a_tile_is_held(rule):
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


def test_rows_are_emitted_before_the_next_band_is_predicted():
    asked, given = [], []
    spans = tiling.along(320, 128, 0.5), [(0, 1)]

    def scores(down, across):
        asked.append(down[0])
        return np.zeros((down[1] - down[0], 1, 1), np.float32)
    for top, _ in tiling.rows(spans, tiling.RULES["mean"], scores):
        given.append((asked[-1], top))
    assert given == [(0, 0), (0, 32), (64, 64), (64, 96), (128, 128), (128, 160),
                     (192, 192), (192, 224), (192, 256), (192, 288)]


def test_excluded_class_is_never_predicted():
    scores = np.array([[[9, 1, 5], [0, 2, 2]]], np.float32)
    for barred, expected in ((), [0, 1]), ((0,), [2, 1]), ((0, 1), [2, 2]):
        found = tiling.best(scores, barred)
        assert found.dtype == np.uint8 and found.tolist() == [expected]


@pytest.mark.parametrize("rule", tiling.RULES)
def test_probabilities_sum_to_1_without_excluded_ids(rule):
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


SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def blocks(scores, heights):
    """(top, rows) of an array, cut at these heights over and over."""
    top = 0
    while top < len(scores):
        for height in heights:
            if top < len(scores):
                yield top, scores[top:top + height]
                top += height


def resized(scores, target, heights=(32,), strip=7):
    bounds = [(top, min(top + strip, target[0])) for top in range(0, target[0], strip)]
    return np.concatenate(list(tiling.resized_strips(blocks(scores, heights), scores.shape[:2], target, bounds)))


@pytest.fixture(scope="module")
def tensorflows():
    """function (scores, (height, width)) -> tf.image.resize_bilinear of them."""
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        scores, size = tf.placeholder(tf.float32, (None, None, None)), tf.placeholder(tf.int32, (2,))
        found = tf.image.resize_bilinear(scores[None], size, half_pixel_centers=True)[0]
        yield lambda array, target: session.run(found, {scores: array, size: target})


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 9), st.integers(0, 9))
def test_strips_match_bilinear_resize_of_tensorflow(tensorflows, source, target, heights, strip, seed):
    scores = np.random.default_rng(seed).normal(size=(*source, 2)).astype(np.float32)
    found = resized(scores, target, heights, strip)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, tensorflows(scores, target), atol=2e-5)


@pytest.mark.parametrize("target", [(23, 40), (64, 95)])
def test_strips_match_bilinear_resize_of_pillow(target):
    scores = np.random.default_rng(0).normal(size=(12, 31, 1)).astype(np.float32)
    pillows = Image.fromarray(scores[..., 0]).resize(target[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_allclose(resized(scores, target)[..., 0], np.asarray(pillows), atol=1e-5)


def test_doubled_size_interpolates_at_quarters():
    found = resized(np.array([[[0.0], [8.0]]], np.float32), (1, 4))
    np.testing.assert_array_equal(found[0, :, 0], [0, 2, 6, 8])


def test_equal_size_keeps_the_numbers():
    scores = np.random.default_rng(0).normal(size=(33, 5, 3)).astype(np.float32)
    np.testing.assert_array_equal(resized(scores, (33, 5), (4,), 6), scores)


def test_rows_are_requested_only_when_needed_and_then_released():
    asked = []

    def stream():
        for top in range(0, 100, 10):
            asked.append(top)
            yield top, np.zeros((10, 1, 1), np.float32)
    held = tiling.HeldRows(stream())
    held.rows(0, 15)
    assert asked == [0, 10]
    assert held.rows(19, 41).shape == (22, 1, 1)
    assert [top for top, _ in held.blocks] == [10, 20, 30, 40]


@pytest.mark.parametrize(("size", "channels"), [((3328, 4992), 151), ((3328, 4992), 2), ((7, 60_000), 256),
                                                ((1, 1), 1)])
def test_strips_cover_the_grid_and_stay_below_32_mb_or_one_row(size, channels):
    bounds = tiling.strip_bounds(size, channels)
    assert [top for top, _ in bounds] == [0, *(end for _, end in bounds[:-1])] and bounds[-1][1] == size[0]
    assert all(end - top == 1 or 4 * (end - top) * size[1] * channels <= 32e6 for top, end in bounds)


def test_strips_hold_no_more_of_a_larger_source_than_their_grid():
    (top, end), *_ = tiling.strip_bounds((400, 400), 150, [(1600, 1600)])
    assert (end - top) * 4 * 1600 * 150 * 4 <= tiling.STRIP_BYTES  # rows there, columns, classes, bytes
