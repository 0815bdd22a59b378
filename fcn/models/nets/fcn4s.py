"""FCN-4s, trained in one stage: FCN-8s and the scores of pool2, for objects that are a few pixels wide.

Not published. By default, pools are not scaled; --pool-scaling scales pool4 and pool3 as in fcn8s_atonce.
"""

from fcn.config.variants import Variants

ENCODER, DECODER = "vgg", "fcn4s"
VARIANT = Variants()
