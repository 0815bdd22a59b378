#!/usr/bin/env python3
"""Speed of the operations of U-Nets and VGG that have several implementations in fcn/models. Alternating.

    python benchmarks/unet_convolutions.py [--rounds 7] [--only upsampled|transposed|product|kernel|winograd|norm]

upsampled: 3 x 3 convolution after doubling the size. transposed: transposed convolution 3 x 3 of stride 2. product: the
matrix product of a 1 x 1 convolution or a fully connected layer. kernel: 3 x 3 convolution, whose gradient to the
kernel has two forms. winograd: 3 x 3 convolution with fewer multiplications. norm: batch normalisation in training.
Prints for each shape the median milliseconds of the forward pass, and of the forward and backward pass.
"""

import argparse
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from fcn.models import convolution, gradients, upsampling, variables, winograd
from fcn.models.tf_compat import new_session, tf

# upsampled: (images, height and width, channels, channels of the skip connection, channels of the output): the steps of
# the decoder unet on EfficientNetB4 at 384 x 384, and the first step on DenseNet121 at 128 x 128.
# transposed: (images, height and width, channels, channels of the output): unet_pix2pix on DenseNet121 at 128 x 128.
# product: (rows, channels, channels of the output): 1 x 1 convolutions of DenseNet121 and EfficientNetB4; fc6, fc7.
# kernel: (images, height and width, channels, channels of the output): unet on EfficientNetB4 at 384 x 384, dense block
# of DenseNet121 at 128 x 128, VGG-19 at 224 x 224. winograd: the same, VGG-19 at 224 x 224 and the decoder unet on
# EfficientNetB4. norm: (images, height and width, channels).
SHAPES = {"upsampled": ((2, 12, 1792, 960, 256), (2, 24, 256, 336, 128), (2, 48, 128, 192, 64), (2, 96, 64, 144, 32),
                        (2, 192, 32, 0, 16), (2, 4, 1024, 1024, 256)),
          "transposed": ((2, 4, 1024, 512), (16, 4, 1024, 512), (2, 8, 1536, 256), (2, 16, 768, 128),
                         (2, 32, 384, 64), (2, 64, 128, 60)),
          "product": ((2048, 256, 128), (512, 512, 128), (32, 1024, 128), (18432, 192, 32), (98, 25088, 4096),
                      (98, 4096, 4096)),
          "kernel": ((2, 24, 2752, 256), (2, 48, 336, 128), (2, 96, 192, 64), (2, 192, 144, 32), (2, 384, 16, 16),
                     (2, 384, 16, 60), (2, 32, 128, 32), (2, 8, 128, 32), (2, 224, 3, 64), (2, 224, 64, 64),
                     (2, 112, 128, 128), (2, 56, 256, 256), (2, 28, 512, 512)),
          "winograd": ((2, 224, 64, 64), (2, 112, 64, 128), (2, 112, 128, 128), (2, 56, 128, 256), (2, 56, 256, 256),
                       (2, 28, 256, 512), (1, 28, 512, 512), (2, 28, 512, 512), (4, 28, 512, 512), (2, 48, 336, 128)),
          "norm": ((2, 192, 144), (2, 48, 336), (2, 12, 1632))}


def upsampled(shape):
    """Return {implementation: (output, [inputs])} of a 3 x 3 convolution after doubling the size."""
    images, side, channels, skipped, out = shape
    x, kernel = _variable(images, side, side, channels), _variable(3, 3, channels + skipped, out)
    skip = [_variable(images, 2 * side, 2 * side, skipped)] if skipped else []
    return {name: (way(x, skip[0] if skip else None, kernel), [kernel, x, *skip]) for name, way in (
        ("as written", upsampling.convolve_upsampled_as_conv2d), ("blocks", upsampling.convolve_upsampled_as_blocks))}


def transposed(shape):
    """Return the same of a transposed convolution of stride 2. The four kernels are prepared, as in predictions."""
    images, side, channels, out = shape
    x, kernel = _variable(images, side, side, channels), _variable(3, 3, out, channels)
    found = {name: (way(x, kernel), [kernel, x]) for name, way in (
        ("conv2d_transpose", upsampling.upconvolve_as_conv2d_transpose),
        ("product", upsampling.upconvolve_as_product))}
    variables.keep_prepared()
    return found | {"convolutions": (upsampling.upconvolve_as_convolutions(x, kernel), [])}


def product(shape):
    """Return the same of a matrix product by tf.matmul, and in the form for large kernels and small images."""
    rows, channels, out = shape
    x, kernel, found = _variable(rows, channels), _variable(channels, out), {}
    for name, convolution.LARGE_KERNEL in (("tf.matmul", 2**62), ("in pieces", 0)):
        found[name] = convolution.product(x, kernel, tf.constant(1)), [kernel, x]
    return found


def kernel(shape):
    """Return the same of a convolution, with TensorFlow's gradient to the kernel and as matrix products."""
    images, side, channels, out = shape
    x, weights = _variable(images, side, side, channels), _variable(3, 3, channels, out)
    return {"TensorFlow's gradient": (tf.nn.conv2d(x, weights, 1, "SAME"), [weights]),
            "products": (gradients.conv2d(x, weights, "SAME"), [weights])}


def winograd_convolution(shape):
    """Return the same of a convolution, by tf.nn.conv2d and in Winograd's form."""
    images, side, channels, out = shape
    x, weights = _variable(images, side, side, channels), _variable(3, 3, channels, out)
    return {name: (y, [weights, x]) for name, y in (("tf.nn.conv2d", tf.nn.conv2d(x, weights, 1, "SAME")),
                                                    ("winograd", winograd.convolve(x, weights)))}


def norm(shape):
    """Return the same of batch normalisation in training, with TensorFlow's gradient and with ours."""
    images, side, channels = shape
    x, gamma, beta = _variable(images, side, side, channels), _variable(channels), _variable(channels)
    mean, variance = tf.nn.moments(x, (0, 1, 2))
    factor = tf.math.rsqrt(variance + 1e-3)
    scale = gamma * factor
    return {"TensorFlow's gradient": (x * scale + (beta - mean * scale), [x, gamma, beta]),
            "ours": (gradients.batch_normalised(x, gamma, beta, mean, factor, tf.constant(True)), [x, gamma, beta])}


FORMS = {"upsampled": upsampled, "transposed": transposed, "product": product, "kernel": kernel,
         "winograd": winograd_convolution, "norm": norm}


def _variable(*shape):
    return tf.get_variable(f"v{len(tf.global_variables())}", shape)


def milliseconds(session, fetches):
    start = time.perf_counter()
    session.run(fetches)
    return 1e3 * (time.perf_counter() - start)


def compare(what, shape, rounds):
    """Return {implementation: (milliseconds of the forward pass, of forward and backward pass)}, medians."""
    with tf.Graph().as_default() as graph:
        ways = {name: (y.op, [one.op for one in tf.gradients(tf.reduce_sum(tf.square(y)), inputs)])
                for name, (y, inputs) in FORMS[what](shape).items()}
        found = {name: ([], []) for name in ways}
        with new_session(graph) as session:
            session.run(tf.global_variables_initializer())
            session.run(tf.local_variables_initializer())
            for number in range(rounds + 1):
                for name, fetches in ways.items():
                    taken = [milliseconds(session, one) for one in fetches if one]
                    if number:  # the first round warms up
                        for kept, one in zip(found[name], taken, strict=False):
                            kept.append(one)
    return {name: [round(statistics.median(one), 1) for one in both if one] for name, both in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=SHAPES)
    given = parser.parse_args()
    for what in [given.only] if given.only else SHAPES:
        for shape in SHAPES[what]:
            print(what, shape, compare(what, shape, given.rounds), flush=True)


if __name__ == "__main__":
    main()
