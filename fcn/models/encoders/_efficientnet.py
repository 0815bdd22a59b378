"""EfficientNet (Tan & Le 2019) as in keras.applications (keras/src/applications/efficientnet.py), of any size.

The published weights expect ImageNet's mean and deviation: that file divides by the root of the deviation twice.
"""

import math
import string

from fcn.models.encoders import _imagenet

# (size of the kernel, blocks, channels, factor of the expansion, stride of the first) of block1 to block7 of B0
GROUPS = ((3, 1, 16, 1, 1), (3, 2, 24, 6, 2), (5, 2, 40, 6, 2), (3, 3, 80, 6, 2), (5, 3, 112, 6, 1), (5, 4, 192, 6, 2),
          (3, 1, 320, 6, 1))
FEATURE_BLOCKS = ("block2a", "block3a", "block4a", "block6a")  # whose expansion is a feature
DROP_RATE = 0.2  # of the last block in stochastic depth; it grows linearly from 0
SQUEEZED = 0.25  # channels of squeeze-and-excite, of those that enter the block
preprocess = _imagenet.torch


def channels_of(base, width):
    """Return the channels of a layer that has `base` in B0: a multiple of 8, at least nine tenths of width * base."""
    rounded = max(8, int(width * base + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width * base else rounded


def blocks(width, depth):
    """Return {name: (size of the kernel, channels in, channels out, factor of the expansion, stride)}."""
    found, before = {}, channels_of(32, width)
    for group, (size, count, base, factor, first_stride) in enumerate(GROUPS, 1):
        channels = channels_of(base, width)
        for letter in string.ascii_lowercase[:math.ceil(depth * count)]:
            found[f"block{group}{letter}"] = size, before, channels, factor, first_stride if letter == "a" else 1
            before = channels
    return found


def features(width, depth):
    """Return ((name, stride, channels), ...) of the features."""
    expanded = {name: factor * before for name, (_, before, _, factor, _) in blocks(width, depth).items()}
    found = ((f"{name}_expand_activation", 2 ** number, expanded[name])
             for number, name in enumerate(FEATURE_BLOCKS, 1))
    return (*found, ("top_activation", 32, channels_of(1280, width)))


def build(images, settings, width, depth):
    """Return {"block2a_expand_activation", ..., "top_activation": tensor}."""
    from fcn.models import layers
    swish = layers.silu

    def norm(x, name):
        return layers.batch_norm(x, name, settings.training)

    x = layers.conv(images, "stem_conv", layers.Window(3, stride=2), channels_of(32, width), bias=False)
    x, found, table = swish(norm(x, "stem_bn")), {}, blocks(width, depth)
    for number, (name, (size, before, channels, factor, stride)) in enumerate(table.items()):
        y = x
        if factor > 1:
            y = layers.conv(y, f"{name}_expand_conv", 1, factor * before, bias=False)
            y = found[f"{name}_expand_activation"] = swish(norm(y, f"{name}_expand_bn"))
        y = layers.depthwise_conv(y, f"{name}_dwconv", layers.Window(size, stride=stride), bias=False)
        y = swish(norm(y, f"{name}_bn"))
        y *= squeeze_and_excite(y, name, max(1, int(before * SQUEEZED)))
        y = norm(layers.conv(y, f"{name}_project_conv", 1, channels, bias=False), f"{name}_project_bn")
        if stride == 1 and before == channels:
            y = layers.stochastic_depth(y, DROP_RATE * number / len(table), settings, number) + x
        x = y
    x = layers.conv(x, "top_conv", 1, channels_of(1280, width), bias=False)
    found["top_activation"] = swish(norm(x, "top_bn"))
    return {name: found[name] for name, _, _ in features(width, depth)}


def squeeze_and_excite(x, name, squeezed):
    """Return a factor in (0, 1) for each channel of x (N, H, W, C): (N, 1, 1, C). Hu, Shen & Sun (2018)."""
    from fcn.models import layers
    from fcn.models.tf_compat import tf
    y = tf.cast(tf.reduce_mean(tf.cast(x, tf.float32), (1, 2), keepdims=True), x.dtype)  # a sum may exceed float16
    y = layers.silu(layers.conv(y, f"{name}_se_reduce", 1, squeezed))
    return tf.sigmoid(layers.conv(y, f"{name}_se_expand", 1, int(x.shape[3])))
