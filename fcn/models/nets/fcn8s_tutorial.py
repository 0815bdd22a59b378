"""The net of the tutorial "Tensorflow - Segmentation" (sdeck51/CNNTutorials, last notebook), based on shekkizh's.

Differences from the paper: average pooling, though the weights were trained with max pooling; pool5 takes relu5_3, so
conv5_4 (2.36 M weights) is unused; fc6 and fc7 are initialised randomly although the file has them; a ReLU on the
scores; features are fused instead of scores, with 13.2 M new weights instead of 0.1 M; standard deviation 0.0001. The
tutorial also trains label 0 as a class (recipe tutorial). Its second ReLU after every layer has no effect and is
omitted here.
"""

from fcn.config.variants import Variants
from fcn.models.nets.fcn8s_shekkizh import DECODER, ENCODER, FUSED, head

__all__ = ["DECODER", "ENCODER", "FUSED", "VARIANT", "head"]

VARIANT = Variants(pool="avg", last_layer="relu5_3", fc="random", score_relu=True, fusion="features",
                   init_stddev=0.0001,
                   learn_upsampling=True)
