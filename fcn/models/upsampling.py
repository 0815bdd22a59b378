"""The two implementations of layers.conv2d_transpose, a transposed convolution of size 2 f and stride f.

GPUs run tf.nn.conv2d_transpose. CPUs run one matrix product, which is faster there (benchmarks/RESULTS.md): each block
of f x f pixels that such a layer gives depends on 2 x 2 of its inputs alone. So it is a 2 x 2 convolution to f * f * C
channels: nothing is scattered, and its output lies block by block (blocks.py). tests/models/test_upsampling.py shows
that both give the same numbers and gradients.

Sizes are those of the whole convolution (padding VALID): n inputs give n + 1 blocks, of which SAME would cut off half a
block on either side. Input i reaches the blocks i and i + 1.
"""

import numpy as np

from fcn.models import tf_compat, variables
from fcn.models.blocks import height_width
from fcn.models.convolution import Window, convolve_as_matmul, padded, windows
from fcn.models.published_nets import bilinear_2d
from fcn.models.tf_compat import tf

PRODUCT, CONV2D_TRANSPOSE = "product", "conv2d_transpose"
_CHOSEN = ("implementation of conv2d_transpose",)  # a graph's collection; its last entry counts


def use_implementation(name):
    """Choose "product" or "conv2d_transpose" for layers that are built in the default graph from now on."""
    if name not in (PRODUCT, CONV2D_TRANSPOSE):
        raise ValueError(f"implementation {name!r} is neither {PRODUCT!r} nor {CONV2D_TRANSPOSE!r}")
    tf.add_to_collection(_CHOSEN, name)


def implementation():
    """The implementation that was chosen for the default graph, else that for the device of this process."""
    chosen = tf.get_collection(_CHOSEN)
    return chosen[-1] if chosen else CONV2D_TRANSPOSE if tf_compat.has_gpu() else PRODUCT


def transposed_plainly(x, kernel, stride):
    """tf.nn.conv2d_transpose of (N, H, W, in) by (2 stride, 2 stride, out, in), in the type of x.

    In pixels: (N, stride (H + 1), stride (W + 1), out).
    """
    shape, channels = tf.shape(x), int(kernel.shape[2])
    whole = tf.stack([shape[0], stride * (shape[1] + 1), stride * (shape[2] + 1), channels])
    y = tf.nn.conv2d_transpose(x, variables.in_type(kernel, x), whole, stride, "VALID")
    y.set_shape((None, None, None, channels))
    return y


def transposed_as_matmul(x, kernel, stride):
    """The same as one matrix product, in blocks: (N, H + 1, W + 1, stride * stride * out)."""
    convolution = variables.in_type(kernel, x, lambda k: as_convolution(k, stride))
    return convolve_as_matmul(x, convolution, Window(2, padding=1))


def as_convolution(kernel, stride):
    """(2 stride, 2 stride, out, in) -> (2, 2, in, stride * stride * out), a convolution that gives blocks.

    Of the two inputs that a block sees the first meets the kernel's second half: it lies a stride further back. (Halves
    are exchanged by tf.roll. As [::-1] this takes a tenth of a training step of the tutorial's net.)
    """
    channels, depth = (int(side) for side in kernel.shape[2:])
    halves = tf.reshape(tf.roll(kernel, (stride, stride), (0, 1)), (2, stride, 2, stride, channels, depth))
    return tf.reshape(tf.transpose(halves, (0, 2, 5, 1, 3, 4)), (2, 2, depth, stride * stride * channels))


def bilinear_plainly(x, stride):
    """Every channel of (N, H, W, C) enlarged for itself by bilinear interpolation.

    In pixels: (N, stride (H + 1), stride (W + 1), C). Outside the map counts as zero. Each channel is an image of one
    channel to tf.nn.conv2d_transpose: a kernel of C x C would be nearly all zeros, 0.4 GB of them with stride 32 and
    151 classes.
    """
    channels, (height, width) = int(x.shape[3]), height_width(x)
    images = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), tf.stack([-1, height, width, 1]))
    kernel = tf.constant(bilinear_2d(2 * stride)[:, :, None, None], tf.float32)
    y = transposed_plainly(images, kernel, stride)
    height, width = height_width(y)
    return tf.transpose(tf.reshape(y, tf.stack([-1, channels, height, width])), (0, 2, 3, 1))


def bilinear_as_matmul(x, stride):
    """The same as a product of 4 numbers for each pixel, in blocks: (N, H + 1, W + 1, stride * stride * C)."""
    channels, seen = int(x.shape[3]), windows(padded(x, 1), 2)
    corners = tf.reshape(seen, tf.concat([tf.shape(seen)[:3], [4, channels]], 0))
    halves = np.roll(bilinear_2d(2 * stride), (stride, stride), (0, 1)).reshape(2, stride, 2, stride)
    weights = halves.transpose(1, 3, 0, 2).reshape(stride * stride, 4).astype(np.float32)
    y = tf.matmul(tf.constant(weights, x.dtype)[None, None, None], corners)
    return tf.reshape(y, tf.concat([tf.shape(seen)[:3], [stride * stride * channels]], 0))


def bilinear_kernel(shape, seed):
    """Initialiser: a kernel (size, size, channels, channels) that upsamples every channel for itself.

    It is made in the graph of its small parts: as a constant it would be megabytes.
    """
    return tf.constant(bilinear_2d(shape[0]), tf.float32)[:, :, None, None] * tf.eye(shape[2], shape[3])
