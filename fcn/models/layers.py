"""Layers for encoders and decoders, on top of tf.nn and tf.get_variable.

Tensors are (N, height, width, channels). A layer computes in the dtype of its input, float32, bfloat16 or float16. Its
variables are float32, named <name>/kernel and <name>/bias; batch_norm has <name>/gamma, beta, moving_mean and
moving_variance.
`window` is a Window(size, stride, dilation, padding) or an int, its size:

    x = conv(x, "stem", Window(3, stride=2), 48, bias=False)
    x = tf.nn.relu(batch_norm(x, "stem_bn", training))
    x = conv2d_transpose(x, "upscore2", stride=2).crop(layers.height_width(pool4), 1).pixels()
"""

from fcn.models import convolution, gradients, upsampling
from fcn.models.blocks import Blocks, cut, height_width
from fcn.models.convolution import Window, as_window, bilinear_kernel, convolve, padded, tf_padding, use_implementation
from fcn.models.gradients import silu
from fcn.models.tf_compat import tf
from fcn.models.variables import (
    add_change,
    are_final,
    glorot_uniform,
    he,
    he_uniform,
    in_type,
    initializer,
    keep_prepared,
    normal,
    truncated_normal,
    zeros,
)

__all__ = ["FIXED_BILINEAR", "Window", "avg_pool", "batch_norm", "bilinear_kernel", "conv", "conv2d_transpose", "cut",
           "depthwise_conv", "dropout", "freeze", "glorot_uniform", "he", "he_uniform", "height_width", "keep_prepared",
           "max_pool", "normal", "silu", "stochastic_depth", "truncated_normal", "upconv", "upsampled_conv",
           "use_implementation", "zeros"]

FIXED_BILINEAR = "fixed bilinear"
HALF = Window(2, stride=2)  # an odd last row or column is pooled alone, so sizes are rounded up


def conv(x, name, window, channels, kernel_init=None, *, bias=True):
    """Convolution of x (N, H, W, in) to (N, H', W', channels).

    Variables: <name>/kernel (size, size, in, channels) and <name>/bias (channels,), initialised to 0. window: Window or
    size. kernel_init: function (shape, seed) -> tensor; default: He initialisation.
    """
    window = as_window(window)
    shape = (window.size, window.size, int(x.shape[3]), channels)
    with tf.variable_scope(name):
        kernel = _kernel(shape, kernel_init or he, name)
        offset = _bias(channels) if bias else None
    return _scalable(x, lambda scale: convolve(x, kernel, window, scale), offset, (1, 1, 1, channels))


def depthwise_conv(x, name, window, kernel_init=None, *, bias=True):
    """Depthwise convolution. Variables: <name>/kernel (size, size, channels, 1), <name>/bias (channels,).

    Other arguments as in conv().
    """
    window, channels = as_window(window), int(x.shape[3])
    with tf.variable_scope(name):
        kernel = _kernel((window.size, window.size, channels, 1), kernel_init or _he_depthwise, name)
        offset = _bias(channels) if bias else None
    x, padding = tf_padding(x, window)
    return _scalable(x, lambda scale: tf.nn.depthwise_conv2d(
        x, in_type(kernel, x, scale), (1, window.stride, window.stride, 1), padding,
        dilations=(window.dilation, window.dilation)), offset, (1, 1, channels, 1))


def conv2d_transpose(x, name, stride, channels=None, kernel_init=FIXED_BILINEAR, *, bias=False):
    """Upsample by a transposed convolution of size 2 * stride. Returns Blocks, stride (H + 1) x stride (W + 1) px.

    This is the full output, padding VALID. Crop it with .crop(height_width, offset); offset stride // 2 corresponds to
    padding SAME. The input is zero outside its borders.

    kernel_init: FIXED_BILINEAR interpolates each channel by itself and creates no variable (the default of the
    published
        nets, lr_mult 0). An initialiser such as bilinear_kernel creates <name>/kernel (2 stride, 2 stride, out, in).
    channels: output channels; default: as many as the input has.
    bias: add <name>/bias (out,). The result is float32 then, because the bias's gradient sums over all pixels; else it
        has the dtype of x.

    GPUs use tf.nn.conv2d_transpose, CPUs one matrix product (convolution.py). use_implementation() overrides that.
    """
    channels, as_product = channels or int(x.shape[3]), convolution.implementation() == convolution.PRODUCT
    with tf.variable_scope(name):
        if kernel_init != FIXED_BILINEAR:
            kernel = _kernel((2 * stride, 2 * stride, channels, int(x.shape[3])), kernel_init, name)
        offset = _bias(channels) if bias else None
    if kernel_init == FIXED_BILINEAR:
        bilinear = convolution.bilinear_as_matmul if as_product else convolution.bilinear_as_conv2d_transpose
        y = bilinear(x, stride)
    elif as_product:
        y = convolution.transposed_as_matmul(x, kernel, stride)
    else:
        y = convolution.transposed_as_conv2d_transpose(x, kernel, stride)
    factor = stride if as_product else 1
    if offset is not None:
        y = gradients.bias_add(tf.cast(y, tf.float32), tf.tile(offset, [factor * factor]), is_first=True)
    height, width = height_width(x)
    return Blocks(y, factor, channels, 0, (stride * (height + 1), stride * (width + 1)))


def upconv(x, name, size, channels, kernel_init, *, bias=False):
    """Double the size of x (N, H, W, in) by a learned transposed convolution, padding SAME: (N, 2 H, 2 W, channels).

    Variables: <name>/kernel (size, size, channels, in), as in Keras, and <name>/bias. size: 3 or 4. Computes in the
    dtype of x.
    """
    with tf.variable_scope(name):
        kernel = _kernel((size, size, channels, int(x.shape[3])), kernel_init, name)
        offset = _bias(channels) if bias else None
    return _scalable(x, lambda scale: upsampling.upconvolve(x, kernel, scale), offset, (1, 1, channels, 1))


def upsampled_conv(x, name, channels, kernel_init, skip=None):
    """Repeat every pixel of x (N, H, W, in) 2 x 2 times, append `skip`, and convolve: (N, 2 H, 2 W, channels).

    skip: (N, 2 H, 2 W, S) or None. Variable: <name>/kernel (3, 3, in + S, channels). Padding is SAME.
    """
    depth = int(x.shape[3]) + (0 if skip is None else int(skip.shape[3]))
    with tf.variable_scope(name):
        kernel = _kernel((3, 3, depth, channels), kernel_init, name)
    return _scalable(x, lambda scale: upsampling.convolve_upsampled(x, skip, kernel, scale), None, (1, 1, 1, channels))


_SCALABLE = ("convolutions that can be scaled",)  # key of a graph collection


def _scalable(x, convolved, offset, shape):
    """Return convolved(tf.identity) plus `offset`, the output of a convolution of x.

    convolved: function of a function that changes the kernel's values. offset: bias, or None. shape: of a number for
    each output channel, so that it can be multiplied with the kernel. If the weights are final, batch_norm() of the
    output builds the convolution again, with its own factors in the kernel.
    """
    y = convolved(tf.identity)
    y = y if offset is None else gradients.bias_add(y, tf.cast(offset, x.dtype))
    if are_final():
        tf.add_to_collection(_SCALABLE, (y.ref(), convolved, offset, shape))
    return y


def _scaled(y, factors, shift):
    """Return factors() * y + shift() of the output of a convolution, computed by scaling its kernel; None for others.

    factors, shift: functions without arguments that return float32 (channels,).
    """
    found = [rest for ref, *rest in tf.get_collection(_SCALABLE) if ref == y.ref()]
    if not found:
        return None
    convolved, offset, shape = found[0]
    scaled = convolved(lambda kernel: kernel * tf.cast(tf.reshape(factors(), shape), kernel.dtype))
    total = tf.Variable(lambda: shift() if offset is None else shift() + factors() * offset, trainable=False,
                        dtype=tf.float32, collections=[tf.GraphKeys.LOCAL_VARIABLES], name="prepared")
    return tf.nn.bias_add(scaled, tf.cast(total.read_value(), y.dtype))


_FROZEN = ("frozen layers",)  # key of a graph collection


def freeze(names, during=True):
    """Declare layers of the default graph frozen, by name, before they are built.

    Their batch normalisation uses its moving averages in training too, and does not update them, as Keras does with
    trainable = False. during: a bool scalar tensor, for layers that are frozen only while it is True.
    """
    for name in names:
        tf.add_to_collection(_FROZEN, (name, during))


def _is_trained(name, training):
    """Return `training` of the layer `name`: False if it is frozen."""
    during = dict(tf.get_collection(_FROZEN)).get(name, False)
    if during is True or training is False:
        return False
    return training if during is False else tf.logical_and(training, tf.logical_not(during))


def batch_norm(x, name, training, momentum=0.99, epsilon=1e-3):
    """Batch normalisation (Ioffe & Szegedy 2015) of (N, H, W, C), with the defaults of Keras.

    y = gamma (x - mean) / sqrt(variance + epsilon) + beta, computed in float32. training: bool or scalar bool tensor.
    True: mean and variance of the batch (of the batches of all workers, after gradients.synchronise());
    weight_update.build changes the moving averages with every batch of a step (variables.add_change). False: the
    moving averages, which are saved variables but not trained.
    """
    channels = int(x.shape[3])
    with tf.variable_scope(name) as scope:
        training = _is_trained(scope.name, training)
        gamma, beta, moving_mean, moving_variance = (
            tf.get_variable(part, (channels,), tf.float32, initializer=start(), trainable=not part.startswith("moving"))
            for part, start in (("gamma", tf.ones_initializer), ("beta", tf.zeros_initializer),
                                ("moving_mean", tf.zeros_initializer), ("moving_variance", tf.ones_initializer)))
    if training is False:
        return _normalised(x, gamma, beta, moving_mean, moving_variance, epsilon)
    wide = tf.cast(x, tf.float32)
    batch_mean, batch_variance = _moments(wide, training)
    if not tf.get_variable_scope().reuse:  # not again in the recomputation of checkpointed()
        for moving, value in ((moving_mean, batch_mean), (moving_variance, batch_variance)):
            add_change(moving, tf.where_v2(training, value - moving, 0.0), momentum)
    mean, variance = (tf.where_v2(training, *pair)
                      for pair in ((batch_mean, moving_mean), (batch_variance, moving_variance)))
    factor = tf.math.rsqrt(variance + epsilon)
    return tf.cast(gradients.batch_normalised(wide, gamma, beta, mean, factor, training), x.dtype)


def _moments(x, training):
    """Return (mean, variance) of each channel of x, float32 (N, H, W, C); of that of all workers if `training`."""
    workers = gradients.synchronised()
    if workers is None:
        return tf.nn.moments(x, (0, 1, 2))

    def of_all():
        mean, variance = tf.nn.moments(x, (0, 1, 2))
        count = tf.cast(tf.size(x) / tf.size(mean), tf.float32)
        rows, = workers.total([workers.at_own_place(tf.concat([mean, variance, count[None]], 0))])
        means, variances, counts = tf.split(rows, [mean.shape[0], mean.shape[0], 1], axis=1)
        shares = counts / tf.reduce_sum(counts)
        mean = tf.reduce_sum(shares * means, 0)  # Chan et al. 1979: no difference of large squares
        return mean, tf.reduce_sum(shares * (variances + tf.square(means - mean)), 0)

    return tf.cond(tf.convert_to_tensor(training), of_all, lambda: tf.nn.moments(x, (0, 1, 2)))


def _normalised(x, gamma, beta, mean, variance, epsilon):
    """Return gamma (x - mean) / sqrt(variance + epsilon) + beta, with float32 (C,) numbers that do not depend on x.

    If the weights are final, the kernel of the convolution before it is scaled instead. Else it is one operation of
    TensorFlow, which raises an epsilon below 1.001e-5 to that value.
    """
    def factors():
        return gamma * tf.math.rsqrt(variance + epsilon)

    scaled = _scaled(x, factors, lambda: beta - mean * factors()) if are_final() else None
    if scaled is not None:
        return scaled
    return tf.nn.fused_batch_norm(x, gamma, beta, mean, variance, epsilon, is_training=False)[0]


def max_pool(x, window=HALF):
    """Max pool, by default 2 x 2 with stride 2; an odd last row or column is pooled by itself. Ignores padding."""
    window = as_window(window)
    if window.padding not in ("SAME", "VALID"):
        x, padding = padded(x, window.margin(), x.dtype.min), "VALID"
    else:
        padding = window.padding
    return tf.nn.max_pool2d(x, window.size, window.stride, padding)


def avg_pool(x, window=HALF):
    """Average pool, by default 2 x 2 with stride 2; an odd last row or column is pooled by itself. Ignores padding.

    The window's padding must be SAME or VALID.
    """
    return tf.nn.avg_pool2d(x, window.size, window.stride, window.padding)


def dropout(x, keep_prob, seed):
    """Dropout: zero activations with probability 1 - keep_prob and divide the others by keep_prob.

    keep_prob: float32 scalar; None returns x unchanged. seed: int32 (2,); the same seed gives the same mask.
    """
    if keep_prob is None:
        return x
    kept = tf.random.stateless_uniform(tf.shape(x), seed) < keep_prob
    return tf.where(kept, x / tf.cast(keep_prob, x.dtype), tf.zeros_like(x))


def stochastic_depth(x, rate, settings, number):
    """Stochastic depth (Huang et al. 2016): in training, zero whole images with probability `rate` and scale the rest.

    x: (N, H, W, C), the residual of a block. settings: architecture.BuildSettings. number: of the block, different for
    each block of a net. The others are divided by 1 - rate, as in keras.applications.
    """
    if settings.training is False or not rate:
        return x
    shape = tf.stack([tf.shape(x)[0], 1, 1, 1])
    drawn = tf.random.stateless_uniform(shape, settings.dropout_seed * [1, 64] + [1, number])
    factor = tf.where(drawn < rate, tf.zeros_like(drawn), tf.ones_like(drawn) / (1 - rate))
    return x * tf.cast(tf.where_v2(settings.training, factor, tf.ones_like(factor)), x.dtype)


def _kernel(shape, init, name):
    return tf.get_variable("kernel", shape, tf.float32, initializer=initializer(init, name))


def _bias(channels):
    return tf.get_variable("bias", (channels,), tf.float32, initializer=tf.zeros_initializer())


def _he_depthwise(shape, seed):
    """He initialisation of a kernel (size, size, channels, 1), whose fan-in is size * size."""
    return tf.reshape(he((shape[0], shape[1], 1, shape[2]), seed), shape)
