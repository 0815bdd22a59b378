"""A batch as a picture: photo, label and label over photo of each sample, so that people see whether they fit."""

import math

import numpy as np

from fcn.core import atomic_io, ownership
from fcn.data import render

GAP, CELL = render.GAP, 6  # pixels: between parts; of the chequers that stand for ignored
MOST_PX = 480                # longer samples are shown smaller
LEGEND_PX = 320              # least width, for long names under small samples
LIGHT, DARK = 200, 150
MAKER = "fcn --show-batch"


def write_preview(path, images, labels, spec):
    """Write panel(...) as a PNG, in the place of an earlier picture of this command. Raises UsageError."""
    check_place(path)
    atomic_io.write_whole(path, render.encode_png(panel(images, labels, spec), MAKER), new=not path.exists())


def check_place(path):
    """Raise UsageError if a file is there that this command has not made."""
    ownership.check_free(path, "--show-batch", lambda path: render.png_made_by(path, MAKER))


def panel(images, labels, spec):
    """uint8 (h', w', 3): photo | label | both over each other, of all samples, over a legend of the classes that occur.

    images: uint8 (n, h, w, 3). labels: uint8 (n, h, w). Ignored pixels are chequered in the label and plain photo in
    what lies over it.
    """
    strips = [_strip(image, label, spec) for image, label in zip(images, labels, strict=True)]
    height, width = strips[0].shape[:2]
    columns = min(len(strips), max(1, round(math.sqrt(len(strips) * height / width))))
    rows = -(-len(strips) // columns)
    grid = np.full((rows * (height + GAP), max(LEGEND_PX, columns * (width + 3 * GAP) - 3 * GAP), 3), 255, np.uint8)
    for number, strip in enumerate(strips):
        top, left = number // columns * (height + GAP), number % columns * (width + 3 * GAP)
        grid[top:top + height, left:left + width] = strip
    entries = [*render.classes_in(labels, spec), ("chequered: ignored", (LIGHT,) * 3)]
    return np.concatenate([grid, render.legend(entries, grid.shape[1])])


def _strip(image, label, spec):
    """Photo | label | both, of one sample, none longer than MOST_PX."""
    image, label = render.shrunk(image, MOST_PX), render.shrunk(label, MOST_PX)
    ignored = ~np.isin(label, spec.scored_ids)
    coloured = render.colour(label, spec.palette())
    down, right = np.indices(label.shape) // CELL
    chequers = np.where((down + right) % 2, LIGHT, DARK).astype(np.uint8)
    both = (image.astype(np.uint16) + coloured) // 2
    gap = np.full((len(label), GAP, 3), 255, np.uint8)
    return np.concatenate([image, gap, np.where(ignored[..., None], chequers[..., None], coloured),
                           gap, np.where(ignored[..., None], image, both).astype(np.uint8)], axis=1)
