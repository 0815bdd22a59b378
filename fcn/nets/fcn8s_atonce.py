"""FCN-8s, trained at once: as fcn8s, but pool4 x 0.01 and pool3 x 0.0001 before they are scored.

So all three streams start with gradients of one size, and one stage does for three: Shelhamer, Long & Darrell (PAMI
2017), section 4.3; fcn.berkeleyvision.org, voc-fcn8s-atonce/net.py.
"""

from fcn import heads, vgg
from fcn.choices import Choices

CHOICES = Choices(pool_scaling=True)
SKIPS = (("pool4", "upscore2"), ("pool3", "upscore_pool4"))


def build(images, num_classes, channels, keep_prob, seed, choices=CHOICES):
    """Logits float32 as Blocks, for images of any size; arguments as in vgg.build."""
    ends = vgg.build(images, channels, keep_prob, seed, choices)
    return heads.build(ends, images, num_classes, SKIPS, ("upscore8", 8), choices)
