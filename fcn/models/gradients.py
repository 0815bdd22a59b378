"""Operations whose gradient is written out here, because it takes less time than the one that TensorFlow derives.

Each gradient is registered once for the process. tf.custom_gradient would register one per call and keep its graph in
memory for ever. benchmarks/RESULTS.md has the gains; tests/models/test_gradients.py compares them with TensorFlow's.
"""

from fcn.models import tf_compat
from fcn.models.tf_compat import tf

PRODUCT, CONV2D, BIAS, SILU, BATCH_NORM = "FcnProduct", "FcnConv2D", "FcnBias", "FcnSilu", "FcnBatchNorm"
ENTROPY = "FcnCrossEntropy"
PIECES = 8  # of a large kernel


def _instead_of(operation, name):
    """Operations of this type that are made inside have the gradient registered as `name`."""
    return tf.get_default_graph().gradient_override_map({operation: name})


def product(x, kernel, has_few_rows=None):
    """Multiply x (rows, in) by a large kernel (in, out), faster than tf.matmul on CPUs.

    tf.matmul copies the kernel into another order first, which takes longer than a product with few rows, as in fc6.
    tf.einsum and products of several matrices do not copy it. has_few_rows: bool scalar, True if the sum of PIECES
    products, each of a piece of the kernel, takes less time. None: it never does. `in` must be divisible by PIECES.
    """
    y = tf.matmul(x, kernel) if has_few_rows is None else tf_compat.either(
        has_few_rows, _sum_of_pieces, lambda x, kernel: [tf.matmul(x, kernel)], x, kernel)[0]
    with _instead_of("IdentityN", PRODUCT):
        return tf.raw_ops.IdentityN(input=[tf.stop_gradient(y), x, kernel])[0]


def _sum_of_pieces(x, kernel):
    depth, channels = (int(side) for side in kernel.shape)
    rows = tf.transpose(tf.reshape(x, (-1, PIECES, depth // PIECES)), (1, 0, 2))
    return [tf.reduce_sum(tf.matmul(rows, tf.reshape(kernel, (PIECES, depth // PIECES, channels))), 0)]


@tf.RegisterGradient(PRODUCT)
def _product_gradient(op, dy, *_):
    _, x, kernel = op.inputs
    if kernel.dtype == tf.float32:
        return None, tf.einsum("rc,kc->rk", dy, kernel), tf.matmul(x, dy, transpose_a=True)
    # In bfloat16, transpose_a takes longer than tf.transpose. Grappler would turn one into the other, if there were no
    # tf.reshape between tf.transpose and tf.matmul.
    transposed = tf.reshape(tf.transpose(x[None], (0, 2, 1)), (int(kernel.shape[0]), -1))
    return None, tf.matmul(dy, kernel, transpose_b=True), tf.matmul(transposed, dy)


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


def bias_add(x, bias, is_first=False):
    """Add bias (C,) to x (N, H, W, C) of the same dtype. On a GPU, the gradient to the bias is a sum in float32.

    TensorFlow's kernel took a quarter of a step without determinism on an H100 (benchmarks/RESULTS.md). is_first: the
    gradient to the bias is computed before others that read the same gradient. TensorFlow may compute it at the end of
    the step, and keeps what it reads until then: 65 MB for the scores of 2 x 224 x 224 px and 151 classes.
    """
    if not (is_first or tf_compat.has_gpu()):
        return tf.nn.bias_add(x, bias)
    with _instead_of("BiasAdd", BIAS):
        return tf.nn.bias_add(x, bias)


@tf.RegisterGradient(BIAS)
def _bias_gradient(operation, dy):
    to_bias = tf.cast(tf.reduce_sum(tf.cast(dy, tf.float32), (0, 1, 2)), dy.dtype)
    with tf.control_dependencies([to_bias]):
        return tf.identity(dy), to_bias


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


def cross_entropy(logits, labels):
    """Return the softmax cross entropy of float32 logits (..., C) and int32 labels (...), in nats: float32 (...).

    On CPUs, tf.nn.sparse_softmax_cross_entropy_with_logits takes twice as long, since oneDNN computes tf.nn.softmax
    only. The logarithm of the sum of exp(logits) is max(logits) - log(max(softmax)).
    """
    if tf_compat.has_gpu():
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    constant = tf.stop_gradient(logits)
    probabilities, of_labels = tf.nn.softmax(constant), tf.gather(constant, labels, batch_dims=labels.shape.rank)
    losses = (tf.reduce_max(constant, -1) - of_labels) - tf.log(tf.reduce_max(probabilities, -1))
    with _instead_of("IdentityN", ENTROPY):
        return tf.raw_ops.IdentityN(input=[losses, logits, probabilities, labels])[0]


@tf.RegisterGradient(ENTROPY)
def _cross_entropy_gradient(operation, dy, *_):
    _, _, probabilities, labels = operation.inputs
    return None, (probabilities - tf.one_hot(labels, tf.shape(probabilities)[-1])) * dy[..., None], None, None


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
