"""The tutorial's decoder: learned transposed convolutions into the channels of pool4 and pool3, added to the raw pools.

It is the net of "Tensorflow - Segmentation" (sdeck51/CNNTutorials), after shekkizh/FCN.tensorflow. It departs from the
paper in fusing features rather than scores: 13.9 M fresh weights for 151 classes where FCN-8s has 0.7 M. Taken over:
the three transposed convolutions, the ReLU on the scores, normal weights of 0.0001 (the author's last notebook).
Not taken over, being slips rather than choices: average pools under max-pool weights, conv5_4 built but never used,
fc6 and fc7 left random although the file has them, ReLU applied twice.
"""

from fcn import layers, vgg
from fcn.tf1 import tf

FRESH = layers.truncated_normal(0.0001)


def build(images, num_classes, channels, keep_prob, seed, learn_upsampling=True):
    """Logits float32 (N, H, W, num_classes), for any H and W; arguments as in fcn8s.build.

    Upsampling is always learned here; learn_upsampling changes nothing.
    """
    ends = vgg.build(images, channels, keep_prob, seed)
    pool4, pool3 = ends["pool4"], ends["pool3"]
    score = layers.conv(ends["fc7"], "score", 1, num_classes, kernel_init=FRESH, relu=True)

    up4 = layers.deconv(score, "deconv1", 4, 2, channels["conv4_4"], layers.height_width(pool4), FRESH)
    fuse4 = pool4 + tf.cast(up4, pool4.dtype)
    up3 = layers.deconv(fuse4, "deconv2", 4, 2, channels["conv3_4"], layers.height_width(pool3), FRESH)
    fuse3 = pool3 + tf.cast(up3, pool3.dtype)
    return layers.deconv(fuse3, "deconv3", 16, 8, num_classes, layers.height_width(images), FRESH)
