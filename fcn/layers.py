"""The few layers of these nets, on bare tf.nn and get_variable.

Tensors are (N, height, width, channels). A convolution computes in the type of its input (float32 or bfloat16);
its kernel and bias are float32 variables <name>/kernel (height, width, in, out) and <name>/bias (out,).
"""

import math
import zlib

from fcn.tf1 import tf

_PREPARED = "weights are final"  # a graph's collection, with something in it or not

def conv(x, name, size, channels, kernel_init=None, pad=None):
    """size x size convolution, stride 1, with bias, of x padded by `pad` px of zeros on every side (default: SAME).

    kernel_init(shape, seed) -> tensor (default: He's).
    """
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", (size, size, int(x.shape[3]), channels), tf.float32,
                                 initializer=initializer(kernel_init or he, name))
        bias = tf.get_variable("bias", (channels,), tf.float32, initializer=tf.zeros_initializer())
    convolve = convolve_as_matmul if size in (1, 7) else convolve_plainly
    y = convolve(x, in_type(kernel, x), size // 2 if pad is None else pad)
    return tf.nn.bias_add(y, tf.cast(bias, x.dtype))


def in_type(variable, x, arrange=tf.identity):
    """arrange(the variable in the type of x), as its layer uses it. A step of training makes it anew.

    Where weights are final (keep_prepared) it is made once and kept, in a local variable: run
    tf.local_variables_initializer() after the weights are in.
    """
    is_as_used = variable.dtype.base_dtype == x.dtype and arrange is tf.identity
    if is_as_used or not tf.get_collection(_PREPARED):
        return arrange(tf.cast(variable, x.dtype))
    kept = tf.Variable(lambda: arrange(tf.cast(variable, x.dtype)), trainable=False, dtype=x.dtype,
                       collections=[tf.GraphKeys.LOCAL_VARIABLES], name="prepared")
    return kept.read_value()


def keep_prepared():
    """Weights are final in the default graph: what its layers make of them is made once, not for every image."""
    tf.add_to_collection(_PREPARED, True)


def convolve_plainly(x, kernel, pad):
    if 2 * pad + 1 == int(kernel.shape[0]):
        return tf.nn.conv2d(x, kernel, 1, "SAME")
    return tf.nn.conv2d(padded(x, pad), kernel, 1, "VALID")


def convolve_as_matmul(x, kernel, pad):
    """The same as one matrix product, for kernels that are nearly as large as what they slide over.

    On a CPU fc6 (7 x 7 over a map of about 7 x 7) takes less than half the time so (benchmarks/RESULTS.md).
    """
    size, _, depth, channels = (int(side) for side in kernel.shape)
    seen = windows(padded(x, pad), size)
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


def padded(x, pad):
    return tf.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))


def max_pool(x):
    """2 x 2 maximum, stride 2; an odd last row or column is pooled alone, so sizes are rounded up."""
    return tf.nn.max_pool2d(x, 2, 2, "SAME")


def avg_pool(x):
    """2 x 2 average, stride 2, of an odd last row or column alone where there is one: sizes are rounded up."""
    return tf.nn.avg_pool2d(x, 2, 2, "SAME")


def cut(x, height_width, offset=0):
    """The height x width pixels of x from row and column `offset` on."""
    y = x[:, offset:offset + height_width[0], offset:offset + height_width[1]]
    y.set_shape((None, None, None, int(x.shape[3])))
    return y


def dropout(x, keep_prob, seed):
    """Zero activations with probability 1 - keep_prob and scale up the others; seed int32 (2,) decides which.

    Without a keep_prob, None, there is no dropout in the graph at all.
    """
    if keep_prob is None:
        return x
    kept = tf.random.stateless_uniform(tf.shape(x), seed) < keep_prob
    return tf.where(kept, x / tf.cast(keep_prob, x.dtype), tf.zeros_like(x))


def height_width(x):
    shape = tf.shape(x)
    return shape[1], shape[2]


def zeros(shape, seed):
    return tf.zeros(shape)


def he(shape, seed):
    """Normal with variance 2 / fan-in (He et al. 2015), cut at two standard deviations."""
    return truncated_normal(math.sqrt(2 / math.prod(shape[:3])))(shape, seed)


def truncated_normal(stddev):
    """Initialiser: normal with this standard deviation, cut at two of them."""
    def draw(shape, seed):
        return tf.random.stateless_truncated_normal(shape, seed, stddev=stddev)
    return draw


def initializer(function, name):
    """`function(shape, seed)` as get_variable wants it; the seed is made of the run's seed and the layer's name."""
    def make(shape, dtype=None, partition_info=None):
        seed = tf.stack([run_seed(), zlib.crc32(name.encode()) & 0x7FFFFFFF])
        return function([int(side) for side in shape], seed)
    return make


def run_seed():
    """The graph's own seed as set by tf.set_random_seed, or 0."""
    return tf.get_default_graph().seed or 0
