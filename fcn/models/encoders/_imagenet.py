"""Preprocessing of the nets of keras.applications, for images of 3 or other channels.

Modes and numbers: keras/src/applications/imagenet_utils.py, preprocess_input.
"""

from fcn.models.tf_compat import tf

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue in [0, 1]


def torch(images, mean_rgb):
    """Scale to [0, 1], subtract ImageNet's mean and divide by its deviation (mode "torch").

    Channels that are not RGB have their own mean, and the mean deviation of red, green and blue.
    """
    if len(mean_rgb) == len(MEAN):
        return (images / 255 - tf.constant(MEAN)) / tf.constant(DEVIATION)
    return (images - tf.constant(mean_rgb, tf.float32)) / (255 * sum(DEVIATION) / len(DEVIATION))


def caffe(images, mean_rgb):
    """Subtract the mean colour and reverse red and blue (mode "caffe")."""
    x = images - tf.constant(mean_rgb, tf.float32)
    return x if len(mean_rgb) < len(MEAN) else tf.gather(x, [2, 1, 0, *range(3, len(mean_rgb))], axis=3)


def symmetric(images, mean_rgb):
    """Scale to [-1, 1] (mode "tf")."""
    return images / 127.5 - 1
