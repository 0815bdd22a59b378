"""Head of FCN-8s: scores of fc7, pool4 and pool3 are upsampled bilinearly and added.

On VGG it is the net nets/fcn8s.py, where its source is named.
"""

from fcn.models.decoders.fcn import STRIDES, cells, decode, pads_image, score_count

__all__ = ["FUSED", "STRIDES", "build", "cells", "head", "pads_image", "score_count"]

FUSED = ("pool4", "pool3")


def build(features, num_classes, settings):
    """Logits, as the contract of fcn/models/decoders says."""
    return decode(head, features, num_classes, settings, FUSED)


def head(features, fcn):
    """Return the scores of the image; see fcn.py. Layers have the names of net.py at fcn.berkeleyvision.org."""
    score_fr = fcn.score("score_fr", features["fc7"])                       # stride 32
    upscore2 = fcn.conv2d_transpose("upscore2", score_fr, 2)                # 16
    score_pool4 = fcn.score("score_pool4", features["pool4"])
    fuse_pool4 = fcn.fuse("pool4", upscore2, score_pool4)
    upscore_pool4 = fcn.conv2d_transpose("upscore_pool4", fuse_pool4, 2)    # 8
    score_pool3 = fcn.score("score_pool3", features["pool3"])
    fuse_pool3 = fcn.fuse("pool3", upscore_pool4, score_pool3)
    upscore8 = fcn.conv2d_transpose("upscore8", fuse_pool3, 8)              # 1
    return fcn.crop(upscore8, 8)
