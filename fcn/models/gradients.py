"""Operations whose gradient is written out here, because it takes less time than the one that TensorFlow derives.

Each gradient is registered once for the process. tf.custom_gradient would register one per call and keep its graph in
memory for ever. benchmarks/RESULTS.md has the gains; tests/models/test_gradients.py compares them with TensorFlow's.
"""

from fcn.models import tf_compat
from fcn.models.tf_compat import tf

PRODUCT, CONV2D, BIAS, SILU, BATCH_NORM = "FcnProduct", "FcnConv2D", "FcnBias", "FcnSilu", "FcnBatchNorm"


def _instead_of(operation, name):
    """Operations of this type that are made inside have the gradient registered as `name`."""
    return tf.get_default_graph().gradient_override_map({operation: name})


def product(x, kernel):
    """Multiply x (rows, in) by kernel (in, out). In float32, the gradient to x is computed by tf.einsum.

    On CPUs, tf.matmul computes it with oneDNN, which takes about twice as long with few rows and a large kernel, as fc6
    has. tf.einsum does not use oneDNN.
    """
    with _instead_of("MatMul", PRODUCT):
        return tf.matmul(x, kernel)


@tf.RegisterGradient(PRODUCT)
def _product_gradient(op, dy):
    x, kernel = op.inputs
    is_float32 = kernel.dtype == tf.float32
    dx = tf.einsum("rc,kc->rk", dy, kernel) if is_float32 else tf.matmul(dy, kernel, transpose_b=True)
    return dx, tf.matmul(x, dy, transpose_a=True)


def conv2d(x, kernel, padding):
    """Convolve x (N, H, W, in) with kernel (size, size, in, out), stride 1. padding: "SAME" or "VALID".

    The gradient to the kernel is computed as size * size matrix products.
    """
    with _instead_of("Conv2D", CONV2D):
        return tf.nn.conv2d(x, kernel, 1, padding)


@tf.RegisterGradient(CONV2D)
def _conv2d_gradient(op, dy):
    x, kernel = op.inputs
    padding = op.get_attr("padding").decode()
    dx = tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(x), filter=kernel, out_backprop=dy, strides=[1, 1, 1, 1],
                                        padding=padding)
    return dx, kernel_gradient(x, dy, int(kernel.shape[0]), padding)


def kernel_gradient(x, dy, size, padding):
    """Return the gradient (size, size, in, out) of a convolution of stride 1, from its input x and that of its output.

    Both are padded to the same height and width and flattened to rows of pixels. The pixel that
    position (i, j) of the kernel multiplies for output row p is then row p + i * width + j. Each position needs one
    product of two ranges of rows, and no copy of them. Rows of the padding of dy are zero.
    """
    first = (size - 1) // 2 if padding == "SAME" else 0
    last = size - 1 - first if padding == "SAME" else 0
    depth, channels = int(x.shape[3]), int(dy.shape[3])
    x = tf.pad(x, ((0, 0), (first, last), (first, last), (0, 0)))
    dy = tf.pad(dy, ((0, 0), (0, size - 1), (0, size - 1), (0, 0)))
    width, pixels = tf.shape(x)[2], tf.reshape(x, (-1, depth))
    count = tf.shape(pixels)[0] - (size - 1) * (width + 1)
    wanted = tf.slice(tf.reshape(dy, (-1, channels)), (0, 0), tf.stack([count, -1]))
    parts = [tf.matmul(tf.slice(pixels, tf.stack([i * width + j, 0]), tf.stack([count, -1])), wanted, transpose_a=True)
             for i in range(size) for j in range(size)]
    return tf.reshape(tf.stack(parts), (size, size, depth, channels))


def bias_add(x, bias):
    """Add bias (C,) to x (N, H, W, C) of the same dtype. On a GPU, the gradient to the bias is a sum in float32.

    TensorFlow's kernel took a quarter of a step without determinism on an H100 (benchmarks/RESULTS.md).
    """
    if not tf_compat.has_gpu():
        return tf.nn.bias_add(x, bias)
    with _instead_of("BiasAdd", BIAS):
        return tf.nn.bias_add(x, bias)


@tf.RegisterGradient(BIAS)
def _bias_gradient(operation, dy):
    return dy, tf.cast(tf.reduce_sum(tf.cast(dy, tf.float32), (0, 1, 2)), dy.dtype)


def silu(x):
    """Return x sigmoid(x), also called swish (Ramachandran et al. 2017).

    The gradient reads the sigmoid and the output, which the next convolution keeps anyway. That of tf.nn.silu computes
    the sigmoid again.
    """
    with _instead_of("Mul", SILU):
        return x * tf.sigmoid(x)


@tf.RegisterGradient(SILU)
def _silu_gradient(operation, dy):
    sigmoid, y = operation.inputs[1], operation.outputs[0]
    return dy * (sigmoid + y * (1 - sigmoid)), None


_WORKERS = ("workers that synchronise batch normalisation",)


def synchronise(workers):
    """Let batch normalisation of the default graph use the batches of all workers, which must train in the same steps.

    workers: distributed.workers.Workers. To be called before the net is built.
    """
    tf.add_to_collection(_WORKERS, workers)


def synchronised():
    """The Workers of synchronise() in the default graph, None without."""
    return next(iter(tf.get_collection(_WORKERS)), None)


def batch_normalised(x, gamma, beta, mean, factor, training):
    """Return gamma (x - mean) factor + beta of float32 x (N, H, W, C).

    training: bool scalar tensor. If it is True, mean and factor, 1 / sqrt(variance + epsilon), must be those of x. The
    gradient that TensorFlow derives from tf.nn.moments passes over x more often.
    """
    scale = gamma * factor
    y = tf.stop_gradient(x * scale + (beta - mean * scale))
    with _instead_of("IdentityN", BATCH_NORM):
        return tf.raw_ops.IdentityN(input=[y, x, gamma, beta, mean, factor, tf.cast(training, tf.float32)])[0]


@tf.RegisterGradient(BATCH_NORM)
def _batch_norm_gradient(operation, dy, *_):
    """Ioffe & Szegedy (2015), section 3; without the derivatives of mean and variance when not `training`."""
    _, x, gamma, _, mean, factor, training = operation.inputs
    centered, axes = x - mean, (0, 1, 2)
    dbeta, dgamma = tf.reduce_sum(dy, axes), factor * tf.reduce_sum(dy * centered, axes)
    count, workers = tf.cast(tf.size(x) / tf.size(mean), tf.float32), synchronised()
    of_gamma, of_beta, count = workers.total([dgamma, dbeta, count]) if workers else (dgamma, dbeta, count)
    share = training / count
    dx = gamma * factor * (dy - centered * (share * factor * of_gamma) - share * of_beta)
    return None, dx, dgamma, dbeta, None, None, None
