"""Windows that slide over (N, H, W, C) tensors, and convolution in two forms: TensorFlow's, and one matrix product."""

import dataclasses

from fcn.models.blocks import height_width
from fcn.models.tf_compat import tf


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
