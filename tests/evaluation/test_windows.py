"""Windows cover an image on a grid of 32 px, see nothing that is not there, and share it out among their middles."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.core import errors
from fcn.evaluation import tiling

LAW = settings(max_examples=200, deadline=None)
SIDES = st.integers(2, 20).map(lambda n: 32 * n)


@st.composite
def layouts(draw):
    """(length, window, overlap) that tiling.check lets pass."""
    window = draw(SIDES)
    share = st.integers(0, window // 32 - 1).map(lambda n: 32 * n / window)
    return draw(st.integers(1, 2000)), window, draw(st.one_of(share, st.integers(1, window - 32)))


def test_windows_overlap_by_half_and_the_last_ends_with_the_image_on_the_grid():
    assert tiling.along(1000, 256, 0.5) == [(0, 256), (128, 384), (256, 512), (384, 640), (512, 768), (640, 896),
                                            (768, 1000)]
    assert tiling.along(290, 128, 0) == [(0, 128), (128, 256), (192, 290)]  # not 256 to 290, nor 162 to 290
    assert tiling.along(512, 256, 0) == [(0, 256), (256, 512)]


@pytest.mark.parametrize("length", [1, 255, 256])
def test_an_image_that_is_no_larger_than_a_window_is_one(length):
    assert tiling.along(length, 256, 0.5) == [(0, length)]


@pytest.mark.parametrize(("overlap", "second"), [(0, 320), (0.1, 288), (0.5, 160), (0.9, 32), (1, 288), (100, 192),
                                                 (288, 32)])
def test_an_overlap_is_a_share_or_pixels_and_never_less_than_asked(overlap, second):
    assert tiling.along(10_000, 320, overlap)[1] == (second, second + 320)


@LAW
@given(layouts())
def test_every_pixel_lies_in_a_window_and_every_window_on_the_grid(layout):
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
def test_a_pixel_belongs_to_the_window_whose_inner_edges_are_farthest_from_it(layout):
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
    ((128, 128), 0.8, "from 0 to 0.75"), ((128, 128), 97, "px up to 96"), ((256, 128), -0.1, "a share"),
    ((128, 256), 100, "px up to 96")])
def test_windows_that_cannot_be_laid_are_refused(window, overlap, said):
    with pytest.raises(errors.UsageError, match=said):
        tiling.check(window, overlap)
