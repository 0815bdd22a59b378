"""What is done for speed, undone: each entry of PLAIN puts the plain form of one thing back, and the result stays."""

from fcn import blocks, heads, layers, tf1, upsampling
from fcn.tf1 import tf


def upsampling_by_scattering():
    """conv2d_transpose with kernels of channels x channels, bilinear ones too; scores lie pixel by pixel. The published
    nets' own alignment ("same") only, and without a rim that would be cut off.
    """
    def whole(x, kernel, factor):
        shape = tf.shape(x)
        size = tf.stack([shape[0], factor * shape[1], factor * shape[2], int(kernel.shape[2])])
        return tf.nn.conv2d_transpose(x, tf.cast(kernel, x.dtype), size, factor, "SAME")

    def bilinear(x, factor):
        channels, size = int(x.shape[3]), 2 * factor
        return whole(x, upsampling.bilinear_kernel((size, size, channels, channels), None), factor)

    def deconv(x, name, factor, channels, kernel_init):
        with tf.variable_scope(name):
            kernel = tf.get_variable("kernel", (2 * factor, 2 * factor, channels, int(x.shape[3])),
                                     initializer=layers.initializer(kernel_init, name))
            bias = tf.get_variable("bias", (channels,), initializer=tf.zeros_initializer())
        return tf.nn.bias_add(tf.cast(whole(x, kernel, factor), tf.float32), bias)
    upsampling.transposed, upsampling.bilinear, upsampling.deconv = whole, bilinear, deconv
    def one_size(up, skip, pool, choices):
        return layers.cut(up, layers.height_width(skip)), skip
    heads._one_size = one_size
    heads.Blocks = lambda x, factor, channels, offset, size: blocks.plain(layers.cut(x, size))


def fc6_as_convolution():
    """fc6 and fc7 by tf.nn.conv2d."""
    layers.conv = _with(layers.conv, "convolve_as_matmul", layers.convolve_plainly)


def _with(function, name, value):
    """`function` of layers, called while layers.<name> is `value`."""
    def called(*arguments, **options):
        before = getattr(layers, name)
        setattr(layers, name, value)
        try:
            return function(*arguments, **options)
        finally:
            setattr(layers, name, before)
    return called


def way_back_by_autodiff():
    """Matrix products with TensorFlow's own gradients."""
    layers.product = tf.matmul


def two_operations_at_once():
    """A session with as many operations at once as there are cores, TensorFlow's default."""
    tf1.OPERATIONS_AT_ONCE = 0


def weights_prepared_for_every_image():
    """Evaluation converts and arranges its weights each time."""
    layers.keep_prepared = lambda: None


PLAIN = {"scattered": upsampling_by_scattering, "conv-fc6": fc6_as_convolution, "autodiff": way_back_by_autodiff,
         "threads": two_operations_at_once, "unprepared": weights_prepared_for_every_image}
