"""FCN-32s: scores of fc7, upsampled by 32 in one bilinear layer.

Long, Shelhamer & Darrell (2015), section 4.1; fcn.berkeleyvision.org, voc-fcn32s/net.py. First of three training
stages.
"""

from fcn.config.variants import Variants

ENCODER, DECODER = "vgg", "fcn32s"
VARIANT = Variants()
