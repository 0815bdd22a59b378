"""EfficientNet-B0 (Tan & Le 2019); see _efficientnet.py."""

from fcn.models.encoders import _efficientnet

WEIGHTS = "efficientnetb0_notop.h5"
WIDTH, DEPTH = 1.0, 1.0  # factors on the channels and on the blocks of B0
FEATURES = _efficientnet.features(WIDTH, DEPTH)
preprocess = _efficientnet.preprocess


def build(images, settings):
    """Return {"block2a_expand_activation", ..., "top_activation": tensor}."""
    return _efficientnet.build(images, settings, WIDTH, DEPTH)
