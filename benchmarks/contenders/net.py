"""Shared by all contenders: constants of the net, weights and batches. Needs only NumPy.

The net is fcn8s_tutorial (fcn/models/nets): VGG-19 with average pools as far as relu5_3, fc6 and fc7 as convolutions
with dropout, a ReLU on the scores, learned transposed convolutions deconv1 and deconv2 (4 x 4, stride 2) into the
channels of pool4 and pool3, which are added, and deconv3 (16 x 16, stride 8) into the classes.
"""

import math
import zlib

import numpy as np

KEEP_PROB, LEARNING_RATE, EPSILON = 0.85, 1e-4, 1e-8
MEAN_RGB = (123.68, 116.779, 103.939)  # of the published VGG-19
UNLABELLED = 255
DECONVS = (("deconv1", 4, 2), ("deconv2", 4, 2), ("deconv3", 16, 8))  # name, size, stride


def stages(channels):
    """Return [[conv1_1, conv1_2], ..., [conv5_1, conv5_2, conv5_3]], the convolutions before each of the five pools."""
    return [[name for name in channels if name.startswith(f"conv{stage}_") and name != "conv5_4"]
            for stage in range(1, 6)]


def draw(name, shape):
    """Return random weights, float32, of the variable <layer>/kernel or <layer>/bias; equal for equal names.

    shape: (height, width, in, out) of a kernel, (height, width, out, in) of a transposed convolution. Kernels have He's
    standard deviation, which keeps the magnitude of activations.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("/bias"):
        return rng.uniform(0, 0.1, shape).astype(np.float32)
    fan_in = 4 * shape[3] if name.startswith("deconv") else math.prod(shape[:3])  # the size is twice the stride
    array = rng.standard_normal(shape, np.float32)
    array *= math.sqrt(2 / fan_in)
    return array


def batch(count, size, classes, seed=0):
    """Return random (images uint8 (count, H, W, 3), labels uint8 (count, H, W)). Every pixel is labelled."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, (count, *size, 3), np.uint8),
            rng.integers(0, classes, (count, *size), np.uint8))
