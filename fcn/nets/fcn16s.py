"""FCN-16s: the scores of fc7, upsampled twice, plus those of pool4; the sum upsampled 16 times.

Long, Shelhamer & Darrell (2015), section 4.2; fcn.berkeleyvision.org, voc-fcn16s/net.py. The second of three stages:
it starts from a trained FCN-32s, its new score_pool4 from zero.
"""

from fcn import heads, vgg
from fcn.choices import Choices

CHOICES = Choices()
SKIPS = (("pool4", "upscore2"),)


def build(images, num_classes, channels, keep_prob, seed, choices=CHOICES):
    """Logits float32 as Blocks, for images of any size; arguments as in vgg.build."""
    ends = vgg.build(images, channels, keep_prob, seed, choices)
    return heads.build(ends, images, num_classes, SKIPS, ("upscore16", 16), choices)
