"""Scores of the coarsest feature, enlarged bilinearly."""

from fcn.models import layers
from fcn.models.tf_compat import tf


def build(features, num_classes, settings):
    coarsest = list(features.values())[-1]
    scores = layers.conv(tf.cast(coarsest, tf.float32), "score", 1, num_classes, layers.zeros)
    return tf.image.resize(scores, settings.image_size)
