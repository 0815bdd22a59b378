"""Scores stored block by block, the order in which upsampling by a matrix product computes them (convolution.py).

Loss and argmax do not depend on the order of pixels. It is cheaper to rearrange labels and predicted ids than the
scores, which are as many numbers times the number of classes.
"""

import dataclasses

from fcn.models.tf_compat import tf


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Scores of images in blocks of factor x factor pixels.

    tensor: (N, rows, columns, factor * factor * channels). The image covers height_width pixels from row and column
    `offset`. With factor 1 and offset 0, the tensor is an ordinary (N, H, W, C). height_width: two ints or two scalar
    tensors.
    """

    tensor: tf.Tensor
    factor: int
    channels: int
    offset: int
    height_width: tuple

    def after_zeros(self):
        """Blocks of two channels from one: zeros, then these scores."""
        single = tf.reshape(self.tensor, tf.concat([tf.shape(self.tensor)[:3], [self.factor ** 2, 1]], 0))
        pair = tf.pad(single, ((0, 0), (0, 0), (0, 0), (0, 0), (1, 0)))
        tensor = tf.reshape(pair, tf.concat([tf.shape(self.tensor)[:3], [2 * self.factor ** 2]], 0))
        tensor.set_shape((None, None, None, 2 * self.factor ** 2))
        return dataclasses.replace(self, tensor=tensor, channels=2)

    def crop(self, height_width, offset=0):
        """Return Blocks that cover height x width of these pixels, from row and column `offset`. Copies nothing."""
        return dataclasses.replace(self, offset=self.offset + offset, height_width=height_width)

    def pixels(self):
        """Return the scores in image order: (N, H, W, channels), dtype of the tensor."""
        return cut(to_pixels(self.tensor, self.factor), self.height_width, self.offset)

    def listed(self):
        """Return the scores in block order: (N, rows, columns * factor^2, channels)."""
        return tf.reshape(self.tensor, [*self._order(), self.channels])

    def arrange(self, labels, outside):
        """Bring labels or weights (N, H, W) into the order of listed(): (N, rows, columns * factor^2).

        Pixels outside the image get the value `outside`.
        """
        labels = labels[..., None] - outside
        below, right = (self.factor * tf.shape(self.tensor)[axis] - self.offset - self.height_width[axis - 1]
                        for axis in (1, 2))
        labels = tf.pad(labels, ((0, 0), (self.offset, below), (self.offset, right), (0, 0)))
        return tf.reshape(to_blocks(labels, self.factor), self._order()) + outside

    def restore(self, ids):
        """Bring numbers in the order of listed(), (N, rows, columns * factor^2), into image order (N, H, W)."""
        shape = tf.shape(self.tensor)
        ids = tf.reshape(ids, [shape[0], shape[1], shape[2], self.factor ** 2])
        return cut(to_pixels(ids, self.factor), self.height_width, self.offset)[..., 0]

    def _order(self):
        shape = tf.shape(self.tensor)
        return [shape[0], shape[1], shape[2] * self.factor ** 2]


def plain(logits):
    """Wrap ordinary logits (N, H, W, C) as Blocks."""
    return Blocks(logits, 1, int(logits.shape[3]), 0, height_width(logits))


def to_pixels(x, factor):
    """(N, rows, columns, factor * factor * C) -> (N, rows * factor, columns * factor, C)."""
    return x if factor == 1 else tf.nn.depth_to_space(x, factor)


def to_blocks(x, factor):
    """(N, H, W, C) of sizes that the factor divides -> (N, H / factor, W / factor, factor * factor * C)."""
    return x if factor == 1 else tf.nn.space_to_depth(x, factor)


def cut(x, height_width, offset=0):
    """Return height x width pixels of x (N, H, W, C), from row and column `offset`."""
    y = x[:, offset:offset + height_width[0], offset:offset + height_width[1]]
    y.set_shape((None, None, None, int(x.shape[3])))
    return y


def height_width(x):
    """(height, width) of a tensor (N, H, W, C), as tensors."""
    shape = tf.shape(x)
    return shape[1], shape[2]
