"""The decoder of the published FCNs: class scores, upsampled by transposed convolutions and fused with finer features.

A net with this decoder, and a decoder such as fcn8s.py, defines

    head(features, fcn)
        Return the scores. features: {name: tensor} of the encoder. fcn: FcnLayers.
    FUSED
        Names of the fused features, from coarse to fine; () for none. Without it, the receptive field is unknown.

Features are named as in VGG: pool2 (stride 4), pool3 (8), pool4 (16), fc7 (32). Of another encoder, a
feature of the same stride has that name.

Layers have the names of fcn.berkeleyvision.org. Scores, their sums and their upsampling are float32 even if the encoder
computes in bfloat16 or float16; fused features have the dtype of the encoder.
"""

import math

from fcn.config.variants import Variants
from fcn.models import components, layers
from fcn.models.published_nets import CROPS, POOL_SCALES
from fcn.models.tf_compat import tf

STRIDES = {"score_fr": 32, "score_pool4": 16, "score_pool3": 8}  # for --dry-run
NET_DEFINES = ("head",)
NAMES = {"pool2": 4, "pool3": 8, "pool4": 16, "fc7": 32}


def build(features, num_classes, settings):
    """Logits, as the contract of fcn/models/decoders says."""
    return decode(settings.net.head, features, num_classes, settings)


def decode(head, features, num_classes, settings, fused=None):
    """Return the scores of a head(features, fcn).

    fused: its FUSED, if --fusion features replaces the head by learned upsampling of these features.
    """
    features = features | {name: features[own] for name, own in names(settings.strides).items()}
    fcn = FcnLayers(num_classes, settings)
    if fused is not None and fcn.variant.fusion == "features":
        return fcn.fuse_features(features, fused)
    return head(features, fcn)


def pads_image(strides):
    """See fcn/models/decoders. VGG rounds sizes up in a way that keeps features aligned; others need whole cells."""
    return bool(names(strides))


def names(strides):
    """Return {name of VGG's feature: name of the encoder's last feature of that stride}.

    {} for VGG, and for an encoder without a feature of stride 32, whose net must have a head for its names.
    strides: {feature: stride}.
    """
    found = {name: [own for own, of_own in strides.items() if of_own == stride] for name, stride in NAMES.items()}
    return {} if "fc7" in strides or not found["fc7"] else {name: own[-1] for name, own in found.items() if own}


class FcnLayers:
    """Layers of an FCN's head that apply the net's Variants (attribute `variant`)."""

    def __init__(self, num_classes, settings):
        self.num_classes, self.image_size = num_classes, settings.image_size
        self.variant = settings.variant or Variants()

    def score(self, name, features):
        """Return class scores, float32 (N, h, w, num_classes), from a 1 x 1 convolution of the features.

        With pool_scaling, "score_pool4" and "score_pool3" scale their features first. With score_relu, "score_fr" ends
        with a ReLU.
        """
        x, variant = tf.cast(features, tf.float32), self.variant
        scale = POOL_SCALES.get(name.removeprefix("score_"), 1)
        if variant.pool_scaling and scale != 1:
            x *= scale
        kernel_init = layers.truncated_normal(variant.init_stddev) if variant.init_stddev else layers.zeros
        x = layers.conv(x, name, 1, self.num_classes, kernel_init)
        return tf.nn.relu(x) if variant.score_relu and name == "score_fr" else x

    def conv2d_transpose(self, name, scores, stride):
        """Upsample each class bilinearly. Returns Blocks of (N, stride (h + 1), stride (w + 1), num_classes).

        The kernel is fixed, or with learn_upsampling a variable that is initialised so.
        """
        kernel_init = layers.bilinear_kernel if self.variant.learn_upsampling else layers.FIXED_BILINEAR
        return layers.conv2d_transpose(scores, name, stride, kernel_init=kernel_init)

    def learned_conv2d_transpose(self, name, x, stride, like=None):
        """Upsample with learned weights and a bias. Returns Blocks of (N, stride (h + 1), stride (w + 1), C).

        C is num_classes, or with `like` the number of channels of that tensor, whose dtype is used too. The kernel is
        initialised from a truncated normal distribution.
        """
        kernel_init, channels = layers.truncated_normal(self.variant.init_stddev or 0.0001), self.num_classes
        if like is not None:
            x, channels = tf.cast(x, like.dtype), int(like.shape[3])
        return layers.conv2d_transpose(x, name, stride, channels, kernel_init, bias=True)

    def fuse(self, pool, upsampled, finer):
        """Return the sum, (N, h, w, C), of upsampled Blocks and `finer`, the feature `pool` or its scores.

        With alignment "same", `upsampled` is cropped by one pixel (half the stride of 2) at the top and left and to the
        size of `finer`, which aligns their pixels. With "pad100", `finer` is cropped, as in Caffe.
        """
        if self.variant.alignment == "pad100":
            finer = layers.cut(finer, upsampled.height_width, CROPS[pool])
        else:
            upsampled = upsampled.crop(layers.height_width(finer), 1)
        return tf.cast(upsampled.pixels(), finer.dtype) + finer

    def crop(self, upsampled, stride):
        """Crop Blocks at the image's resolution to the image. stride: stride of the last upsampling."""
        return upsampled.crop(self.image_size, _offset(self.variant, stride))

    def fuse_features(self, features, fused):
        """Return the scores with --fusion features for nets that normally fuse scores. See nets/fcn8s_shekkizh.py."""
        x, stride = self.score("score_fr", features["fc7"]), 32
        for number, pool in enumerate(fused, 1):
            up = self.learned_conv2d_transpose(f"deconv{number}", x, 2, features[pool])
            x, stride = self.fuse(pool, up, features[pool]), stride // 2
        return self.crop(self.learned_conv2d_transpose(f"deconv{len(fused) + 1}", x, stride), stride)


def _offset(variant, stride):
    """Return how many pixels of an upsampled map are before the image; with "same" half the stride."""
    return CROPS[stride] if variant.alignment == "pad100" else stride // 2


def score_count(size_px, architecture):
    """See fcn/models/decoders. Blocks of the last stride extend beyond the sides of the image."""
    stride = _strides(architecture)[-1][1]
    border = _offset(architecture.chosen() or Variants(), stride)
    return architecture.num_classes * math.prod(math.ceil((side + 2 * border) / stride) * stride for side in size_px)


def cells(pixel, architecture):
    """See fcn/models/decoders.

    Output p of a transposed convolution with size 2 s and stride s depends on inputs p/s - 1 and p/s.
    """
    if not hasattr(_module(architecture), "FUSED"):
        return None
    variant, strides = architecture.chosen() or Variants(), _strides(architecture)
    wide = variant.alignment == "pad100"
    at = pixel + _offset(variant, strides[-1][1])
    span, found = _inputs_of((at, at), strides[-1][1]), {}
    for (pool, stride), (_, coarser) in zip(reversed(strides), reversed(strides[:-1]), strict=False):
        shift = CROPS[pool] if wide else 0
        found[pool] = span[0] + shift, span[1] + shift
        shift = 0 if wide else 1
        span = _inputs_of((span[0] + shift, span[1] + shift), coarser // stride)
    return found | {strides[0][0]: span}


def _strides(architecture):
    """Return [(feature, stride)] that the head uses, from coarse to fine: the coarsest feature, then the fused ones."""
    strides = {name: stride for name, stride, _ in components.of(architecture.net).features(architecture)}
    own = names(strides)
    return [(name, strides[name]) for name in (list(strides)[-1], *(
        own.get(name, name) for name in getattr(_module(architecture), "FUSED", ())))]


def _module(architecture):
    """Return the module with the head and FUSED: that of the net, or of its decoder."""
    net = components.of(architecture.net)
    return net.net if hasattr(net.net, "head") else net.decoder


def _inputs_of(span, stride):
    """Return (first, last) input of a transposed convolution for a span of outputs."""
    return -((2 * stride - 1 - span[0]) // stride), span[1] // stride
