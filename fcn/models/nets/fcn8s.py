"""FCN-8s, trained in stages: scores of fc7, pool4 and pool3 are upsampled bilinearly and added (figure 3 of the paper).

Long, Shelhamer & Darrell (2015), section 4.2; fcn.berkeleyvision.org, voc-fcn8s/net.py. Last of three training stages:
initialised from a trained FCN-16s, with zeros in the new score_pool3. To train from VGG in one stage, use fcn8s_atonce.
"""

from fcn.config.variants import Variants

ENCODER, DECODER = "vgg", "fcn"
VARIANT = Variants()
FUSED = ("pool4", "pool3")


def head(features, fcn):
    """Return the scores of the image; see decoders/fcn.py. Layers have the names of net.py."""
    if fcn.variant.fusion == "features":
        return fcn.fuse_features(features, FUSED)
    score_fr = fcn.score("score_fr", features["fc7"])                       # stride 32
    upscore2 = fcn.conv2d_transpose("upscore2", score_fr, 2)                # 16
    score_pool4 = fcn.score("score_pool4", features["pool4"])
    fuse_pool4 = fcn.fuse("pool4", upscore2, score_pool4)
    upscore_pool4 = fcn.conv2d_transpose("upscore_pool4", fuse_pool4, 2)    # 8
    score_pool3 = fcn.score("score_pool3", features["pool3"])
    fuse_pool3 = fcn.fuse("pool3", upscore_pool4, score_pool3)
    upscore8 = fcn.conv2d_transpose("upscore8", fuse_pool3, 8)              # 1
    return fcn.crop(upscore8, 8)
