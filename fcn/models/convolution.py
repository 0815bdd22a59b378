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

from fcn.models import tf_compat, variables
from fcn.models.blocks import height_width, to_pixels
from fcn.models.published_nets import bilinear_2d
from fcn.models.tf_compat import tf

PRODUCT, CONV2D_TRANSPOSE = "product", "conv2d_transpose"
PRODUCT_GRADIENT = "FcnProduct"
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


def convolve(x, kernel, window):
    """Convolve x (N, H, W, in) with a kernel (size, size, in, out) of the same dtype, without bias."""
    as_product = window.size in (1, 7) and window.stride == window.dilation == 1
    return (convolve_as_matmul if as_product else convolve_as_conv2d)(x, kernel, window)


def convolve_as_conv2d(x, kernel, window):
    """Convolve with tf.nn.conv2d; arguments as in convolve()."""
    x, padding = tf_padding(x, window)
    if window.dilation == 1:
        return tf.nn.conv2d(x, kernel, window.stride, padding)
    return tf.nn.with_space_to_batch(  # on CPUs, tf.nn.conv2d with dilation has no gradient
        x, (window.dilation, window.dilation), padding, filter_shape=(window.size, window.size),
        op=lambda x, _, padding: tf.nn.conv2d(x, kernel, 1, padding))


def tf_padding(x, window):
    """Return (x, padding) for an operation of tf.nn. x is padded here if the window's padding is a number of px."""
    if window.padding in ("SAME", "VALID"):
        return x, window.padding
    if window.margin() == dataclasses.replace(window, padding="SAME").margin():
        return x, "SAME"
    return padded(x, window.margin()), "VALID"


def convolve_as_matmul(x, kernel, window):
    """Convolve as one matrix product, for stride 1 and kernels nearly as large as their input. See convolve().

    On a CPU, fc6 (7 x 7 on an input of about 7 x 7) takes less than half the time of conv2d (benchmarks/RESULTS.md).
    """
    size, _, depth, channels = (int(side) for side in kernel.shape)
    patches = windows(padded(x, window.margin()), size)
    y = product(tf.reshape(patches, (-1, size * size * depth)), tf.reshape(kernel, (-1, channels)))
    return tf.reshape(y, tf.concat([tf.shape(patches)[:3], [channels]], 0))


LARGE_KERNEL = 2**22  # numbers in a kernel from which product() turns its gradient (benchmarks/RESULTS.md)


def product(x, kernel):
    """Multiply x (rows, in) by kernel (in, out), with a faster gradient for few rows and a large kernel.

    In float32, the gradient to x is computed as (kernel dy')'. With the 49 or 98 rows of fc6, oneDNN needs about half
    the time for that (benchmarks/RESULTS.md, "autodiff"); with the many rows and small kernels of 1 x 1 convolutions,
    it would need two to four times as long. The gradient is registered once for the process: tf.custom_gradient would
    register one per call and keep its graph in memory for ever.
    """
    if kernel.shape.num_elements() < LARGE_KERNEL:
        return tf.matmul(x, kernel)
    with tf.get_default_graph().gradient_override_map({"MatMul": PRODUCT_GRADIENT}):
        return tf.matmul(x, kernel)


@tf.RegisterGradient(PRODUCT_GRADIENT)
def _product_gradient(op, dy):
    x, kernel = op.inputs
    if kernel.dtype == tf.float32:
        dx = tf.transpose(tf.matmul(kernel, dy, transpose_b=True))
    else:
        dx = tf.matmul(dy, kernel, transpose_b=True)
    return dx, tf.matmul(x, dy, transpose_a=True)


def windows(x, size):
    """Extract all size x size patches of (N, H, W, C): (N, H - size + 1, W - size + 1, size * size * C).

    A patch has the order of a kernel's axes. Columns are stacked first, then rows: 2 * size slices, not size * size.
    """
    height, width = (side - size + 1 for side in height_width(x))
    x = tf.concat([tf.slice(x, (0, 0, j, 0), tf.stack([-1, -1, width, -1])) for j in range(size)], axis=3)
    return tf.concat([tf.slice(x, (0, i, 0, 0), tf.stack([-1, height, -1, -1])) for i in range(size)], axis=3)


LEAST_UPCONVOLVED = 256  # channels from which upconvolve() is not conv2d_transpose on a CPU (benchmarks/RESULTS.md)


def upconvolve(x, kernel, scale=tf.identity):
    """Double the size of x (N, H, W, in) by a transposed convolution of stride 2, padding SAME: (N, 2 H, 2 W, out).

    kernel: variable (size, size, out, in). scale: function that changes the kernel's values first.
    """
    if implementation() == PRODUCT and int(kernel.shape[0]) == 3 and int(kernel.shape[2]) >= LEAST_UPCONVOLVED:
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
    y = _added_up(tf.reshape(y, tf.stack([-1, width, 3, 3, channels])))
    y = _added_up(tf.reshape(y, tf.stack([-1, height, 2 * width, 3, channels])))
    return tf.reshape(y, tf.stack([-1, 2 * height, 2 * width, channels]))


def _added_up(y):
    """Return (n, size, 2, ...): outputs along axis 1 of y, which are sums of the three numbers of each input in axis 3.

    The first and second numbers of input i belong to outputs 2 i and 2 i + 1, the third to output 2 i + 2.
    """
    first, second, third = tf.unstack(y, axis=3)
    third = tf.pad(third, ((0, 0), (1, 0), *[(0, 0)] * (third.shape.rank - 2)))[:, :-1]
    return tf.stack([first + third, second], axis=2)


MOST_UPSAMPLED = 128  # channels up to which convolve_upsampled() computes blocks on a CPU (benchmarks/RESULTS.md)


def convolve_upsampled(x, skip, kernel, scale=tf.identity):
    """Convolve, 3 x 3 with padding SAME, x repeated to twice its size and then `skip`, channel after channel.

    x: (N, H, W, C). skip: (N, 2 H, 2 W, S) or None. kernel: variable (3, 3, C + S, out). scale: function that changes
    the kernel's values first. Returns (N, 2 H, 2 W, out).

    CPUs compute the part of x at its own size: of the nine inputs of an output, at most four differ. With many channels
    the kernel is larger than its input, and rearranging it would take longer than that saves.
    """
    if implementation() == PRODUCT and int(kernel.shape[3]) <= MOST_UPSAMPLED:
        return convolve_upsampled_as_blocks(x, skip, kernel, scale)
    return convolve_upsampled_as_conv2d(x, skip, kernel, scale)


def convolve_upsampled_as_conv2d(x, skip, kernel, scale=tf.identity):
    """Compute it as it is written. See convolve_upsampled()."""
    height, width = height_width(x)
    x = tf.raw_ops.ResizeNearestNeighbor(images=x, size=tf.stack([2 * height, 2 * width]))
    x = x if skip is None else tf.concat([x, skip], axis=3)
    return tf.nn.conv2d(x, variables.in_type(kernel, x, scale), 1, "SAME")


def convolve_upsampled_as_blocks(x, skip, kernel, scale=tf.identity):
    """Compute the same from blocks of 2 x 2 outputs. See convolve_upsampled()."""
    depth, channels, (height, width) = int(x.shape[3]), int(kernel.shape[3]), height_width(x)
    blocks = variables.in_type(kernel, x, lambda k: as_convolution(repeated(scale(k)[:, :, :depth]), 2))
    y = to_pixels(convolve_as_conv2d(x, blocks, Window(2, padding=1)), 2)
    y = y[:, 1:1 + 2 * height, 1:1 + 2 * width]
    y.set_shape((None, None, None, channels))
    if skip is None:
        return y
    return y + tf.nn.conv2d(skip, variables.in_type(kernel, x, lambda k: scale(k)[:, :, depth:]), 1, "SAME")


def repeated(kernel):
    """Return the transposed kernel (4, 4, out, in) that repeats pixels 2 x 2 times and convolves them with `kernel`.

    kernel: (3, 3, in, out).
    """
    mirrored = tf.transpose(kernel, (0, 1, 3, 2))[::-1, ::-1]
    return tf.add_n([tf.pad(mirrored, ((i, 1 - i), (j, 1 - j), (0, 0), (0, 0))) for i in (0, 1) for j in (0, 1)])


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
