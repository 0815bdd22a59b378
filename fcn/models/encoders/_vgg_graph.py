"""The graph of VGG-16 or VGG-19 as a fully convolutional encoder (encoders/vgg.py)."""

import functools

from fcn.models import layers
from fcn.models.tf_compat import tf


def build(images, channels, keep_prob, seed, variant):
    """{name: tensor} of pool1 (stride 2) to pool5 (32) and fc7 (32); sizes are rounded up at every pool.

    images: (N, H, W, 3) RGB less the mean colour, float32 or bfloat16; channels: as published_nets.widths() gives them,
    which decides between VGG-16 and VGG-19; keep_prob: scalar; seed: int32 (2,) of the dropout after fc6 and fc7, of
    which there is none if keep_prob is None; variant: a variants.Variants.
    """
    ends, x = {}, images
    for number in range(1, 6):
        stage = functools.partial(_stage, number=number, channels=channels, variant=variant)
        x = ends[f"pool{number}"] = layers.checkpointed(stage, x)
    fresh = layers.truncated_normal(variant.init_stddev) if variant.init_stddev else layers.he
    fc6 = layers.Window(7, padding="VALID" if variant.alignment == "pad100" else "SAME")
    for number, (name, window) in enumerate((("fc6", fc6), ("fc7", 1))):
        x = tf.nn.relu(layers.conv(x, name, window, channels[name], fresh))
        x = layers.dropout(x, keep_prob, seed * [1, 2] + [0, number])  # no two masks of a run alike
    return ends | {"fc7": x}


def _stage(x, number, channels, variant):
    """The map of pool `number` of the map before: convolutions, each with its ReLU, and the pool."""
    ends = {}
    for name in (name for name in channels if name.startswith(f"conv{number}_")):
        wide = variant.alignment == "pad100" and name == "conv1_1"
        ends[name] = layers.conv(x, name, layers.Window(3, padding=100) if wide else 3, channels[name])
        x = ends[name.replace("conv", "relu")] = tf.nn.relu(ends[name])
    if number == 5 and variant.last_layer != "last":
        x = ends[variant.last_layer]
    average = variant.pool == "avg" or (variant.pool == "avg1to4" and number < 5)
    return layers.avg_pool(x) if average else layers.max_pool(x)
