"""The net of shekkizh/FCN.tensorflow (FCN.py), from which many ports descend.

Its departures from the paper are the choices below: average pools 1 to 4; conv5_3 before its ReLU into pool5 (issues
#7, #25, #46, #94), so that conv5_4 is never used; random fc6 and fc7; fusion of features (#11, #112); normal weights
of deviation 0.02, with which the first loss is in the hundreds (#1).
"""

from fcn.config.variants import Variants
from fcn.models.nets import fcn8s

ENCODER, DECODER = "vgg", "fcn"
VARIANT = Variants(pool="avg1to4", last_layer="conv5_3", fc="random", fusion="features", init_stddev=0.02,
                   learn_upsampling=True)
FUSED = ("pool4", "pool3")


def head(features, fcn):
    """The scores over the image; FCN.py calls the layers conv8, conv_t1, fuse_1 ... fcn: FcnLayers of decoders/fcn.py.
    """
    if fcn.variant.fusion == "scores":
        return fcn8s.head(features, fcn)
    score_fr = fcn.score("score_fr", features["fc7"])                                        # stride 32
    deconv1 = fcn.learned_conv2d_transpose("deconv1", score_fr, 2, like=features["pool4"])   # 16
    fuse_pool4 = fcn.fuse("pool4", deconv1, features["pool4"])
    deconv2 = fcn.learned_conv2d_transpose("deconv2", fuse_pool4, 2, like=features["pool3"]) # 8
    fuse_pool3 = fcn.fuse("pool3", deconv2, features["pool3"])
    deconv3 = fcn.learned_conv2d_transpose("deconv3", fuse_pool3, 8)                         # 1
    return fcn.crop(deconv3, 8)
