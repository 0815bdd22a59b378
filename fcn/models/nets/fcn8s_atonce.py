"""FCN-8s, trained at once: as fcn8s, but pool4 x 0.01 and pool3 x 0.0001 before they are scored.

So all three streams start with gradients of one size, and one stage does for three: Shelhamer, Long & Darrell (PAMI
2017), section 4.3; fcn.berkeleyvision.org, voc-fcn8s-atonce/net.py.
"""

from fcn.config.variants import Variants
from fcn.models.nets.fcn8s import DECODER, ENCODER, FUSED, head

__all__ = ["DECODER", "ENCODER", "FUSED", "VARIANT", "head"]

VARIANT = Variants(pool_scaling=True)
