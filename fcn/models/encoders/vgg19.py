"""VGG-19 (Simonyan & Zisserman 2015) as the encoder of a U-Net; see _vgg_unet.py. The FCNs use encoders/vgg.py."""

import functools

from fcn.models.encoders import _vgg_unet
from fcn.models.encoders._vgg_unet import build, features, layer_names, preprocess

__all__ = ["build", "features", "layer_names", "preprocess", "widths"]

WEIGHTS = "imagenet-vgg-verydeep-19.mat"
widths = functools.partial(_vgg_unet.widths, "vgg19")
