"""FCN-4s, trained in one stage: FCN-8s and the scores of pool2, for objects that are a few pixels wide.

Not published. Pools are not scaled: `pool_scaling` was made for SGD, while a step of Adam does not depend on the size
of a gradient (docs/ablation.md).
"""

from fcn.config.variants import Variants

ENCODER, DECODER = "vgg", "fcn4s"
VARIANT = Variants()
