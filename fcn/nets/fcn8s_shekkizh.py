"""The net of shekkizh/FCN.tensorflow (FCN.py), from which many ports descend.

Its departures from the paper are the choices below: average pools 1 to 4; conv5_3 before its ReLU into pool5 (issues
#7, #25, #46, #94), so that conv5_4 is never used; random fc6 and fc7; fusion of features (#11, #112); normal weights
of deviation 0.02, with which the first loss is in the hundreds (#1).
"""

from fcn import heads, vgg
from fcn.choices import Choices

CHOICES = Choices(pool="avg1to4", last_layer="conv5_3", fc="random", fusion="features", init_stddev=0.02,
                  learn_upsampling=True)
SKIPS = (("pool4", "upscore2"), ("pool3", "upscore_pool4"))


def build(images, num_classes, channels, keep_prob, seed, choices=CHOICES):
    """Logits float32 as Blocks, for images of any size; arguments as in vgg.build."""
    ends = vgg.build(images, channels, keep_prob, seed, choices)
    return heads.build(ends, images, num_classes, SKIPS, ("upscore8", 8), choices)
