"""FCN-8s, staged: scores of fc7, pool4 and pool3 are upsampled bilinearly and added, figure 3 of the paper.

Long, Shelhamer & Darrell (2015), section 4.2; fcn.berkeleyvision.org, voc-fcn8s/net.py. The last of three stages: it
starts from a trained FCN-16s, its new score_pool3 from zero. To train it from VGG alone take fcn8s_atonce.
"""

from fcn import heads, vgg
from fcn.choices import Choices

CHOICES = Choices()
SKIPS = (("pool4", "upscore2"), ("pool3", "upscore_pool4"))


def build(images, num_classes, channels, keep_prob, seed, choices=CHOICES):
    """Logits float32 as Blocks, for images of any size; arguments as in vgg.build."""
    ends = vgg.build(images, channels, keep_prob, seed, choices)
    return heads.build(ends, images, num_classes, SKIPS, ("upscore8", 8), choices)
