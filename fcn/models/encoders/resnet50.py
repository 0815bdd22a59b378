"""ResNet-50 (He et al. 2016) as in keras.applications (keras/src/applications/resnet.py)."""

from fcn.models.encoders import _imagenet

FEATURES = (("conv1_relu", 2, 64), ("conv2_block3_out", 4, 256), ("conv3_block4_out", 8, 512),
            ("conv4_block6_out", 16, 1024), ("conv5_block3_out", 32, 2048))
WEIGHTS = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
STACKS = ((64, 3), (128, 4), (256, 6), (512, 3))  # (channels, blocks) of conv2 to conv5
EPSILON = 1.001e-5
preprocess = _imagenet.caffe


def build(images, settings):
    """Return {"conv1_relu", "conv2_block3_out", ..., "conv5_block3_out": tensor}."""
    from fcn.models import layers
    from fcn.models.tf_compat import tf

    def conv_bn(x, name, window, channels):
        y = layers.conv(x, f"{name}_conv", window, channels)
        return layers.batch_norm(y, f"{name}_bn", settings.training, epsilon=EPSILON)

    x = tf.nn.relu(conv_bn(images, "conv1", layers.Window(7, stride=2, padding=3), 64))
    features = {"conv1_relu": x}
    x = layers.max_pool(tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), layers.Window(3, stride=2, padding="VALID"))
    for stack, (channels, count) in enumerate(STACKS, 2):
        for number in range(1, count + 1):
            name, stride = f"conv{stack}_block{number}", 2 if number == 1 and stack > 2 else 1
            first = layers.Window(1, stride=stride)
            y = tf.nn.relu(conv_bn(x, f"{name}_1", first, channels))
            y = tf.nn.relu(conv_bn(y, f"{name}_2", 3, channels))
            shortcut = conv_bn(x, f"{name}_0", first, 4 * channels) if number == 1 else x  # Keras' order of layers
            x = tf.nn.relu(shortcut + conv_bn(y, f"{name}_3", 1, 4 * channels))
        features[f"{name}_out"] = x
    return features
