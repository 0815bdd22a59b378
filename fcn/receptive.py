"""How far an output pixel sees: from the layers of a net, by going back through them with an interval of pixels.

The receptive field that is quoted of these nets (404 px of VGG-16, 460 of VGG-19, 428 of one that ends with conv5_3)
is the width of what one cell of fc6 sees; an output pixel is mixed of several cells, and may lie at the rim of one.
"""

from fcn.heads_table import CROPS
from fcn.vgg_table import side

STRIDES = {"pool3": 8, "pool4": 16}
PADDED_PX = 100


def margin(channels, choices, skips):
    """Px: an image's pixels that are farther away than this (in either axis) change nothing at an output pixel.

    The largest distance over all pixels and both sides; one pixel that is so far away does count, unless its weights
    happen to be 0. channels: {layer: ...} as in vgg_table.widths, choices: choices.Choices, skips: those of the net.
    """
    sees = [(pixel, seen(pixel, channels, choices, skips)) for pixel in range(32)]
    return max(max(pixel - first, last - pixel) for pixel, (first, last) in sees)


def seen(pixel, channels, choices, skips):
    """(first, last) input pixel along one axis that an output pixel depends on, in an image without end."""
    wide = choices.alignment == "pad100"
    stride = STRIDES[skips[-1][0]] if skips else 32
    shift = CROPS[stride] if wide else stride // 2  # half a stride is what SAME cuts off
    span, wanted = _upsampled((pixel + shift, pixel + shift), stride), {}
    for pool, _ in reversed(skips):
        shift = CROPS[pool] if wide else 0
        wanted[pool] = span[0] + shift, span[1] + shift
        shift = 0 if wide else 1
        span = _upsampled((span[0] + shift, span[1] + shift), 2)
    span = (span[0], span[1] + side("fc6") - 1) if wide else (span[0] - side("fc6") // 2, span[1] + side("fc6") // 2)
    for stage in (5, 4, 3, 2, 1):
        if f"pool{stage}" in wanted:
            span = _union(span, wanted[f"pool{stage}"])
        span = 2 * span[0], 2 * span[1] + 1
        reach = sum(side(name) // 2 for name in _used(channels, choices, stage))
        span = span[0] - reach, span[1] + reach
    shift = PADDED_PX - 1 if wide else 0
    return span[0] - shift, span[1] - shift


def _upsampled(span, factor):
    """The cells that pixels of a transposed convolution's full output are made of: size 2 factor, stride factor."""
    return -((2 * factor - 1 - span[0]) // factor), span[1] // factor


def _union(one, other):
    return min(one[0], other[0]), max(one[1], other[1])


def _used(channels, choices, stage):
    """The convolutions of a stage that the output depends on."""
    names = [name for name in channels if name.startswith(f"conv{stage}_")]
    if stage == 5 and choices.last_layer != "last":
        names = names[:names.index(f"conv{choices.last_layer[-3:]}") + 1]
    return names
