"""Head of FCN-4s: as FCN-8s (fcn8s.py), and the scores of pool2 (stride 4) are added. Not published.

Long, Shelhamer & Darrell (2015), section 4.2, stop at pool3, where fusing finer features had diminishing returns.
Objects that are a few pixels wide may need them.
"""

from fcn.models.decoders import fcn as common
from fcn.models.decoders.fcn import cells, decode, pads_image, score_count

__all__ = ["FUSED", "STRIDES", "build", "cells", "head", "pads_image", "score_count"]

FUSED = ("pool4", "pool3", "pool2")
STRIDES = common.STRIDES | {"score_pool2": 4}


def build(features, num_classes, settings):
    """Logits, as the contract of fcn/models/decoders says."""
    return decode(head, features, num_classes, settings, FUSED)


def head(features, fcn):
    """Return the scores of the image; see fcn.py."""
    x = fcn.score("score_fr", features["fc7"])                                   # stride 32
    for pool, upscore in zip(FUSED, ("upscore2", "upscore_pool4", "upscore_pool3"), strict=True):
        upsampled = fcn.conv2d_transpose(upscore, x, 2)
        x = fcn.fuse(pool, upsampled, fcn.score(f"score_{pool}", features[pool]))  # 16, 8, 4
    return fcn.crop(fcn.conv2d_transpose("upscore4", x, 4), 4)
