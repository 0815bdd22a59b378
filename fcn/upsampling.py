"""Upsampling by a factor f: a transposed convolution of size 2 f and stride f, as one matrix product.

Each block of f x f pixels that such a layer gives depends on 2 x 2 of its inputs alone. So it is a 2 x 2 convolution to
f * f * C channels: nothing is scattered, and what comes out lies block by block (blocks.py). Gains stand in
benchmarks/RESULTS.md; tests/test_upsampling.py holds all of this against tf.nn.conv2d_transpose.

Sizes are those of the whole convolution (padding VALID): n inputs give n + 1 blocks, of which SAME would cut off half a
block on either side. Input i reaches the blocks i and i + 1.
"""

import numpy as np

from fcn import layers
from fcn.heads_table import bilinear_2d
from fcn.tf1 import tf


def deconv(x, name, factor, channels, kernel_init):
    """Learned transposed convolution of size 2 * factor and stride factor, with bias, to blocks of `channels`."""
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", (2 * factor, 2 * factor, channels, int(x.shape[3])), tf.float32,
                                 initializer=layers.initializer(kernel_init, name))
        bias = tf.get_variable("bias", (channels,), tf.float32, initializer=tf.zeros_initializer())
    # The bias is added in float32: its gradient is a sum over every pixel.
    y = tf.cast(transposed(x, kernel, factor), tf.float32)
    return tf.nn.bias_add(y, tf.tile(bias, [factor * factor]))


def upsample(x, name, factor, learn=False):
    """Upsampling to blocks of every channel for itself, by a transposed convolution of size 2 * factor, stride factor.

    The kernel is bilinear; it is kept (the default of the published nets, lr_mult 0) or is where learning starts.
    Outside the map counts as zero, so scores fade over the outermost half stride.
    """
    if not learn:
        return bilinear(x, factor)
    channels, size = int(x.shape[3]), 2 * factor
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", (size, size, channels, channels), tf.float32,
                                 initializer=layers.initializer(bilinear_kernel, name))
    return transposed(x, kernel, factor)


def transposed(x, kernel, factor):
    """conv2d_transpose of (N, H, W, in) by a variable (2 factor, 2 factor, out, in), in the type of x.

    In blocks: (N, H + 1, W + 1, factor * factor * out).
    """
    convolution = layers.in_type(kernel, x, lambda k: as_convolution(k, factor))
    return layers.convolve_as_matmul(x, convolution, 1)


def as_convolution(kernel, factor):
    """(2 factor, 2 factor, out, in) -> (2, 2, in, factor * factor * out), a convolution that gives blocks.

    Of the two inputs that a block sees the first meets the kernel's second half: it lies a stride further back. (Halves
    are exchanged by tf.roll. As [::-1] this takes a tenth of a training step of the tutorial's net.)
    """
    channels, depth = (int(side) for side in kernel.shape[2:])
    halves = tf.reshape(tf.roll(kernel, (factor, factor), (0, 1)), (2, factor, 2, factor, channels, depth))
    return tf.reshape(tf.transpose(halves, (0, 2, 5, 1, 3, 4)), (2, 2, depth, factor * factor * channels))


def bilinear(x, factor):
    """Every channel of (N, H, W, C) enlarged for itself by bilinear interpolation: blocks (N, H + 1, W + 1, f * f * C).

    Outside the map counts as zero. A transposed convolution would do it with a kernel of C x C, nearly all of it zeros.
    """
    channels, seen = int(x.shape[3]), layers.windows(layers.padded(x, 1), 2)
    corners = tf.reshape(seen, tf.concat([tf.shape(seen)[:3], [4, channels]], 0))
    halves = np.roll(bilinear_2d(2 * factor), (factor, factor), (0, 1)).reshape(2, factor, 2, factor)
    weights = halves.transpose(1, 3, 0, 2).reshape(factor * factor, 4).astype(np.float32)
    y = tf.matmul(tf.constant(weights)[None, None, None], corners)
    return tf.reshape(y, tf.concat([tf.shape(seen)[:3], [factor * factor * channels]], 0))


def bilinear_kernel(shape, seed):
    """Kernel (size, size, channels, channels) that upsamples every channel for itself.

    It is made in the graph of its small parts: as a constant it would be megabytes.
    """
    return tf.constant(bilinear_2d(shape[0]), tf.float32)[:, :, None, None] * tf.eye(shape[2], shape[3])
