"""FCN-32s: the scores of fc7, upsampled 32 times by one bilinear layer.

Long, Shelhamer & Darrell (2015), section 4.1; fcn.berkeleyvision.org, voc-fcn32s/net.py. The first of three stages.
"""

from fcn.config.variants import Variants

ENCODER, DECODER = "vgg", "fcn"
VARIANT = Variants()
FUSED = ()


def head(features, fcn):
    """The scores over the image, layers named as in net.py. fcn: the FcnLayers of decoders/fcn.py."""
    if fcn.variant.fusion == "features":
        return fcn.fuse_features(features, FUSED)
    score_fr = fcn.score("score_fr", features["fc7"])            # stride 32
    upscore = fcn.conv2d_transpose("upscore", score_fr, 32)      # 1
    return fcn.crop(upscore, 32)
