"""SqueezeNet 1.1 (Iandola et al. 2016; forresti/SqueezeNet) with the names of DeepCognition/keras-squeezenet.

That net does not pad its strided layers. Here they are padded at the bottom and right, which gives one more row and
column at every stride of an image of even size, and otherwise the same numbers.
"""

from fcn.models.encoders import _imagenet

FEATURES = (("relu_conv1", 2, 64), ("fire3", 4, 128), ("fire5", 8, 256), ("fire9", 16, 512))
WEIGHTS = "squeezenet_v1.1_weights_tf_notop.h5"
FIRES = {2: 16, 3: 16, 4: 32, 5: 32, 6: 48, 7: 48, 8: 64, 9: 64}  # channels of squeeze1x1; expand: four times as many
preprocess = _imagenet.caffe


def build(images, settings):
    """Return {"relu_conv1", "fire3", "fire5", "fire9": tensor}."""
    from fcn.models import layers
    from fcn.models.tf_compat import tf

    def relu(x, name, size, channels):
        return tf.nn.relu(layers.conv(x, name, size, channels))

    x = relu(images, "conv1", layers.Window(3, stride=2), 64)
    features = {"relu_conv1": x}
    for number, channels in FIRES.items():
        if number in (2, 4, 6):
            x = layers.max_pool(x, layers.Window(3, stride=2))
        y = relu(x, f"fire{number}_squeeze1x1", 1, channels)
        x = tf.concat([relu(y, f"fire{number}_expand1x1", 1, 4 * channels),
                       relu(y, f"fire{number}_expand3x3", 3, 4 * channels)], axis=3)
        features[f"fire{number}"] = x
    return {name: features[name] for name, _, _ in FEATURES}
