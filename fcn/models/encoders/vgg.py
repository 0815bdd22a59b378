"""VGG-16 or VGG-19 (Simonyan & Zisserman 2015), fully convolutional. The layers in `widths` select one of the two.

fc6 and fc7 are convolutions, 7 x 7 and 1 x 1, as in Long et al. (2015), section 4.1. fcn/models/published_nets.py lists
layers and published widths; _vgg_graph.py builds the graph. Supported Variants: alignment, pool, last_layer,
init_stddev.
"""

import math

from fcn.config.variants import Variants
from fcn.core import errors
from fcn.models import published_nets
from fcn.models.encoders import MemoryMap

STAGES = range(1, len(published_nets.STAGES) + 1)
STRIDES = {f"pool{stage}": 2 ** stage for stage in STAGES} | dict.fromkeys(published_nets.FULLY_CONNECTED, 32)
PADDED_PX = 100  # padding of conv1_1 on every side with alignment pad100; fc6 has no padding then
widths = published_nets.widths


def features(widths, variant):
    """Return ((name, stride, channels), ...) of pool1 (stride 2) to pool5 (32) and fc7 (32)."""
    pools = ((f"pool{stage}", 2 ** stage, widths[_used(stage, widths, variant)[-1]]) for stage in STAGES)
    return (*pools, ("fc7", 32, widths["fc7"]))


def preprocess(images, mean_rgb):
    """Subtract the mean colour, as in the training of VGG's Caffe models."""
    from fcn.models.tf_compat import tf
    return images - tf.constant(mean_rgb, tf.float32)


def build(images, settings):
    """Return {"pool1", ..., "pool5", "fc7": tensor}. Pools round sizes up."""
    from fcn.models.encoders import _vgg_graph
    check(settings.widths, settings.variant)
    return _vgg_graph.build(images, settings.widths, settings.keep_prob, settings.dropout_seed, settings.variant
                           or Variants())


def layer_names(widths):
    """Names of the convolutions. widths: {name: channels}."""
    return tuple(widths)


def check(widths, variant):
    """Raise UsageError if the VGG has no layer `variant.last_layer`."""
    layer = variant.last_layer.replace("relu", "conv") if variant else "last"
    if layer != "last" and layer not in widths:
        raise errors.UsageError(f"--last-layer {variant.last_layer}: the VGG-16 in these weights has no such layer",
                                fix="give --last-layer last, or the weights of a VGG-19.")


def memory_map(widths, size_px, variant):
    """Return the MemoryMap of conv1_1, ..., pool1, ..., pool5, fc6, fc7.

    The workspace is that of fc6 (convolution.convolve_as_matmul): its patches and their intermediate result.
    """
    wide = _is_padded(variant)
    height, width = (side + 2 * (PADDED_PX - 1) * wide for side in size_px)
    found: dict[str, tuple[int, int, int]] = {}
    for stage in STAGES:
        names = of_stage(stage, widths)
        found |= {name: (height, width, widths[name]) for name in names}
        height, width = math.ceil(height / 2), math.ceil(width / 2)
        found[f"pool{stage}"] = height, width, widths[names[-1]]
    if wide:
        height, width = height - 6, width - 6
    found |= {name: (height, width, widths[name]) for name in published_nets.FULLY_CONNECTED}
    return MemoryMap(found, 2 * published_nets.side("fc6") ** 2 * height * width * found["pool5"][2])


def receptive_field(spans, widths, variant):
    """Propagate intervals of pixels back through the layers; see fcn/models/encoders.

    The receptive field of one cell of fc7 is 404 px in VGG-16, 460 in VGG-19, 428 in VGG-19 up to conv5_3.
    """
    wide, reach = _is_padded(variant), published_nets.side("fc6") // 2
    first, last = spans["fc7"]
    span = (first, last + 2 * reach) if wide else (first - reach, last + reach)
    for stage in reversed(STAGES):
        span = _union(span, spans.get(f"pool{stage}", span))
        reach = sum(published_nets.side(name) // 2 for name in _used(stage, widths, variant))
        span = 2 * span[0] - reach, 2 * span[1] + 1 + reach
    shift = PADDED_PX - 1 if wide else 0
    return span[0] - shift, span[1] - shift


def _is_padded(variant):
    return bool(variant) and variant.alignment == "pad100"


def of_stage(stage, widths):
    """Return the convolutions of a stage, 1 to 5."""
    return [name for name in widths if name.startswith(f"conv{stage}_")]


def _used(stage, widths, variant):
    """Return the convolutions of a stage on which its pool depends."""
    names = of_stage(stage, widths)
    if stage == len(STAGES) and variant and variant.last_layer != "last":
        return names[:names.index(f"conv{variant.last_layer[-3:]}") + 1]
    return names


def _union(one, other):
    return min(one[0], other[0]), max(one[1], other[1])
