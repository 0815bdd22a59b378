"""DenseNet-121 (Huang et al. 2017) as in keras.applications (keras/src/applications/densenet.py).

The features are the five of the tutorial "Getting Started With Semantic Segmentation Using TensorFlow Keras".
"""

from fcn.models.encoders import _imagenet

FEATURES = (("conv1_relu", 2, 64), ("pool2_relu", 4, 256), ("pool3_relu", 8, 512), ("pool4_relu", 16, 1024),
            ("relu", 32, 1024))
WEIGHTS = "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5"
GROWTH, EPSILON = 32, 1.001e-5
BLOCKS = (6, 12, 24, 16)  # layers of the dense blocks conv2 to conv5
preprocess = _imagenet.torch


def build(images, settings):
    """Return {"conv1_relu", "pool2_relu", "pool3_relu", "pool4_relu", "relu": tensor}."""
    from fcn.models import layers
    from fcn.models.tf_compat import tf

    def bn_relu(x, name):
        return tf.nn.relu(layers.batch_norm(x, f"{name}bn", settings.training, epsilon=EPSILON))

    x = layers.conv(images, "conv1_conv", layers.Window(7, stride=2, padding=3), 64, bias=False)
    features = {"conv1_relu": (x := bn_relu(x, "conv1_"))}
    x = layers.max_pool(x, layers.Window(3, stride=2, padding=1))
    for block, count in enumerate(BLOCKS, 2):
        for number in range(1, count + 1):
            name = f"conv{block}_block{number}"
            y = layers.conv(bn_relu(x, f"{name}_0_"), f"{name}_1_conv", 1, 4 * GROWTH, bias=False)
            y = layers.conv(bn_relu(y, f"{name}_1_"), f"{name}_2_conv", 3, GROWTH, bias=False)
            x = tf.concat([x, y], axis=3)
        if block < len(BLOCKS) + 1:
            x = features[f"pool{block}_relu"] = bn_relu(x, f"pool{block}_")
            x = layers.avg_pool(layers.conv(x, f"pool{block}_conv", 1, int(x.shape[3]) // 2, bias=False))
    return features | {"relu": bn_relu(x, "")}
