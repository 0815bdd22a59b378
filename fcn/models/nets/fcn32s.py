"""FCN-32s: scores of fc7, upsampled by 32 in one bilinear layer.

Long, Shelhamer & Darrell (2015), section 4.1; fcn.berkeleyvision.org, voc-fcn32s/net.py. First of three training
stages.
"""

from fcn.config.variants import Variants

ENCODER, DECODER = "vgg", "fcn"
VARIANT = Variants()
FUSED = ()


def head(features, fcn):
    """Return the scores of the image; see decoders/fcn.py. Layers have the names of net.py."""
    if fcn.variant.fusion == "features":
        return fcn.fuse_features(features, FUSED)
    score_fr = fcn.score("score_fr", features["fc7"])            # stride 32
    upscore = fcn.conv2d_transpose("upscore", score_fr, 32)      # 1
    return fcn.crop(upscore, 32)
