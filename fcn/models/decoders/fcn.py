"""The decoder of the published FCNs: class scores, upsampled by transposed convolutions and fused with finer features.

A net that names this decoder has

    head(features, fcn)          the scores, from the encoder's features by the FcnLayers `fcn`; see nets/fcn8s.py
    FUSED                        names of the features that are fused, from coarse to fine; () for none. Without it the
                                 receptive field is unknown

Layers have the names that they have at fcn.berkeleyvision.org. Scores, their sums and their upsampling are float32
whatever the encoder computes in; fused features are of the encoder's type.
"""

import math

from fcn.config.variants import Variants
from fcn.models import components, layers
from fcn.models.published_nets import CROPS, POOL_SCALES
from fcn.models.tf_compat import tf

STRIDES = {"score_fr": 32, "score_pool4": 16, "score_pool3": 8}  # for --dry-run


def build(features, num_classes, settings):
    return settings.net.head(features, FcnLayers(num_classes, settings))


class FcnLayers:
    """The layers of an FCN's head, with the net's Variants applied. variant: these Variants."""

    def __init__(self, num_classes, settings):
        self.num_classes, self.image_size = num_classes, settings.image_size
        self.variant = settings.variant or Variants()

    def score(self, name, features):
        """1 x 1 convolution to class scores: float32 (N, h, w, num_classes).

        With pool_scaling "score_pool4" and "score_pool3" scale their features, with score_relu "score_fr" has a ReLU.
        """
        x, variant = tf.cast(features, tf.float32), self.variant
        scale = POOL_SCALES.get(name.removeprefix("score_"), 1)
        if variant.pool_scaling and scale != 1:
            x *= scale
        fresh = layers.truncated_normal(variant.init_stddev) if variant.init_stddev else layers.zeros
        x = layers.conv(x, name, 1, self.num_classes, fresh)
        return tf.nn.relu(x) if variant.score_relu and name == "score_fr" else x

    def conv2d_transpose(self, name, scores, stride):
        """Blocks of (N, stride (h + 1), stride (w + 1), num_classes): bilinear upsampling of every class for itself.

        The kernel is fixed; with learn_upsampling it is where learning starts.
        """
        kernel = layers.bilinear_kernel if self.variant.learn_upsampling else layers.FIXED_BILINEAR
        return layers.conv2d_transpose(scores, name, stride, kernel_init=kernel)

    def learned_conv2d_transpose(self, name, x, stride, like=None):
        """Blocks of (N, stride (h + 1), stride (w + 1), C), from normal weights, with bias: of num_classes channels, or
        of the channels and the type of the tensor `like`.
        """
        fresh, channels = layers.truncated_normal(self.variant.init_stddev or 0.0001), self.num_classes
        if like is not None:
            x, channels = tf.cast(x, like.dtype), int(like.shape[3])
        return layers.conv2d_transpose(x, name, stride, channels, fresh, bias=True)

    def fuse(self, pool, upsampled, finer):
        """The sum (N, h, w, C) of upsampled Blocks and the map of, or scored from, the feature `pool`.

        With alignment "same", `upsampled` loses half a stride of 2 on every side, so that its pixels lie over those of
        `finer`, and at bottom and right what an odd size has too much. With "pad100" `finer` is cropped, as in Caffe.
        """
        if self.variant.alignment == "pad100":
            finer = layers.cut(finer, upsampled.height_width, CROPS[pool])
        else:
            upsampled = upsampled.crop(layers.height_width(finer), 1)
        return tf.cast(upsampled.pixels(), finer.dtype) + finer

    def crop(self, upsampled, stride):
        """The part that lies over the image, of Blocks that were upsampled by `stride` to the image's resolution."""
        return upsampled.crop(self.image_size, _offset(self.variant, stride))

    def fuse_features(self, features, fused):
        """Scores of a net whose own fusion is of scores, with --fusion features: see nets/fcn8s_shekkizh.py."""
        x, stride = self.score("score_fr", features["fc7"]), 32
        for number, pool in enumerate(fused, 1):
            up = self.learned_conv2d_transpose(f"deconv{number}", x, 2, features[pool])
            x, stride = self.fuse(pool, up, features[pool]), stride // 2
        return self.crop(self.learned_conv2d_transpose(f"deconv{len(fused) + 1}", x, stride), stride)


def _offset(variant, stride):
    """Pixels before the image in what a transposed convolution by `stride` gives: half a stride is what SAME cuts."""
    return CROPS[stride] if variant.alignment == "pad100" else stride // 2


def score_count(size_px, architecture):
    """Scores come in blocks of the last stride, which reach over the image's sides."""
    stride = _strides(architecture)[-1][1]
    rim = _offset(architecture.chosen() or Variants(), stride)
    return architecture.num_classes * math.prod(math.ceil((side + 2 * rim) / stride) * stride for side in size_px)


def cells(pixel, architecture):
    """See fcn/models/decoders.

    Of a transposed convolution of size 2 s and stride s, output p has the inputs p/s - 1 and p/s.
    """
    if not hasattr(components.of(architecture.net).net, "FUSED"):
        return None
    variant, strides = architecture.chosen() or Variants(), _strides(architecture)
    wide = variant.alignment == "pad100"
    at = pixel + _offset(variant, strides[-1][1])
    span, found = _upsampled((at, at), strides[-1][1]), {}
    for (pool, stride), (_, coarser) in zip(reversed(strides), reversed(strides[:-1]), strict=False):
        shift = CROPS[pool] if wide else 0
        found[pool] = span[0] + shift, span[1] + shift
        shift = 0 if wide else 1
        span = _upsampled((span[0] + shift, span[1] + shift), coarser // stride)
    return found | {strides[0][0]: span}


def _strides(architecture):
    """[(feature, stride)] of what the head scores, from coarse to fine: the coarsest feature, then the fused ones."""
    parts = components.of(architecture.net)
    strides = {name: stride for name, stride, _ in parts.features(architecture)}
    return [(name, strides[name]) for name in (list(strides)[-1], *getattr(parts.net, "FUSED", ()))]


def _upsampled(span, stride):
    return -((2 * stride - 1 - span[0]) // stride), span[1] // stride
