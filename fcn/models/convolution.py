"""Convolution and transposed convolution, each in two forms: TensorFlow's operation, and one matrix product.

GPUs run tf.nn.conv2d_transpose. CPUs run one matrix product, which is faster there (benchmarks/RESULTS.md): each block
of f x f pixels that a transposed convolution of size 2 f and stride f gives depends on 2 x 2 of its inputs alone. So it
is a 2 x 2 convolution to f * f * C channels: nothing is scattered, and its output lies block by block (blocks.py).
tests/models/test_convolution.py shows that both give the same numbers and gradients.

Sizes are those of the whole transposed convolution (padding VALID): n inputs give n + 1 blocks, of which SAME would cut
off half a block on either side. Input i reaches the blocks i and i + 1.
"""

import dataclasses

import numpy as np

from fcn.models import tf_compat, variables
from fcn.models.blocks import height_width
from fcn.models.published_nets import bilinear_2d
from fcn.models.tf_compat import tf

PRODUCT, CONV2D_TRANSPOSE = "product", "conv2d_transpose"
_CHOSEN = ("implementation of conv2d_transpose",)  # a graph's collection; its last entry counts


@dataclasses.dataclass(frozen=True)
class Window:
    """What a layer slides over its input: size x size pixels, `dilation` px from one to the next, in steps of `stride`.

    padding: "SAME" pads to ceil(n / stride) outputs of n inputs, with the odd pixel at the bottom and right, as
    TensorFlow and Keras do; "VALID" pads nothing; a number is so many px on every side. A dilation needs stride 1.
    """

    size: int
    stride: int = 1
    dilation: int = 1
    padding: str | int = "SAME"

    def margin(self):
        """Padding on every side in px, where it does not depend on the size of the input; None where it does."""
        reach = (self.size - 1) * self.dilation
        if self.padding == "VALID":
            return 0
        if self.padding != "SAME":
            return int(self.padding)
        return reach // 2 if self.stride == 1 and reach % 2 == 0 else None


def as_window(window):
    """A Window, or the Window of an int's size with stride 1 and padding SAME."""
    return window if isinstance(window, Window) else Window(window)


def convolve(x, kernel, window):
    """x (N, H, W, in) convolved by a kernel (size, size, in, out) in the type of x, without bias."""
    as_product = window.size in (1, 7) and window.stride == window.dilation == 1
    return (convolve_as_matmul if as_product else convolve_plainly)(x, kernel, window)


def convolve_plainly(x, kernel, window):
    x, padding = before_tf(x, window)
    if window.dilation == 1:
        return tf.nn.conv2d(x, kernel, window.stride, padding)
    return tf.nn.with_space_to_batch(  # the CPU has no gradient of tf.nn.conv2d with a dilation
        x, (window.dilation, window.dilation), padding, filter_shape=(window.size, window.size),
        op=lambda x, _, padding: tf.nn.conv2d(x, kernel, 1, padding))


def before_tf(x, window):
    """(x, padding) for an operation of tf.nn: x is padded here where the window's padding is a number of px."""
    if window.padding in ("SAME", "VALID"):
        return x, window.padding
    if window.margin() == dataclasses.replace(window, padding="SAME").margin():
        return x, "SAME"
    return padded(x, window.margin()), "VALID"


def convolve_as_matmul(x, kernel, window):
    """The same as one matrix product, for stride 1 and kernels that are nearly as large as what they slide over.

    On a CPU fc6 (7 x 7 over a map of about 7 x 7) takes less than half the time so (benchmarks/RESULTS.md).
    """
    size, _, depth, channels = (int(side) for side in kernel.shape)
    seen = windows(padded(x, window.margin()), size)
    y = product(tf.reshape(seen, (-1, size * size * depth)), tf.reshape(kernel, (-1, channels)))
    return tf.reshape(y, tf.concat([tf.shape(seen)[:3], [channels]], 0))


@tf.custom_gradient
def product(x, kernel):
    """x (rows, in) times kernel (in, out), where there are few rows and the kernel is large.

    In float32 the gradient to x is taken as (kernel dy')', for which oneDNN needs about half the time with the 49 or 98
    rows of fc6 (benchmarks/RESULTS.md, "autodiff").
    """
    def gradient(dy):
        if kernel.dtype == tf.float32:
            dx = tf.transpose(tf.matmul(kernel, dy, transpose_b=True))
        else:
            dx = tf.matmul(dy, kernel, transpose_b=True)
        return dx, tf.matmul(x, dy, transpose_a=True)
    return tf.matmul(x, kernel), gradient


def windows(x, size):
    """All size x size windows of (N, H, W, C): (N, H - size + 1, W - size + 1, size * size * C), as a kernel lies.

    First columns beside each other, then rows: 2 * size slices instead of size * size, and their gradients.
    """
    height, width = (side - size + 1 for side in height_width(x))
    x = tf.concat([tf.slice(x, (0, 0, j, 0), tf.stack([-1, -1, width, -1])) for j in range(size)], axis=3)
    return tf.concat([tf.slice(x, (0, i, 0, 0), tf.stack([-1, height, -1, -1])) for i in range(size)], axis=3)


def padded(x, pad, value=0):
    """x with `pad` px of a value on every side."""
    return tf.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=value)


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
