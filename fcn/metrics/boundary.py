"""Boundary bands of label images: the pixels that the protocol `boundary` scores.

The band of a class holds its pixels within TOLERANCE of the image's diagonal of another class or of the image's border.
Distances are Chebyshev distances in px. The edge of an ignored region is not a boundary, because the class behind it is
unknown.
Source: Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR 2021; the tolerance, 2%
of the diagonal, and the border are those of their code (bowenc0221/boundary-iou-api, mask_to_boundary).
"""

import math

import numpy as np

from fcn.data.spec import id_dtype
from fcn.metrics import confusion

TOLERANCE = 0.02  # share of the diagonal


def distance_px(height, width):
    """Width of the band in px, at least 1."""
    return max(1, round(TOLERANCE * math.hypot(height, width)))


def band(ids, distance, ignored=None):
    """bool (h, w): whether a pixel lies within `distance` px of a pixel of another class, or of the image's border.

    ids: integer array (h, w), below 65533. ignored: bool (h, w), pixels whose class is unknown; their own value here
    has no meaning.
    """
    dtype = id_dtype(int(ids.max(initial=0)) + 3)
    numbers = ids.astype(dtype) + dtype(1)  # 0 is outside the image
    least, most = numbers, numbers
    if ignored is not None and ignored.any():
        least, most = np.where(ignored, np.iinfo(dtype).max, numbers), np.where(ignored, 0, numbers)
    for axis in (0, 1):
        least, most = (_extremes(join, array, distance, axis) for join, array in ((np.minimum, least),
                                                                                  (np.maximum, most)))
    return (least != numbers) | (most != numbers)


def _extremes(join, array, distance, axis):
    """The minimum or maximum over 2 * distance + 1 pixels along an axis; 0 outside. The length of runs is doubled."""
    widths = [(0, 0), (0, 0)]
    widths[axis] = (distance, distance)
    found, length, wanted = np.moveaxis(np.pad(array, widths), axis, 0), 1, 2 * distance + 1
    while length < wanted:
        step = min(length, wanted - length)
        found, length = join(found[:-step], found[step:]), length + step
    return np.moveaxis(found, 0, axis)


def matrix(label, prediction, num_classes, ignored_ids=()):
    """int64 (C + 1, C + 1): confusion matrix of an image in which class C stands for pixels outside a band.

    Entry [i, i] is the number of pixels in the band of class i in the label and in the prediction; row i adds up to the
    band in the label, column i to that in the prediction. Pixels with an ignored label do not count.
    label, prediction: integer arrays (h, w); the prediction holds class ids.
    """
    ignored = (label >= num_classes) | np.isin(label, list(ignored_ids))
    distance, dtype = distance_px(*label.shape), id_dtype(num_classes + 2)
    inside = [np.where(band(ids, distance, unknown), ids, num_classes).astype(dtype)
              for ids, unknown in ((np.where(ignored, 0, label), ignored), (prediction, None))]
    inside[0][ignored] = num_classes + 1
    return confusion.matrix(inside[0], inside[1], num_classes + 1)


def sums(matrices, ignored_ids):
    """The confusion.Sums of the bands, from ConfusionMatrices of matrix()."""
    outside = matrices.num_classes - 1  # that class counts, even if an ignored id has the same number
    found = matrices.sums([i for i in ignored_ids if i != outside])
    return confusion.Sums(found.ids[:-1], *(pixels[:, :-1] for pixels in found.of()))
