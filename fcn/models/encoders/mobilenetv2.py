"""MobileNetV2 (Sandler et al. 2018) of width 1 as in keras.applications (keras/src/applications/mobilenet_v2.py)."""

from fcn.models.encoders import _imagenet

FEATURES = (("block_1_expand_relu", 2, 96), ("block_3_expand_relu", 4, 144), ("block_6_expand_relu", 8, 192),
            ("block_13_expand_relu", 16, 576), ("out_relu", 32, 1280))
WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
# (factor of the expansion, channels, blocks, stride of the first) of each group, table 2 of the paper
GROUPS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
MOMENTUM = 0.999
preprocess = _imagenet.symmetric


def build(images, settings):
    """Return {"block_1_expand_relu", ..., "out_relu": tensor}."""
    from fcn.models import layers
    from fcn.models.tf_compat import tf

    def norm(x, name):
        return layers.batch_norm(x, name, settings.training, MOMENTUM)

    x = layers.conv(images, "Conv1", layers.Window(3, stride=2), 32, bias=False)
    x, features, number = tf.nn.relu6(norm(x, "bn_Conv1")), {}, 0
    for factor, channels, count, first_stride in GROUPS:
        for stride in (first_stride, *[1] * (count - 1)):
            name, y = f"block_{number}_" if number else "expanded_conv_", x
            if factor > 1:
                y = layers.conv(y, f"{name}expand", 1, factor * int(x.shape[3]), bias=False)
                y = features[f"{name}expand_relu"] = tf.nn.relu6(norm(y, f"{name}expand_BN"))
            y = layers.depthwise_conv(y, f"{name}depthwise", layers.Window(3, stride=stride), bias=False)
            y = tf.nn.relu6(norm(y, f"{name}depthwise_BN"))
            y = norm(layers.conv(y, f"{name}project", 1, channels, bias=False), f"{name}project_BN")
            x = x + y if stride == 1 and int(x.shape[3]) == channels else y
            number += 1
    features["out_relu"] = tf.nn.relu6(norm(layers.conv(x, "Conv_1", 1, 1280, bias=False), "Conv_1_bn"))
    return {name: features[name] for name, _, _ in FEATURES}
