"""The layers of which encoders and decoders are built, on bare tf.nn and get_variable.

Tensors are (N, height, width, channels). A layer computes in the type of its input (float32 or bfloat16); its variables
are float32 and lie under its name: <name>/kernel, <name>/bias, of batch_norm <name>/gamma, beta, moving_mean and
moving_variance. A `window` is a Window(size, stride, dilation, padding) or an int, its size:

    x = conv(x, "stem", Window(3, stride=2), 48, bias=False)
    x = tf.nn.relu(batch_norm(x, "stem_bn", training))
    x = conv2d_transpose(x, "upscore2", stride=2).crop(layers.height_width(pool4), 1).pixels()
"""

from fcn.models import convolution
from fcn.models.blocks import Blocks, cut, height_width
from fcn.models.convolution import Window, as_window, before_tf, bilinear_kernel, convolve, padded, use_implementation
from fcn.models.tf_compat import tf
from fcn.models.variables import he, in_type, initializer, keep_prepared, truncated_normal, zeros

__all__ = ["FIXED_BILINEAR", "Window", "avg_pool", "batch_norm", "bilinear_kernel", "checkpointed", "conv",
           "conv2d_transpose", "cut", "depthwise_conv", "dropout", "he", "height_width", "keep_prepared", "max_pool",
           "truncated_normal", "use_gradient_checkpointing", "use_implementation", "zeros"]

FIXED_BILINEAR = "fixed bilinear"
HALF = Window(2, stride=2)  # an odd last row or column is pooled alone, so sizes are rounded up
_RECOMPUTED = "maps are computed again"  # a graph's collection, with something in it or not


def conv(x, name, window, channels, kernel_init=None, *, bias=True):
    """Convolution to (N, H', W', channels); <name>/kernel is (size, size, in, out), <name>/bias (out,), from zero.

    window: Window or size; with stride 1 and padding SAME, H and W stay. kernel_init(shape, seed) -> tensor (default:
    He's).
    """
    window = as_window(window)
    shape = (window.size, window.size, int(x.shape[3]), channels)
    with tf.variable_scope(name):
        kernel = _kernel(shape, kernel_init or he, name)
        offset = _bias(channels) if bias else None
    y = convolve(x, in_type(kernel, x), window)
    return y if offset is None else tf.nn.bias_add(y, tf.cast(offset, x.dtype))


def depthwise_conv(x, name, window, kernel_init=None, *, bias=True):
    """Convolution of every channel for itself; <name>/kernel is (size, size, channels, 1), <name>/bias (channels,).

    Other arguments as in conv().
    """
    window, channels = as_window(window), int(x.shape[3])
    with tf.variable_scope(name):
        kernel = _kernel((window.size, window.size, channels, 1), kernel_init or _he_depthwise, name)
        offset = _bias(channels) if bias else None
    x, padding = before_tf(x, window)
    y = tf.nn.depthwise_conv2d(x, in_type(kernel, x), (1, window.stride, window.stride, 1), padding,
                               dilations=(window.dilation, window.dilation))
    return y if offset is None else tf.nn.bias_add(y, tf.cast(offset, x.dtype))


def conv2d_transpose(x, name, stride, channels=None, kernel_init=FIXED_BILINEAR, *, bias=False):
    """Upsampling by a transposed convolution of size 2 * stride: Blocks of stride (H + 1) x stride (W + 1) pixels.

    That is all of it, padding VALID; .crop(height_width, offset) is the part that is wanted, with offset stride // 2
    that of padding SAME. Outside the map counts as zero.

    kernel_init: FIXED_BILINEAR interpolates every channel for itself and has no variable (the published nets' default,
    lr_mult 0). An initialiser, bilinear_kernel for one, makes the variable <name>/kernel (2 stride, 2 stride, out, in).
    channels: out (default: as many as in). bias: adds <name>/bias (out,), in float32, as its gradient is a sum over
    every pixel; the result is float32 then, else of the type of x.

    Computed by tf.nn.conv2d_transpose on a GPU, as one matrix product on a CPU (convolution.py); use_implementation()
    overrides that.
    """
    channels, as_product = channels or int(x.shape[3]), convolution.implementation() == convolution.PRODUCT
    with tf.variable_scope(name):
        if kernel_init != FIXED_BILINEAR:
            kernel = _kernel((2 * stride, 2 * stride, channels, int(x.shape[3])), kernel_init, name)
        offset = _bias(channels) if bias else None
    if kernel_init == FIXED_BILINEAR:
        y = convolution.bilinear_as_matmul(x, stride) if as_product else convolution.bilinear_plainly(x, stride)
    elif as_product:
        y = convolution.transposed_as_matmul(x, kernel, stride)
    else:
        y = convolution.transposed_plainly(x, kernel, stride)
    factor = stride if as_product else 1
    if offset is not None:
        y = tf.nn.bias_add(tf.cast(y, tf.float32), tf.tile(offset, [factor * factor]))
    height, width = height_width(x)
    return Blocks(y, factor, channels, 0, (stride * (height + 1), stride * (width + 1)))


def batch_norm(x, name, training, momentum=0.99, epsilon=1e-3):
    """Batch normalisation (Ioffe & Szegedy 2015) of (N, H, W, C), with the defaults of Keras.

    y = gamma (x - mean) / sqrt(variance + epsilon) + beta, computed in float32. training: bool, or scalar bool tensor.
    If true, mean and variance are those of the batch and the moving averages move by 1 - momentum towards them, by
    operations in tf.GraphKeys.UPDATE_OPS that weight_update.build runs with every batch of a step. Otherwise they are
    the moving averages, variables that are saved but not trained.
    """
    channels = int(x.shape[3])
    with tf.variable_scope(name):
        gamma, beta, moving_mean, moving_variance = (
            tf.get_variable(part, (channels,), tf.float32, initializer=start(), trainable=not part.startswith("moving"))
            for part, start in (("gamma", tf.ones_initializer), ("beta", tf.zeros_initializer),
                                ("moving_mean", tf.zeros_initializer), ("moving_variance", tf.ones_initializer)))
    wide, mean, variance = tf.cast(x, tf.float32), moving_mean, moving_variance
    if training is not False:
        batch_mean, batch_variance = tf.nn.moments(wide, (0, 1, 2))
        if not tf.get_variable_scope().reuse:  # not in the second run of layers.py
            for moving, value in ((moving_mean, batch_mean), (moving_variance, batch_variance)):
                change = tf.where_v2(training, (1 - momentum) * (value - moving), 0.0)
                tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, moving.assign_add(change).op)
        mean, variance = (tf.where_v2(training, *pair) for pair in ((batch_mean, mean), (batch_variance, variance)))
    scale = gamma * tf.math.rsqrt(variance + epsilon)
    return tf.cast(wide * scale + (beta - mean * scale), x.dtype)


def max_pool(x, window=HALF):
    """Maximum over a window: by default 2 x 2, stride 2, an odd last row or column alone. Padding never counts."""
    window = as_window(window)
    if window.padding not in ("SAME", "VALID"):
        x, padding = padded(x, window.margin(), x.dtype.min), "VALID"
    else:
        padding = window.padding
    return tf.nn.max_pool2d(x, window.size, window.stride, padding)


def avg_pool(x, window=HALF):
    """Average over a window: by default 2 x 2, stride 2, an odd last row or column alone. Padding never counts.

    The window's padding is SAME or VALID.
    """
    return tf.nn.avg_pool2d(x, window.size, window.stride, window.padding)


def dropout(x, keep_prob, seed):
    """Zero activations with probability 1 - keep_prob and scale up the others; seed int32 (2,) decides which.

    Without a keep_prob, None, there is no dropout in the graph at all.
    """
    if keep_prob is None:
        return x
    kept = tf.random.stateless_uniform(tf.shape(x), seed) < keep_prob
    return tf.where(kept, x / tf.cast(keep_prob, x.dtype), tf.zeros_like(x))


def _kernel(shape, init, name):
    return tf.get_variable("kernel", shape, tf.float32, initializer=initializer(init, name))


def _bias(channels):
    return tf.get_variable("bias", (channels,), tf.float32, initializer=tf.zeros_initializer())


def _he_depthwise(shape, seed):
    """He's for a kernel (size, size, channels, 1), whose fan-in is size * size."""
    return tf.reshape(he((shape[0], shape[1], 1, shape[2]), seed), shape)


def use_gradient_checkpointing():
    """Have checkpointed() keep no activations, in parts that are built in the default graph from now on (--recompute).

    It saves little of a VGG: its first stage alone needs about as much in the backward pass as all activations that are
    kept. docs/training.md has numbers. Half a batch, or bfloat16, saves more.
    """
    tf.add_to_collection(_RECOMPUTED, True)


def checkpointed(function, x):
    """function(x), a tensor; after use_gradient_checkpointing() its gradients, to x and to its variables, are found by
    running it once more.

    function: of x alone; it gets its variables by tf.get_variable, so that the second run finds those of the first. The
    second run starts from x under a control dependency on the gradient that has arrived: without one it would be
    merged with the first, or run right after it.
    """
    return _recomputed(function, x) if tf.get_collection(_RECOMPUTED) else function(x)


def _recomputed(function, x):
    scope = tf.get_variable_scope()

    @tf.custom_gradient
    def run(x):
        def gradient(dy, variables=()):
            with tf.control_dependencies([dy]):
                again = tf.identity(x)
            with tf.variable_scope(scope, reuse=True):
                found = tf.gradients(function(again), [again, *variables], dy)
            return found[0], found[1:]
        return function(x), gradient
    return run(x)
