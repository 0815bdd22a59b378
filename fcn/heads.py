"""From the body's tensors to logits: the two ways of fusing that published FCNs know, in either alignment.

Names are those of fcn.berkeleyvision.org's nets. Scores, their sums and their upsampling are float32 whatever the body
computes in; fused features are of the body's type.
"""

from fcn import layers
from fcn.heads_table import CROPS, POOL_SCALES
from fcn.tf1 import tf


def build(ends, images, num_classes, skips, last, choices):
    """Logits float32 (N, H, W, num_classes) over the pixels of `images`.

    ends: what vgg.build gives. skips: ((pool, name of the upsampling to its size), ...), coarse to fine. last: (name,
    factor) of the upsampling to the images' size. choices: choices.Choices.
    """
    fuse = fuse_scores if choices.fusion == "scores" else fuse_features
    x = _score(ends["fc7"], "score_fr", num_classes, choices)
    if choices.score_relu:
        x = tf.nn.relu(x)
    padding = "VALID" if choices.alignment == "pad100" else "SAME"
    x = fuse(x, ends, num_classes, skips, last, choices, padding)
    return layers.cut(x, layers.height_width(images), CROPS[last[1]] if padding == "VALID" else 0)


def fuse_scores(x, ends, num_classes, skips, last, choices, padding):
    """The paper's: a 1 x 1 score of every pool is added to the scores so far, upsampled bilinearly."""
    for pool, name in skips:
        finer = tf.cast(ends[pool], tf.float32)
        if choices.pool_scaling:
            finer *= POOL_SCALES[pool]
        x, skip = _one_size(layers.upsample(x, name, 2, choices.learn_upsampling, padding),
                            _score(finer, f"score_{pool}", num_classes, choices), pool, padding)
        x += skip
    name, factor = last
    return layers.upsample(x, name, factor, choices.learn_upsampling, padding)


def fuse_features(x, ends, num_classes, skips, last, choices, padding):
    """The ports': learned transposed convolutions deconv1, ... into the channels of the pools, which are added raw."""
    fresh = layers.truncated_normal(choices.init_stddev or 0.0001)
    for number, (pool, _) in enumerate(skips, 1):
        finer = ends[pool]
        up = layers.deconv(tf.cast(x, finer.dtype), f"deconv{number}", 4, 2, int(finer.shape[3]), fresh, padding)
        up, skip = _one_size(up, finer, pool, padding)
        x = tf.cast(up, finer.dtype) + skip
    _, factor = last
    return layers.deconv(x, f"deconv{len(skips) + 1}", 2 * factor, factor, num_classes, fresh, padding)


def _one_size(up, skip, pool, padding):
    """Both cut to the same pixels: SAME gives `up` too much at bottom and right, VALID `skip` too much all round."""
    if padding == "SAME":
        return layers.cut(up, layers.height_width(skip)), skip
    return up, layers.cut(skip, layers.height_width(up), CROPS[pool])


def _score(x, name, num_classes, choices):
    fresh = layers.truncated_normal(choices.init_stddev) if choices.init_stddev else layers.zeros
    return layers.conv(tf.cast(x, tf.float32), name, 1, num_classes, fresh)
