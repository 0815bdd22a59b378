"""What is done for speed, undone: each entry of PLAIN changes one thing, and the result stays the same.

"product" and "deterministic" are for GPUs: upsampling as on a CPU, and the operations that training uses by default.
"""

from fcn.models import convolution, gradients, layers, tf_compat
from fcn.models.tf_compat import tf


def upsampling_by_scattering():
    """tf.nn.conv2d_transpose with kernels of channels x channels, bilinear ones too; scores lie pixel by pixel."""
    def bilinear(x, stride):
        channels, size = int(x.shape[3]), 2 * stride
        kernel = convolution.bilinear_kernel((size, size, channels, channels), None)
        return convolution.transposed_as_conv2d_transpose(x, kernel, stride)
    convolution.implementation = lambda: convolution.CONV2D_TRANSPOSE
    convolution.bilinear_as_conv2d_transpose = bilinear


def fc6_as_convolution():
    """fc6, fc7 and scores by tf.nn.conv2d."""
    convolution.LARGE_KERNEL = 1 << 62  # no kernel is kept transposed
    convolve = convolution.convolve_as_matmul
    convolution.convolve_as_matmul = (lambda x, kernel, window: convolve(x, kernel, window) if window.size == 2 else
                                      convolution.convolve_as_conv2d(x, kernel, window))


def direct_convolutions():
    """3 x 3 convolutions by tf.nn.conv2d, with as many multiplications as their definition."""
    convolution.LEAST_WINOGRAD = 1 << 30, 1 << 30


def products_by_tensorflow():
    """Matrix products of large kernels by tf.matmul, with TensorFlow's own gradients."""
    convolution.LARGE_KERNEL = 1 << 62


def loss_by_tensorflow():
    """The cross entropy by tf.nn.sparse_softmax_cross_entropy_with_logits."""
    gradients.cross_entropy = lambda logits, labels: (
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def two_operations_at_once():
    """A session with as many operations at once as there are cores, TensorFlow's default."""
    tf_compat.OPERATIONS_AT_ONCE = 0


def upsampling_as_product():
    """Upsampling as matrix products, with the scores in blocks: the default on a CPU, an option on a GPU."""
    convolution.implementation = lambda: convolution.PRODUCT


def weights_prepared_for_every_image():
    """Evaluation converts and arranges its weights each time."""
    layers.keep_prepared = lambda: None


PLAIN = {"scattered": upsampling_by_scattering, "product": upsampling_as_product, "conv-fc6": fc6_as_convolution,
         "direct": direct_convolutions, "matmul": products_by_tensorflow, "loss": loss_by_tensorflow,
         "threads": two_operations_at_once, "unprepared": weights_prepared_for_every_image,
         "deterministic": tf_compat.deterministic}
