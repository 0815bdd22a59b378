"""What all contenders have in common: the net's facts, its weights, its batches. NumPy alone.

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
    """[[conv1_1, conv1_2], ..., [conv5_1, conv5_2, conv5_3]]: the convolutions before each of the five pools."""
    return [[name for name in channels if name.startswith(f"conv{stage}_") and name != "conv5_4"]
            for stage in range(1, 6)]


def draw(name, shape):
    """Random weights of the variable <layer>/kernel or <layer>/bias, float32; the same for the same name.

    shape: of a kernel (height, width, in, out), of a transposed convolution's (height, width, out, in). A kernel has
    He's deviation, so that activations keep their size.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("/bias"):
        return rng.uniform(0, 0.1, shape).astype(np.float32)
    fan_in = 4 * shape[3] if name.startswith("deconv") else math.prod(shape[:3])  # a size is twice its stride
    array = rng.standard_normal(shape, np.float32)
    array *= math.sqrt(2 / fan_in)
    return array


def batch(count, size, classes, seed=0):
    """(images uint8 (count, H, W, 3), labels uint8 (count, H, W)), random; every pixel is labelled."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, (count, *size, 3), np.uint8),
            rng.integers(0, classes, (count, *size), np.uint8))
