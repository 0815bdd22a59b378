"""FCN-32s: the scores of fc7, upsampled 32 times by one bilinear layer.

Long, Shelhamer & Darrell (2015), section 4.1; fcn.berkeleyvision.org, voc-fcn32s/net.py. The first of three stages.
"""

from fcn import heads, vgg
from fcn.choices import Choices

CHOICES = Choices()
SKIPS = ()


def build(images, num_classes, channels, keep_prob, seed, choices=CHOICES):
    """Logits float32 as Blocks, for images of any size; arguments as in vgg.build."""
    ends = vgg.build(images, channels, keep_prob, seed, choices)
    return heads.build(ends, images, num_classes, SKIPS, ("upscore", 32), choices)
