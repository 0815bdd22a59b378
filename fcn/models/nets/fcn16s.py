"""FCN-16s: scores of fc7, upsampled by 2, plus scores of pool4; the sum is upsampled by 16.

Long, Shelhamer & Darrell (2015), section 4.2; fcn.berkeleyvision.org, voc-fcn16s/net.py. Second of three training
stages: initialised from a trained FCN-32s, with zeros in the new score_pool4.
"""

from fcn.config.variants import Variants

ENCODER, DECODER = "vgg", "fcn16s"
VARIANT = Variants()
