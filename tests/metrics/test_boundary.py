"""Boundary bands and Boundary IoU against SciPy's erosion and hand-counted pixels."""

import numpy as np
import pytest
from scipy import ndimage

from fcn.metrics import boundary, confusion, protocols
from fcn.metrics.protocols import boundary as protocol


def eroded_away(mask, distance):
    """mask_to_boundary of Cheng et al.: the mask without its erosion by 3x3 squares; outside the image is no mask."""
    return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=distance)


def boundary_iou(label, prediction, class_id, distance):
    one, other = (eroded_away(ids == class_id, distance) for ids in (label, prediction))
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("distance", [1, 2, 3, 5, 40])
def test_band_is_what_erosion_takes_away(distance):
    ids = ndimage.zoom(np.random.default_rng(0).integers(0, 3, (4, 5)), 9, order=0)
    found = boundary.band(ids, distance)
    for class_id in range(3):
        np.testing.assert_array_equal(found & (ids == class_id), eroded_away(ids == class_id, distance))


def test_edge_of_an_ignored_region_is_no_boundary():
    ids = np.zeros((7, 7), np.uint8)
    ignored = np.zeros((7, 7), bool)
    ignored[3, 3] = True
    assert not boundary.band(ids, 1, ignored)[1:6, 1:6].any()
    ids[3, 3] = 1
    assert boundary.band(ids, 1)[1:6, 1:6].sum() == 9 and boundary.band(ids, 1)[2:5, 2:5].all()


def test_class_behind_an_ignored_pixel_is_still_seen():
    ids = np.array([[0, 0, 0, 9, 1, 1, 1]] * 7, np.uint8)
    assert boundary.band(ids, 2, ids == 9)[3].tolist() == [True, True, True, True, True, True, True]
    assert boundary.band(ids, 1, ids == 9)[3].tolist() == [True, False, False, True, False, False, True]


def test_boundary_iou_of_a_square_that_is_too_large():
    """30x40: diagonal 50, so the band has 1 px. The rings of 6x6 and 8x8 do not meet; the background's do in part."""
    label, prediction = np.zeros((2, 30, 40), np.uint8)
    label[10:16, 10:16], prediction[9:17, 9:17] = 1, 1
    assert boundary.distance_px(30, 40) == 1
    found = boundary.matrix(label, prediction, 2)
    border = 30 * 40 - 28 * 38
    assert found.tolist() == [[border, 28, 0], [0, 0, 20], [36, 0, 30 * 40 - border - 28 - 20 - 36]]


def test_sums_and_scores_match_scipy_on_random_masks():
    random, counting = np.random.default_rng(1), confusion.Counting(4)
    pairs = [[ndimage.zoom(random.integers(0, 3, (5, 6)), 12, order=0) for _ in range(2)] for _ in range(3)]
    for number, (label, prediction) in enumerate(pairs):
        counting.add_matrix(str(number), boundary.matrix(label, prediction, 3))
    sums = protocols.sums(protocol, counting.done(), ())
    distance = boundary.distance_px(60, 72)
    assert distance == 2 and sums.ids == (0, 1, 2)
    for k, (label, prediction) in enumerate(pairs):
        weights = np.eye(3)[[k]]
        expected = np.mean([boundary_iou(label, prediction, class_id, distance) for class_id in range(3)])
        assert protocol.compute(sums, weights)["mean_iou"][0] == pytest.approx(expected)


def test_pixels_with_an_ignored_label_do_not_count():
    label, prediction = np.full((20, 20), 255, np.uint8), np.ones((20, 20), np.uint8)
    label[:, :10] = 1
    counting = confusion.Counting(3)
    counting.add_matrix("a", boundary.matrix(label, prediction, 2, (0,)))
    sums = protocols.sums(protocol, counting.done(), (0,))
    ring = 2 * 10 + 18
    assert (sums.ids, [x.tolist() for x in sums.of()]) == ((1,), [[[ring]]] * 3)


def test_ignored_id_may_be_the_number_of_classes():
    """As 11 in CamVid, of 11 classes: in the matrix, that number stands for pixels outside the bands."""
    label = np.zeros((20, 20), np.uint8)
    label[:, 10:] = 1
    counting = confusion.Counting(3)
    counting.add_matrix("a", boundary.matrix(label, label, 2, (2,)))
    assert protocols.sums(protocol, counting.done(), (2,)).ids == (0, 1)


def test_wide_ids_have_bands_too():
    ids = np.array([[300] * 3 + [299] * 3] * 6, np.uint16)
    assert boundary.band(ids, 1)[3].tolist() == [True, False, True, True, False, True]
