"""Two convolutions, each after a pooling by 2."""

from fcn.models import layers
from fcn.models.tf_compat import tf

FEATURES = (("half", 2, 4), ("quarter", 4, 8))


def preprocess(images, mean_rgb):
    return images / 255


def build(images, settings):
    half = tf.nn.relu(layers.conv(layers.max_pool(images), "conv1", 3, 4))
    quarter = tf.nn.relu(layers.conv(layers.max_pool(half), "conv2", 3, 8))
    return {"half": half, "quarter": quarter}
