"""VGG-16 or VGG-19 as a fully convolutional body: the tensors that heads may fuse.

Fully connected layers are convolutions, as in Long et al. (2015), section 4.1: fc6 is 7 x 7 and fc7 is 1 x 1.
"""

import functools

from fcn import errors, layers, recompute
from fcn.tf1 import tf


def build(images, channels, keep_prob, seed, choices):
    """{name: tensor} of pool3 (stride 8), pool4 (16), pool5 and fc7 (32); sizes are rounded up at every pool.

    images: (N, H, W, 3) RGB less the mean colour, float32 or bfloat16; channels: as vgg_table.widths() gives them,
    which decides between VGG-16 and VGG-19; keep_prob: scalar; seed: int32 (2,) of the dropout after fc6 and fc7, of
    which there is none if keep_prob is None; choices: choices.Choices.
    """
    ends, x = {}, images
    for number in range(1, 6):
        stage = functools.partial(_stage, number=number, channels=channels, choices=choices)
        x = ends[f"pool{number}"] = recompute.part(stage, x)
    fresh = layers.truncated_normal(choices.init_stddev) if choices.init_stddev else layers.he
    fc6 = layers.Window(7, padding="VALID" if choices.alignment == "pad100" else "SAME")
    for number, (name, window) in enumerate((("fc6", fc6), ("fc7", 1))):
        x = tf.nn.relu(layers.conv(x, name, window, channels[name], fresh))
        x = layers.dropout(x, keep_prob, seed * [1, 2] + [0, number])  # no two masks of a run alike
    return {name: ends[name] for name in ("pool3", "pool4", "pool5")} | {"fc7": x}


def _stage(x, number, channels, choices):
    """The map of pool `number` of the map before: convolutions, each with its ReLU, and the pool."""
    ends = {}
    for name in (name for name in channels if name.startswith(f"conv{number}_")):
        wide = choices.alignment == "pad100" and name == "conv1_1"
        ends[name] = layers.conv(x, name, layers.Window(3, padding=100) if wide else 3, channels[name])
        x = ends[name.replace("conv", "relu")] = tf.nn.relu(ends[name])
    if number == 5 and choices.last_layer != "last":
        x = _last(ends, choices.last_layer)
    average = choices.pool == "avg" or (choices.pool == "avg1to4" and number < 5)
    return layers.avg_pool(x) if average else layers.max_pool(x)


def _last(ends, name):
    if name not in ends:
        raise errors.UsageError(f"--last-layer {name}: the net of these weights is a VGG-16 and has no such layer")
    return ends[name]
