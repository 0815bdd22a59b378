"""FCN-8s, trained in one stage: fcn8s with pool4 multiplied by 0.01 and pool3 by 0.0001 before their score layers.

The scales give all three streams gradients of similar magnitude, so that one training stage replaces three. Shelhamer,
Long & Darrell (PAMI 2017), section 4.3; fcn.berkeleyvision.org, voc-fcn8s-atonce/net.py.
"""

from fcn.config.variants import Variants

ENCODER, DECODER = "vgg", "fcn8s"
VARIANT = Variants(pool_scaling=True)
