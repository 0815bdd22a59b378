"""The graph of VGG-16 or VGG-19 as a fully convolutional encoder (encoders/vgg.py)."""

from fcn.models import layers
from fcn.models.tf_compat import tf


def build(images, channels, keep_prob, seed, variant):
    """Build VGG. Returns {name: tensor} of pool1 (stride 2) to pool5 (32) and fc7 (32). Pools round sizes up.

    images: (N, H, W, image channels) minus the mean colour, in the dtype of --precision. channels: {layer: output
    channels} from published_nets.widths(); its layers select VGG-16 or VGG-19. keep_prob: scalar, None for a graph
    without dropout. seed: int32 (2,) for dropout after fc6 and fc7. variant: variants.Variants.
    """
    features, x = {}, images
    for number in range(1, 6):
        x = features[f"pool{number}"] = _stage(x, number, channels, variant)
    kernel_init = layers.truncated_normal(variant.init_stddev) if variant.init_stddev else layers.he
    fc6 = layers.Window(7, padding="VALID" if variant.alignment == "pad100" else "SAME")
    for number, (name, window) in enumerate((("fc6", fc6), ("fc7", 1))):
        x = tf.nn.relu(layers.conv(x, name, window, channels[name], kernel_init))
        x = layers.dropout(x, keep_prob, seed * [1, 2] + [0, number])  # a different seed for every mask of a run
    return features | {"fc7": x}


def _stage(x, number, channels, variant):
    """Build one stage, convolutions with ReLU and a pool. Returns the output of the pool."""
    activations = {}
    for name in (name for name in channels if name.startswith(f"conv{number}_")):
        wide = variant.alignment == "pad100" and name == "conv1_1"
        activations[name] = layers.conv(x, name, layers.Window(3, padding=100) if wide else 3, channels[name])
        x = activations[name.replace("conv", "relu")] = tf.nn.relu(activations[name])
    if number == 5 and variant.last_layer != "last":
        x = activations[variant.last_layer]
    average = variant.pool == "avg" or (variant.pool == "avg1to4" and number < 5)
    return layers.avg_pool(x) if average else layers.max_pool(x)
