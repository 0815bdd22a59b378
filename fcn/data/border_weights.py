"""Weight maps of the U-Net paper: background between two objects that nearly touch counts more in the loss.

Ronneberger, Fischer & Brox 2015, equation 2, with sigma = 5 px and d1, d2 the distances of a pixel to the nearest and
the second nearest object:

    w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))

w_c is the weight of the pixel's class (--class-weights), w0 is --border-weight (the paper: 10). An object is a
connected group of pixels (4 neighbours) of any class but 0. Only background has a border term: figure 3d of the paper
shows none inside the cells.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from fcn.core import errors

SIGMA_PX = 5
REACH_PX = 5 * SIGMA_PX  # farther objects are not looked for: they would add less than 4e-6 w0


@dataclasses.dataclass(frozen=True)
class BorderWeights:
    """w0: factor of the border term. trained_ids: the ids that count in the loss.

    class_weights: one number per id, or None for 1 each.
    """

    w0: float
    trained_ids: tuple[int, ...]
    class_weights: Sequence[float] | None = None

    def maps(self, labels):
        """w(x) / w_c(x) of labels (N, h, w) of ids, float32 (N, h, w): the loss multiplies it by w_c(x).

        It is 1 except in the background.
        """
        found = np.ones(labels.shape, np.float32)
        of_background = self.class_weights[0] if self.class_weights else 1.0
        objects = [i for i in self.trained_ids if i]
        for label, weights in zip(labels, found, strict=True):
            nearest, second = two_distances(np.isin(label, objects))
            term = self.w0 / of_background * np.exp(-(nearest + second) ** 2 / (2 * SIGMA_PX ** 2))
            weights += np.where(label == 0, term, 0)
        return found


def make(w0, trained_ids, class_weights=None):
    """The BorderWeights of these fields, None for w0 = 0. Raises UsageError if the background has no weight."""
    if w0 and (0 not in trained_ids or (class_weights and not class_weights[0])):
        raise errors.UsageError(f"--border-weight {w0:g}: class 0, the background, does not count in the loss",
                                why="the weight is that of background between objects",
                                fix="leave out --border-weight, or count class 0 (--ignore-label, --class-weights).")
    return BorderWeights(w0, tuple(trained_ids), class_weights) if w0 else None


def two_distances(foreground):
    """Distances in px to the nearest and second nearest object, two float32 (h, w); infinite beyond REACH_PX.

    foreground: bool (h, w).
    """
    from scipy import ndimage  # takes 0.1 s; --help does without
    objects, _ = ndimage.label(foreground)
    nearest = np.full(foreground.shape, np.inf, np.float32)
    second = nearest.copy()
    for number, extent in enumerate(ndimage.find_objects(objects), 1):
        box = tuple(slice(max(0, side.start - REACH_PX), side.stop + REACH_PX) for side in extent)
        distance = ndimage.distance_transform_edt(objects[box] != number).astype(np.float32)
        np.minimum(second[box], np.maximum(nearest[box], distance), out=second[box])
        np.minimum(nearest[box], distance, out=nearest[box])
    return nearest, second
