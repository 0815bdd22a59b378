"""The net of shekkizh/FCN.tensorflow (FCN.py), on which many other implementations are based.

Differences from the paper: average pooling in pools 1 to 4; pool5 takes conv5_3 before its ReLU (issues #7, #25, #46,
#94), so conv5_4 is unused; fc6 and fc7 are initialised randomly; features are fused instead of scores (#11, #112);
weights are initialised with standard deviation 0.02, which makes the first loss several hundred (#1).
"""

from fcn.config.variants import Variants
from fcn.models.decoders import fcn8s

ENCODER, DECODER = "vgg", "fcn"
VARIANT = Variants(pool="avg1to4", last_layer="conv5_3", fc="random", fusion="features", init_stddev=0.02,
                   learn_upsampling=True)
FUSED = ("pool4", "pool3")


def head(features, fcn):
    """Return the scores of the image; see decoders/fcn.py. FCN.py names the layers conv8, conv_t1, fuse_1 ..."""
    if fcn.variant.fusion == "scores":
        return fcn8s.head(features, fcn)
    score_fr = fcn.score("score_fr", features["fc7"])                                        # stride 32
    deconv1 = fcn.learned_conv2d_transpose("deconv1", score_fr, 2, like=features["pool4"])   # 16
    fuse_pool4 = fcn.fuse("pool4", deconv1, features["pool4"])
    deconv2 = fcn.learned_conv2d_transpose("deconv2", fuse_pool4, 2, like=features["pool3"]) # 8
    fuse_pool3 = fcn.fuse("pool3", deconv2, features["pool3"])
    deconv3 = fcn.learned_conv2d_transpose("deconv3", fuse_pool3, 8)                         # 1
    return fcn.crop(deconv3, 8)
