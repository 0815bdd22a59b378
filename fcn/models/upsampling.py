"""Upsampling by 2 with a learned 3 x 3 kernel, as decoders of U-Nets do, in several equal implementations.

upconvolve() is a transposed convolution. convolve_upsampled() repeats pixels and then convolves. GPUs run TensorFlow's
operations; on CPUs, other forms are faster for some numbers of channels (benchmarks/unet_convolutions.py).
tests/models/test_upsampling.py compares outputs and gradients.
"""

from fcn.models import variables
from fcn.models.blocks import height_width, to_pixels
from fcn.models.convolution import PRODUCT, Window, as_convolution, conv2d, convolve_as_conv2d, implementation
from fcn.models.tf_compat import tf

LEAST_CHANNELS = 256  # channels from which upconvolve() is not conv2d_transpose on a CPU (benchmarks/RESULTS.md)


def upconvolve(x, kernel, scale=tf.identity):
    """Double the size of x (N, H, W, in) by a transposed convolution of stride 2, padding SAME: (N, 2 H, 2 W, out).

    kernel: variable (size, size, out, in). scale: function that changes the kernel's values first.
    """
    if implementation() == PRODUCT and int(kernel.shape[0]) == 3 and int(kernel.shape[2]) >= LEAST_CHANNELS:
        return (upconvolve_as_convolutions if variables.are_final() else upconvolve_as_product)(x, kernel, scale)
    return upconvolve_as_conv2d_transpose(x, kernel, scale)


def upconvolve_as_conv2d_transpose(x, kernel, scale=tf.identity):
    """Compute it with TensorFlow's operation. See upconvolve()."""
    shape, channels = tf.shape(x), int(kernel.shape[2])
    whole = tf.stack([shape[0], 2 * shape[1], 2 * shape[2], channels])
    y = tf.nn.conv2d_transpose(x, variables.in_type(kernel, x, scale), whole, 2)
    y.set_shape((None, None, None, channels))
    return y


def upconvolve_as_convolutions(x, kernel, scale=tf.identity):
    """Compute it as four convolutions, for a kernel (3, 3, out, in). See upconvolve().

    Outputs of even rows and columns depend on 2 x 2 inputs, those of odd rows on one row, of odd columns on one column.
    The four kernels are parts of the kernel: best if they are computed once (variables.in_type).
    """
    def convolved(rows, columns):  # of the outputs: 0 for even, 1 for odd
        part = variables.in_type(kernel, x, lambda k: tf.transpose(scale(k), (0, 1, 3, 2))[
            _taps(rows), _taps(columns)][::-1, ::-1])
        return tf.nn.conv2d(tf.pad(x, ((0, 0), (1 - rows, 0), (1 - columns, 0), (0, 0))), part, 1, "VALID")

    rows = [tf.stack([convolved(row, column) for column in (0, 1)], axis=3) for row in (0, 1)]
    shape = tf.shape(x)
    return tf.reshape(tf.stack(rows, axis=2), tf.stack([shape[0], 2 * shape[1], 2 * shape[2], int(kernel.shape[2])]))


def _taps(odd):
    """Return the rows of a kernel (3, ...) on which outputs of odd, or even, rows depend."""
    return slice(1, 2) if odd else slice(0, 3, 2)


def upconvolve_as_product(x, kernel, scale=tf.identity):
    """Compute it as one matrix product, for a kernel (3, 3, out, in), which is not rearranged. See upconvolve()."""
    (height, width), (channels, depth) = height_width(x), (int(side) for side in kernel.shape[2:])
    y = tf.matmul(tf.reshape(x, (-1, depth)), tf.reshape(variables.in_type(kernel, x, scale), (-1, depth)),
                  transpose_b=True)
    y = _overlap_add(tf.reshape(y, tf.stack([-1, width, 3, 3, channels])))
    y = _overlap_add(tf.reshape(y, tf.stack([-1, height, 2 * width, 3, channels])))
    return tf.reshape(y, tf.stack([-1, 2 * height, 2 * width, channels]))


def _overlap_add(y):
    """Return (n, size, 2, ...): outputs along axis 1 of y, which are sums of the three numbers of each input in axis 3.

    The first and second numbers of input i belong to outputs 2 i and 2 i + 1, the third to output 2 i + 2.
    """
    first, second, third = tf.unstack(y, axis=3)
    third = tf.pad(third, ((0, 0), (1, 0), *[(0, 0)] * (third.shape.rank - 2)))[:, :-1]
    return tf.stack([first + third, second], axis=2)


MOST_CHANNELS = 128  # channels up to which convolve_upsampled() computes blocks on a CPU (benchmarks/RESULTS.md)


def convolve_upsampled(x, skip, kernel, scale=tf.identity):
    """Convolve, 3 x 3 with padding SAME, x repeated to twice its size and then `skip`, channel after channel.

    x: (N, H, W, C). skip: (N, 2 H, 2 W, S) or None. kernel: variable (3, 3, C + S, out). scale: function that changes
    the kernel's values first. Returns (N, 2 H, 2 W, out).

    CPUs compute the part of x at its own size: of the nine inputs of an output, at most four differ. With many channels
    the kernel is larger than its input, and rearranging it in every step would take longer than that saves.
    """
    if implementation() == PRODUCT and (int(kernel.shape[3]) <= MOST_CHANNELS or variables.are_final()):
        return convolve_upsampled_as_blocks(x, skip, kernel, scale)
    return convolve_upsampled_as_conv2d(x, skip, kernel, scale)


def convolve_upsampled_as_conv2d(x, skip, kernel, scale=tf.identity):
    """Compute it as it is written. See convolve_upsampled()."""
    height, width = height_width(x)
    x = tf.raw_ops.ResizeNearestNeighbor(images=x, size=tf.stack([2 * height, 2 * width]))
    x = x if skip is None else tf.concat([x, skip], axis=3)
    return conv2d(x, variables.in_type(kernel, x, scale), "SAME")


def convolve_upsampled_as_blocks(x, skip, kernel, scale=tf.identity):
    """Compute the same from blocks of 2 x 2 outputs. See convolve_upsampled()."""
    depth, channels, (height, width) = int(x.shape[3]), int(kernel.shape[3]), height_width(x)
    blocks = variables.in_type(kernel, x, lambda k: as_convolution(repeated(scale(k)[:, :, :depth]), 2))
    y = to_pixels(convolve_as_conv2d(x, blocks, Window(2, padding=1)), 2)
    y = tf.slice(y, (0, 1, 1, 0), tf.stack([-1, 2 * height, 2 * width, -1]))
    y.set_shape((None, None, None, channels))
    if skip is None:
        return y
    return y + conv2d(skip, variables.in_type(kernel, x, lambda k: scale(k)[:, :, depth:]), "SAME")


def repeated(kernel):
    """Return the transposed kernel (4, 4, out, in) that repeats pixels 2 x 2 times and convolves them with `kernel`.

    kernel: (3, 3, in, out).
    """
    mirrored = tf.transpose(kernel, (0, 1, 3, 2))[::-1, ::-1]
    return tf.add_n([tf.pad(mirrored, ((i, 1 - i), (j, 1 - j), (0, 0), (0, 0))) for i in (0, 1) for j in (0, 1)])
