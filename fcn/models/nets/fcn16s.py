"""FCN-16s: scores of fc7, upsampled by 2, plus scores of pool4; the sum is upsampled by 16.

Long, Shelhamer & Darrell (2015), section 4.2; fcn.berkeleyvision.org, voc-fcn16s/net.py. Second of three training
stages: initialised from a trained FCN-32s, with zeros in the new score_pool4.
"""

from fcn.config.variants import Variants

ENCODER, DECODER = "vgg", "fcn"
VARIANT = Variants()
FUSED = ("pool4",)


def head(features, fcn):
    """Return the scores of the image; see decoders/fcn.py. Layers have the names of net.py."""
    if fcn.variant.fusion == "features":
        return fcn.fuse_features(features, FUSED)
    score_fr = fcn.score("score_fr", features["fc7"])                 # stride 32
    upscore2 = fcn.conv2d_transpose("upscore2", score_fr, 2)          # 16
    score_pool4 = fcn.score("score_pool4", features["pool4"])
    fuse_pool4 = fcn.fuse("pool4", upscore2, score_pool4)
    upscore16 = fcn.conv2d_transpose("upscore16", fuse_pool4, 16)     # 1
    return fcn.crop(upscore16, 16)
