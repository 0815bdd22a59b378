"""Scores whose pixels lie in memory block by block, as upsampling makes them (upsampling.py).

A loss or an argmax need not know in which order pixels come. So labels are put into the order of the blocks, and ids
back into rows, instead of the scores of all classes, which are a hundred times as many numbers.
"""

import dataclasses
from typing import Any

from fcn import layers
from fcn.tf1 import tf


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Scores of an image: tensor float32 (N, rows, columns, factor * factor * channels), of whose pixels the image is
    height_width from row and column `offset` on. With factor 1 and offset 0 it is an ordinary (N, H, W, C).
    """

    tensor: Any
    factor: int
    channels: int
    offset: int
    height_width: Any

    def pixels(self):
        """Float32 (N, H, W, channels)."""
        return layers.cut(to_pixels(self.tensor, self.factor), self.height_width, self.offset)

    def listed(self):
        """The same numbers, pixel by pixel in the order of the blocks: (N, rows, columns * factor^2, channels)."""
        return tf.reshape(self.tensor, [*self._order(), self.channels])

    def arrange(self, labels, outside):
        """Integers (N, H, W) -> (N, rows, columns * factor^2), as listed(); what lies beside the image is `outside`."""
        labels = labels[..., None] - outside
        below, right = (self.factor * tf.shape(self.tensor)[axis] - self.offset - self.height_width[axis - 1]
                        for axis in (1, 2))
        labels = tf.pad(labels, ((0, 0), (self.offset, below), (self.offset, right), (0, 0)))
        return tf.reshape(to_blocks(labels, self.factor), self._order()) + outside

    def restore(self, ids):
        """Numbers (N, rows, columns * factor^2), as listed() -> (N, H, W)."""
        shape = tf.shape(self.tensor)
        ids = tf.reshape(ids, [shape[0], shape[1], shape[2], self.factor ** 2])
        return layers.cut(to_pixels(ids, self.factor), self.height_width, self.offset)[..., 0]

    def _order(self):
        shape = tf.shape(self.tensor)
        return [shape[0], shape[1], shape[2] * self.factor ** 2]


def plain(logits):
    """The Blocks of a net that gives (N, H, W, C) over all pixels of its images."""
    return Blocks(logits, 1, int(logits.shape[3]), 0, layers.height_width(logits))


def to_pixels(x, factor):
    """(N, rows, columns, factor * factor * C) -> (N, rows * factor, columns * factor, C)."""
    return x if factor == 1 else tf.nn.depth_to_space(x, factor)


def to_blocks(x, factor):
    """(N, H, W, C) of sizes that the factor divides -> (N, H / factor, W / factor, factor * factor * C)."""
    return x if factor == 1 else tf.nn.space_to_depth(x, factor)
