"""FCN-8s as published, trained at once: scores of fc7, pool4 and pool3 are upsampled bilinearly and added.

Long, Shelhamer & Darrell (2015), figure 3, and PAMI 2017, section 4.3 (at-once training); the numbers are those of
fcn.berkeleyvision.org, voc-fcn8s-atonce/net.py. Here the body is VGG-19, so that relu5_4 goes into pool5.
"""

from fcn import layers, vgg
from fcn.tf1 import tf

# At-once training scales the pools so that all three streams start with gradients of one size (PAMI, section 4.3).
POOL4_SCALE, POOL3_SCALE = 0.01, 0.0001


def build(images, num_classes, channels, keep_prob, seed, learn_upsampling=False):
    """Logits float32 (N, H, W, num_classes), for any H and W.

    images: (N, H, W, 3) RGB less the mean colour; channels: {layer: width} of vgg_table.widths(); keep_prob: scalar;
    seed: int32 (2,) of the dropout. The score layers start at zero (train.prototxt has no weight_filler), so the
    first loss is ln(num_classes). Upsampling is fixed (lr_mult 0) unless learn_upsampling.

    Long et al. pad the input by 100 px and crop the output; SAME with sizes rounded up needs neither, and puts every
    output pixel over its input pixel, as matconvnet-fcn does.
    """
    ends = vgg.build(images, channels, keep_prob, seed)
    pool4, pool3 = (tf.cast(ends[name], tf.float32) for name in ("pool4", "pool3"))

    score_fr = _score(tf.cast(ends["fc7"], tf.float32), "score_fr", num_classes)
    score_pool4 = _score(pool4 * POOL4_SCALE, "score_pool4", num_classes)
    score_pool3 = _score(pool3 * POOL3_SCALE, "score_pool3", num_classes)

    upscore2 = layers.upsample(score_fr, "upscore2", 2, layers.height_width(pool4), learn_upsampling)
    fuse_pool4 = upscore2 + score_pool4
    upscore_pool4 = layers.upsample(fuse_pool4, "upscore_pool4", 2, layers.height_width(pool3), learn_upsampling)
    fuse_pool3 = upscore_pool4 + score_pool3
    return layers.upsample(fuse_pool3, "upscore8", 8, layers.height_width(images), learn_upsampling)


def _score(x, name, num_classes):
    return layers.conv(x, name, 1, num_classes, kernel_init=layers.zeros)
