"""Strips of a resized grid are the rows that TensorFlow and Pillow give of the whole, whatever blocks they come in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fcn.evaluation import resampling
from fcn.models.tf_compat import session as new_session
from fcn.models.tf_compat import tf

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
    return np.concatenate(list(resampling.strips(blocks(scores, heights), scores.shape[:2], target, bounds)))


@pytest.fixture(scope="module")
def tensorflows():
    """function (scores, (height, width)) -> tf.image.resize_bilinear of them."""
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        scores, size = tf.placeholder(tf.float32, (None, None, None)), tf.placeholder(tf.int32, (2,))
        found = tf.image.resize_bilinear(scores[None], size, half_pixel_centers=True)[0]
        yield lambda array, target: session.run(found, {scores: array, size: target})


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 9), st.integers(0, 9))
def test_strips_are_tensorflows_bilinear_resize(tensorflows, source, target, heights, strip, seed):
    scores = np.random.default_rng(seed).normal(size=(*source, 2)).astype(np.float32)
    found = resized(scores, target, heights, strip)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, tensorflows(scores, target), atol=2e-5)


@pytest.mark.parametrize("target", [(23, 40), (64, 95)])
def test_enlarged_strips_are_pillows_bilinear_resize(target):
    scores = np.random.default_rng(0).normal(size=(12, 31, 1)).astype(np.float32)
    pillows = Image.fromarray(scores[..., 0]).resize(target[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_allclose(resized(scores, target)[..., 0], np.asarray(pillows), atol=1e-5)


def test_twice_the_size_lies_at_quarters_between_two_pixels_and_goes_on_at_the_edge():
    found = resized(np.array([[[0.0], [8.0]]], np.float32), (1, 4))
    np.testing.assert_array_equal(found[0, :, 0], [0, 2, 6, 8])


def test_the_same_size_is_the_same_numbers():
    scores = np.random.default_rng(0).normal(size=(33, 5, 3)).astype(np.float32)
    np.testing.assert_array_equal(resized(scores, (33, 5), (4,), 6), scores)


def test_rows_are_asked_for_no_earlier_than_they_are_needed_and_given_up():
    asked = []

    def stream():
        for top in range(0, 100, 10):
            asked.append(top)
            yield top, np.zeros((10, 1, 1), np.float32)
    held = resampling.Held(stream())
    held.rows(0, 15)
    assert asked == [0, 10]
    assert held.rows(19, 41).shape == (22, 1, 1)
    assert [top for top, _ in held.blocks] == [10, 20, 30, 40]


@pytest.mark.parametrize(("size", "channels"), [((3328, 4992), 151), ((3328, 4992), 2), ((7, 60_000), 256),
                                                ((1, 1), 1)])
def test_strips_cover_the_grid_and_stay_below_32_mb_or_are_single_rows(size, channels):
    bounds = resampling.bounds(size, channels)
    assert [top for top, _ in bounds] == [0, *(end for _, end in bounds[:-1])] and bounds[-1][1] == size[0]
    assert all(end - top == 1 or 4 * (end - top) * size[1] * channels <= 32e6 for top, end in bounds)


def test_strips_hold_no_more_of_a_larger_source_than_of_their_own_grid():
    (top, end), *_ = resampling.bounds((400, 400), 150, [(1600, 1600)])
    assert (end - top) * 4 * 1600 * 150 * 4 <= resampling.STRIP_BYTES  # rows there, columns, classes, bytes
