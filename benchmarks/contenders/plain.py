"""What is done for speed, undone: each entry of PLAIN puts the plain form of one thing back, and the result stays."""

from fcn import blocks, heads, layers, tf1, upsampling
from fcn.tf1 import tf


def upsampling_by_scattering():
    """conv2d_transpose with kernels of channels x channels, bilinear ones too; scores lie pixel by pixel."""
    def whole(x, kernel, factor):
        shape = tf.shape(x)
        size = tf.stack([shape[0], factor * (shape[1] + 1), factor * (shape[2] + 1), int(kernel.shape[2])])
        return tf.nn.conv2d_transpose(x, tf.cast(kernel, x.dtype), size, factor, "VALID")

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
    heads.to_pixels = lambda x, factor: x
    heads.Blocks = lambda x, factor, channels, offset, size: blocks.plain(layers.cut(x, size, offset))


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
    """A session with TensorFlow's default threads."""
    tf1.session = lambda graph=None: tf.Session(graph=graph)


def weights_prepared_for_every_image():
    """Evaluation converts and arranges its weights each time."""
    layers.keep_prepared = lambda: None


PLAIN = {"scattered": upsampling_by_scattering, "conv-fc6": fc6_as_convolution, "autodiff": way_back_by_autodiff,
         "threads": two_operations_at_once, "unprepared": weights_prepared_for_every_image}
