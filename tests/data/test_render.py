"""A batch as a picture shows photo, label and label over photo where they belong."""

import numpy as np
import pytest
from PIL import Image

from fcn.data import render
from fcn.data.spec import DatasetSpec

SPEC = DatasetSpec(("other", "sky", "sea"), (0,), ((1, 2, 3), (10, 20, 30), (40, 60, 80)))
GAP = render.GAP


def batch(count, height, width):
    """Photos of one grey each; labels of which the upper half is sea and the lower ignored, the last row by 255."""
    images = np.stack([np.full((height, width, 3), 100 + i, np.uint8) for i in range(count)])
    labels = np.full((count, height, width), 2, np.uint8)
    labels[:, height // 2:] = 0
    labels[:, -1] = 255
    return images, labels


def test_strip_is_photo_label_and_their_mean():
    images, labels = batch(1, 40, 60)
    picture = render.batch_panel(images, labels, SPEC)
    photo, label, both = (picture[:40, left:left + 60] for left in (0, 60 + GAP, 2 * (60 + GAP)))
    np.testing.assert_array_equal(photo, images[0])
    assert (label[:20] == (40, 60, 80)).all()
    assert (both[:20] == (70, 80, 90)).all()
    assert (both[20:] == 100).all()  # where it is ignored, the photo shines through


def test_ignored_pixels_are_chequered():
    images, labels = batch(1, 40, 60)
    ignored = render.batch_panel(images, labels, SPEC)[20:40, 60 + GAP:120 + GAP]
    assert set(np.unique(ignored)) == {render.LIGHT, render.DARK}
    cell = render.CELL
    assert (ignored[:, cell:] != ignored[:, :-cell]).all() and (ignored[cell:] != ignored[:-cell]).all()


@pytest.mark.parametrize(("count", "shape", "columns"), [(1, (40, 40), 1), (8, (40, 40), 2), (6, (90, 30), 2),
                                                        (6, (30, 90), 1), (12, (40, 40), 2)])
def test_samples_are_in_a_grid_in_order(count, shape, columns):
    images, labels = batch(count, *shape)
    picture, (height, width) = render.batch_panel(images, labels, SPEC), shape
    for number in range(count):
        top, left = number // columns * (height + GAP), number % columns * (3 * width + 5 * GAP)
        assert (picture[top:top + height, left:left + width] == 100 + number).all()


def test_legend_names_the_classes_that_occur():
    images, labels = batch(1, 4, 6)
    both = labels.copy()
    both[0, 0, 0] = 1
    strips = [render.batch_panel(images, maps, SPEC)[4 + GAP:] for maps in (labels, both)]
    for strip, entries in zip(strips, ([("sea", (40, 60, 80))], [("sky", (10, 20, 30)), ("sea", (40, 60, 80))]),
                              strict=True):
        entries = [*entries, ("checkerboard: ignored", (render.LIGHT,) * 3)]
        np.testing.assert_array_equal(strip, render.legend(entries, strip.shape[1]))


def test_large_samples_are_reduced_and_small_ones_fit_names():
    most = render.MOST_PX
    assert render.batch_panel(*batch(1, 2, 4 * most), spec=SPEC).shape[1] == 3 * most + 2 * GAP
    assert render.batch_panel(*batch(2, 1, 1), spec=SPEC).shape[1] == render.LEGEND_PX


def test_border_weights_are_a_fourth_part():
    images, labels = batch(1, 40, 60)
    weights = np.ones((1, 40, 60), np.float32)
    weights[0, :10], weights[0, 10:20] = 11, 6
    picture = render.batch_panel(images, labels, SPEC, weights)
    part = picture[:40, 3 * (60 + GAP):3 * (60 + GAP) + 60]
    assert (part[:10] == 255).all() and (part[10:20] == 127).all() and (part[20:] == 0).all()
    without = render.batch_panel(images, labels, SPEC)
    np.testing.assert_array_equal(picture[:40, :without.shape[1] - 1][:, :3 * 60], without[:40, :3 * 60])
    assert not render.batch_panel(images, labels, SPEC, np.ones((1, 40, 60), np.float32))[
        :40, 3 * (60 + GAP):3 * (60 + GAP) + 60].any()


def test_written_panel_is_unchanged(tmp_path):
    images, labels = batch(2, 5, 7)
    render.write_preview(tmp_path / "batch.png", images, labels, SPEC)
    with Image.open(tmp_path / "batch.png") as written:
        np.testing.assert_array_equal(np.asarray(written), render.batch_panel(images, labels, SPEC))
