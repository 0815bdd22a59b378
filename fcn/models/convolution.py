"""Convolution and transposed convolution, each in two implementations: TensorFlow's operation and one matrix product.

GPUs run tf.nn.conv2d_transpose. CPUs run one matrix product, which is faster there (benchmarks/RESULTS.md). Each block
of f x f output pixels of a transposed convolution with size 2 f and stride f depends on 2 x 2 inputs only. It therefore
equals a 2 x 2 convolution to f * f * C channels, whose output is stored block by block (blocks.py).
tests/models/test_convolution.py compares outputs and gradients.

Sizes are those of padding VALID: n inputs give n + 1 blocks, and input i contributes to blocks i and i + 1. Padding
SAME would crop half a block on either side.
"""

import dataclasses

import numpy as np

from fcn.core import machine
from fcn.models import gradients, tf_compat, variables, winograd
from fcn.models.blocks import height_width
from fcn.models.published_nets import bilinear_2d
from fcn.models.tf_compat import tf

PRODUCT, CONV2D_TRANSPOSE = "product", "conv2d_transpose"
_CHOSEN = ("implementation of conv2d_transpose",)  # key of a graph collection; its last entry is used


@dataclasses.dataclass(frozen=True)
class Window:
    """Sliding window of a layer: size x size pixels, `dilation` px apart, moved by `stride`.

    padding: "SAME" pads n inputs to ceil(n / stride) outputs, with the odd pixel at the bottom and right, as TensorFlow
    and Keras do. "VALID" pads nothing. An int pads that many px on every side. Dilation above 1 requires stride 1.
    """

    size: int
    stride: int = 1
    dilation: int = 1
    padding: str | int = "SAME"

    def margin(self):
        """Return the padding on every side in px, or None if it depends on the size of the input."""
        reach = (self.size - 1) * self.dilation
        if self.padding == "VALID":
            return 0
        if self.padding != "SAME":
            return int(self.padding)
        return reach // 2 if self.stride == 1 and reach % 2 == 0 else None


def as_window(window):
    """Return a Window unchanged; an int becomes a Window of that size with stride 1 and padding SAME."""
    return window if isinstance(window, Window) else Window(window)


def convolve(x, variable, window, scale=tf.identity):
    """Convolve x (N, H, W, in) with a variable (size, size, in, out) in the dtype of x, without bias.

    scale: function that changes the variable's values, such as the factors of batch normalisation.
    """
    as_product = window.size in (1, 7) and window.stride == window.dilation == 1
    if as_product and _is_kept_transposed(x, variable):
        shape = variable.shape
        kernel = variables.in_type(variable, x, lambda k: tf.transpose(tf.reshape(scale(k), (-1, int(shape[3])))))
        return _of_patches(x, shape, window, lambda rows, _: tf.matmul(rows, kernel, transpose_b=True))
    kernel = variables.in_type(variable, x, scale)
    return (convolve_as_matmul if as_product else convolve_as_conv2d)(x, kernel, window)


def convolve_as_conv2d(x, kernel, window):
    """Convolve with tf.nn.conv2d. kernel: (size, size, in, out) in the dtype of x. See convolve()."""
    x, padding = tf_padding(x, window)
    if window.dilation == 1:
        return conv2d(x, kernel, padding, window.stride)
    return tf.nn.with_space_to_batch(  # on CPUs, tf.nn.conv2d with dilation has no gradient
        x, (window.dilation, window.dilation), padding, filter_shape=(window.size, window.size),
        op=lambda x, _, padding: tf.nn.conv2d(x, kernel, 1, padding))


# Channels of a 3 x 3 convolution, on the narrower and the wider side, from which winograd.py is used. 128 and 128 are
# faster too, but then conv2 of VGG needs more memory for the prediction of a page than conv1.
LEAST_WINOGRAD = 128, 256
LEAST_DEPTH, MOST_CHANNELS = 16, 256  # of kernels whose gradient conv2d() computes in products (benchmarks/RESULTS.md)


def conv2d(x, kernel, padding, stride=1):
    """tf.nn.conv2d of x (N, H, W, in) with a kernel (size, size, in, out). padding: "SAME" or "VALID".

    In float32 on CPUs with AVX-512, large 3 x 3 convolutions need fewer multiplications (winograd.py), except in graphs
    for export, which select their implementation. On CPUs without AVX-512, the gradient to a kernel of some sizes is
    computed as matrix products.
    """
    size, _, depth, channels = (int(side) for side in kernel.shape)
    if x.dtype != tf.float32 or size == 1 or stride != 1 or implementation() != PRODUCT:
        return tf.nn.conv2d(x, kernel, stride, padding)
    if "avx512f" in machine.instructions():
        is_wide = min(depth, channels) >= LEAST_WINOGRAD[0] and max(depth, channels) >= LEAST_WINOGRAD[1]
        if size == winograd.SIZE and is_wide and padding == "SAME" and not _is_for_export():
            return winograd.convolve(x, kernel)
    elif depth >= LEAST_DEPTH and channels <= MOST_CHANNELS and not variables.are_final():
        return gradients.conv2d(x, kernel, padding)
    return tf.nn.conv2d(x, kernel, stride, padding)


def tf_padding(x, window):
    """Return (x, padding) for an operation of tf.nn. x is padded here if the window's padding is a number of px."""
    if window.padding in ("SAME", "VALID"):
        return x, window.padding
    if window.margin() == dataclasses.replace(window, padding="SAME").margin():
        return x, "SAME"
    return padded(x, window.margin()), "VALID"


def convolve_as_matmul(x, kernel, window):
    """Convolve as one matrix product, for stride 1 and kernels nearly as large as their input.

    kernel: (size, size, in, out) in the dtype of x. On a CPU, fc6 (7 x 7 on an input of about 7 x 7) takes less than
    half the time of conv2d (benchmarks/RESULTS.md).
    """
    rows = tf.reshape(kernel, (-1, int(kernel.shape[3])))
    return _of_patches(x, kernel.shape, window, lambda patches, pixels: product(patches, rows, pixels))


def _of_patches(x, shape, window, multiply):
    """Convolve x with a kernel of this shape by multiply(patches (rows, size * size * in), rows of one image)."""
    size, _, depth, channels = (int(side) for side in shape)
    patches = windows(padded(x, window.margin()), size)
    y = multiply(tf.reshape(patches, (-1, size * size * depth)), tf.reduce_prod(tf.shape(patches)[1:3]))
    return tf.reshape(y, tf.concat([tf.shape(patches)[:3], [channels]], 0))


LARGE_KERNEL = 2**22  # numbers in a kernel from which products are computed in another way (benchmarks/RESULTS.md)
FEW_PIXELS = 128      # of an image; with more, large kernels are multiplied in one piece


def _is_large(depth, channels):
    """Return whether a kernel (depth, channels) is one of those that take long to read: fc6 and fc7."""
    return depth * channels >= LARGE_KERNEL and depth >= channels and not _is_for_export()


def _is_kept_transposed(x, variable):
    """Return whether final weights are kept as (out, size * size * in).

    oneDNN multiplies this form without copying it into another order first. In float32 that would need memory for a
    second form of the variable, and is as fast as the pieces of product().
    """
    size, _, depth, channels = (int(side) for side in variable.shape)
    return (variables.are_final() and x.dtype != tf.float32 and implementation() == PRODUCT
            and _is_large(size * size * depth, channels))


def product(x, kernel, pixels):
    """Multiply x (rows, in) by kernel (in, out). pixels: rows of one image, int32 scalar.

    Large kernels with more inputs than outputs, fc6 and fc7, are multiplied faster. In which way depends on an image's
    own size, so that it has the same scores in batches of any size.
    """
    depth, channels = (int(side) for side in kernel.shape)
    if not _is_large(depth, channels):
        return tf.matmul(x, kernel)
    is_exact = x.dtype == tf.float32  # a sum of products that are rounded to bfloat16 has a larger error
    in_pieces = is_exact and depth % gradients.PIECES == 0 and implementation() == PRODUCT
    return gradients.product(x, kernel, pixels <= FEW_PIXELS if in_pieces else None)


def windows(x, size):
    """Extract all size x size patches of (N, H, W, C): (N, H - size + 1, W - size + 1, size * size * C).

    A patch has the order of a kernel's axes. Columns are stacked first, then rows: 2 * size slices, not size * size.
    """
    height, width = (side - size + 1 for side in height_width(x))
    x = tf.concat([tf.slice(x, (0, 0, j, 0), tf.stack([-1, -1, width, -1])) for j in range(size)], axis=3)
    return tf.concat([tf.slice(x, (0, i, 0, 0), tf.stack([-1, height, -1, -1])) for i in range(size)], axis=3)


def padded(x, pad, value=0):
    """Pad x (N, H, W, C) by `pad` px of `value` on every side."""
    return tf.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=value)


def use_implementation(name):
    """Select "product" or "conv2d_transpose" for layers built later in the default graph. Raises ValueError."""
    if name not in (PRODUCT, CONV2D_TRANSPOSE):
        raise ValueError(f"implementation {name!r} is neither {PRODUCT!r} nor {CONV2D_TRANSPOSE!r}")
    tf.add_to_collection(_CHOSEN, name)


def implementation():
    """Return the implementation selected for the default graph, else the one for this process's device."""
    chosen = tf.get_collection(_CHOSEN)
    return chosen[-1] if chosen else CONV2D_TRANSPOSE if tf_compat.has_gpu() else PRODUCT


def _is_for_export():
    """Return whether the default graph has a selected implementation, as those for export have."""
    return bool(tf.get_collection(_CHOSEN))


def transposed_as_conv2d_transpose(x, kernel, stride):
    """Apply tf.nn.conv2d_transpose to x (N, H, W, in) with a kernel (2 stride, 2 stride, out, in), in the dtype of x.

    Returns pixels: (N, stride (H + 1), stride (W + 1), out).
    """
    shape, channels = tf.shape(x), int(kernel.shape[2])
    whole = tf.stack([shape[0], stride * (shape[1] + 1), stride * (shape[2] + 1), channels])
    y = tf.nn.conv2d_transpose(x, variables.in_type(kernel, x), whole, stride, "VALID")
    y.set_shape((None, None, None, channels))
    return y


def transposed_as_matmul(x, kernel, stride):
    """Compute the same as one matrix product. Returns blocks: (N, H + 1, W + 1, stride * stride * out)."""
    convolution = variables.in_type(kernel, x, lambda k: as_convolution(k, stride))
    return convolve_as_matmul(x, convolution, Window(2, padding=1))


def as_convolution(kernel, stride):
    """Rearrange a transposed kernel (2 stride, 2 stride, out, in) to a convolution kernel that computes blocks.

    Returns (2, 2, in, stride * stride * out). Of the two inputs of a block, the first is multiplied by the second half
    of the kernel, so the halves are swapped. tf.roll does this; [::-1] takes a tenth of a training step of
    fcn8s_tutorial.
    """
    channels, depth = (int(side) for side in kernel.shape[2:])
    halves = tf.reshape(tf.roll(kernel, (stride, stride), (0, 1)), (2, stride, 2, stride, channels, depth))
    return tf.reshape(tf.transpose(halves, (0, 2, 5, 1, 3, 4)), (2, 2, depth, stride * stride * channels))


def bilinear_as_conv2d_transpose(x, stride):
    """Upsample each channel of (N, H, W, C) by bilinear interpolation, with zeros outside the input.

    Returns pixels: (N, stride (H + 1), stride (W + 1), C). tf.nn.conv2d_transpose gets each channel as an image with
    one channel. A C x C kernel would be nearly all zeros; for stride 32 and 151 classes it would take 0.4 GB.
    """
    channels, (height, width) = int(x.shape[3]), height_width(x)
    images = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), tf.stack([-1, height, width, 1]))
    kernel = tf.constant(bilinear_2d(2 * stride)[:, :, None, None], tf.float32)
    y = transposed_as_conv2d_transpose(images, kernel, stride)
    height, width = height_width(y)
    return tf.transpose(tf.reshape(y, tf.stack([-1, channels, height, width])), (0, 2, 3, 1))


def bilinear_as_matmul(x, stride):
    """Compute the same as products of 4 numbers per pixel. Returns blocks: (N, H + 1, W + 1, stride * stride * C)."""
    channels, patches = int(x.shape[3]), windows(padded(x, 1), 2)
    corners = tf.reshape(patches, tf.concat([tf.shape(patches)[:3], [4, channels]], 0))
    halves = np.roll(bilinear_2d(2 * stride), (stride, stride), (0, 1)).reshape(2, stride, 2, stride)
    weights = halves.transpose(1, 3, 0, 2).reshape(stride * stride, 4).astype(np.float32)
    y = tf.matmul(tf.constant(weights, x.dtype)[None, None, None], corners)
    return tf.reshape(y, tf.concat([tf.shape(patches)[:3], [stride * stride * channels]], 0))


def bilinear_kernel(shape, seed):
    """Initialiser of a kernel (size, size, channels, channels) that upsamples each channel by itself.

    The graph computes it from small constants; as one constant it would take megabytes.
    """
    return tf.constant(bilinear_2d(shape[0]), tf.float32)[:, :, None, None] * tf.eye(shape[2], shape[3])
