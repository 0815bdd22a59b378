"""From the body's tensors to logits: the two ways of fusing that published FCNs know, in either alignment.

Names are those of fcn.berkeleyvision.org's nets. Scores, their sums and their upsampling are float32 whatever the body
computes in; fused features are of the body's type.
"""

from fcn import layers
from fcn.heads_table import CROPS, POOL_SCALES
from fcn.tf1 import tf


def build(ends, images, num_classes, skips, last, choices):
    """Logits float32 over the pixels of `images`, as Blocks.

    ends: what vgg.build gives. skips: ((pool, name of the upsampling to its size), ...), coarse to fine. last: (name,
    factor) of the upsampling to the images' size. choices: choices.Choices.
    """
    x = _score(ends["fc7"], "score_fr", num_classes, choices)
    if choices.score_relu:
        x = tf.nn.relu(x)
    fuse = fuse_scores if choices.fusion == "scores" else fuse_features
    _, factor = last
    offset = CROPS[factor] if choices.alignment == "pad100" else factor // 2
    return fuse(x, ends, num_classes, skips, last, choices).crop(layers.height_width(images), offset)


def fuse_scores(x, ends, num_classes, skips, last, choices):
    """The paper's: a 1 x 1 score of every pool is added to the scores so far, upsampled bilinearly."""
    kernel = layers.bilinear_kernel if choices.learn_upsampling else layers.FIXED_BILINEAR
    for pool, name in skips:
        finer = tf.cast(ends[pool], tf.float32)
        if choices.pool_scaling:
            finer *= POOL_SCALES[pool]
        x, skip = _one_size(layers.conv2d_transpose(x, name, 2, kernel_init=kernel),
                            _score(finer, f"score_{pool}", num_classes, choices), pool, choices)
        x += skip
    name, factor = last
    return layers.conv2d_transpose(x, name, factor, kernel_init=kernel)


def fuse_features(x, ends, num_classes, skips, last, choices):
    """The ports': learned transposed convolutions deconv1, ... into the channels of the pools, which are added raw."""
    fresh = layers.truncated_normal(choices.init_stddev or 0.0001)
    for number, (pool, _) in enumerate(skips, 1):
        finer = ends[pool]
        up = layers.conv2d_transpose(tf.cast(x, finer.dtype), f"deconv{number}", 2, int(finer.shape[3]), fresh,
                                     bias=True)
        up, skip = _one_size(up, finer, pool, choices)
        x = tf.cast(up, finer.dtype) + skip
    _, factor = last
    return layers.conv2d_transpose(x, f"deconv{len(skips) + 1}", factor, num_classes, fresh, bias=True)


def _one_size(up, skip, pool, choices):
    """Upsampled scores (Blocks) and a pool as maps of the same pixels.

    As in Caffe `skip` is cut down to all of `up` where conv1_1 is padded by 100 px. Else half a block is cut from `up`
    on every side, so that its pixels lie over those of `skip`, and at bottom and right what an odd size has too much.
    """
    if choices.alignment == "pad100":
        return up.pixels(), layers.cut(skip, up.height_width, CROPS[pool])
    return up.crop(layers.height_width(skip), 1).pixels(), skip


def _score(x, name, num_classes, choices):
    fresh = layers.truncated_normal(choices.init_stddev) if choices.init_stddev else layers.zeros
    return layers.conv(tf.cast(x, tf.float32), name, 1, num_classes, fresh)
