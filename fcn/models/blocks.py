"""Scores whose pixels lie in memory block by block, as upsampling makes them (convolution.py).

A loss or an argmax need not know in which order pixels come. So labels are put into the order of the blocks, and ids
back into rows, instead of the scores of all classes, which are a hundred times as many numbers.
"""

import dataclasses

from fcn.models.tf_compat import tf


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Scores of an image: tensor float32 (N, rows, columns, factor * factor * channels), of whose pixels the image is
    height_width from row and column `offset` on. With factor 1 and offset 0 it is an ordinary (N, H, W, C).

    height_width: two numbers, or two scalar tensors.
    """

    tensor: tf.Tensor
    factor: int
    channels: int
    offset: int
    height_width: tuple

    def crop(self, height_width, offset=0):
        """The Blocks of height x width of these pixels, from row and column `offset` on. Nothing is computed."""
        return dataclasses.replace(self, offset=self.offset + offset, height_width=height_width)

    def pixels(self):
        """(N, H, W, channels), of the tensor's type."""
        return cut(to_pixels(self.tensor, self.factor), self.height_width, self.offset)

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
        return cut(to_pixels(ids, self.factor), self.height_width, self.offset)[..., 0]

    def _order(self):
        shape = tf.shape(self.tensor)
        return [shape[0], shape[1], shape[2] * self.factor ** 2]


def plain(logits):
    """The Blocks of a net that gives (N, H, W, C) over all pixels of its images."""
    return Blocks(logits, 1, int(logits.shape[3]), 0, height_width(logits))


def to_pixels(x, factor):
    """(N, rows, columns, factor * factor * C) -> (N, rows * factor, columns * factor, C)."""
    return x if factor == 1 else tf.nn.depth_to_space(x, factor)


def to_blocks(x, factor):
    """(N, H, W, C) of sizes that the factor divides -> (N, H / factor, W / factor, factor * factor * C)."""
    return x if factor == 1 else tf.nn.space_to_depth(x, factor)


def cut(x, height_width, offset=0):
    """The height x width pixels of x from row and column `offset` on."""
    y = x[:, offset:offset + height_width[0], offset:offset + height_width[1]]
    y.set_shape((None, None, None, int(x.shape[3])))
    return y


def height_width(x):
    shape = tf.shape(x)
    return shape[1], shape[2]
