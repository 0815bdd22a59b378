"""Protocol of Boundary IoU: only pixels near a boundary count, so thin objects and contours decide."""

from fcn.metrics import boundary
from fcn.metrics.protocols import benchmark, berkeley

SIZE = "original"
TEXT = f"original size, pixels within {boundary.TOLERANCE:.0%} of the image's diagonal of a boundary or of the " \
       "image's border, summed over all images, means over the classes that occur; IoU is the Boundary IoU, the " \
       "F-score its Dice coefficient (Cheng et al., CVPR 2021)"
scored = benchmark.scored
boundary_sums = boundary.sums
compute = berkeley.compute
ratios = berkeley.ratios
