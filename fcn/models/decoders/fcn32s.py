"""Head of FCN-32s: scores of fc7, upsampled by 32 in one bilinear layer.

On VGG it is the net nets/fcn32s.py, where its source is named.
"""

from fcn.models.decoders.fcn import STRIDES, cells, decode, pads_image, score_count

__all__ = ["FUSED", "STRIDES", "build", "cells", "head", "pads_image", "score_count"]

FUSED = ()


def build(features, num_classes, settings):
    """Logits, as the contract of fcn/models/decoders says."""
    return decode(head, features, num_classes, settings, FUSED)


def head(features, fcn):
    """Return the scores of the image; see fcn.py. Layers have the names of net.py at fcn.berkeleyvision.org."""
    score_fr = fcn.score("score_fr", features["fc7"])            # stride 32
    upscore = fcn.conv2d_transpose("upscore", score_fr, 32)      # 1
    return fcn.crop(upscore, 32)
