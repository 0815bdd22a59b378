"""The net of the tutorial "Tensorflow - Segmentation" (sdeck51/CNNTutorials), its last notebook, after shekkizh's.

Its departures from the paper are the choices below: average pools under weights trained with maximum pools; relu5_3
into pool5, so that conv5_4 (2.36 M weights) is never used; random fc6 and fc7 although the file has them; a ReLU on
the scores; fusion of features, with 13.2 M fresh weights where FCN-8s has 0.1 M; normal weights of deviation 0.0001.
The author's training also has the label 0 for a class (recipe tutorial). Only its second ReLU after every layer is
left out: it changes nothing.
"""

from fcn.config.variants import Variants
from fcn.models.nets.fcn8s_shekkizh import DECODER, ENCODER, FUSED, head

__all__ = ["DECODER", "ENCODER", "FUSED", "VARIANT", "head"]

VARIANT = Variants(pool="avg", last_layer="relu5_3", fc="random", score_relu=True, fusion="features",
                   init_stddev=0.0001,
                   learn_upsampling=True)
