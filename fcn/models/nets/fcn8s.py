"""FCN-8s, trained in stages: scores of fc7, pool4 and pool3 are upsampled bilinearly and added (figure 3 of the paper).

Long, Shelhamer & Darrell (2015), section 4.2; fcn.berkeleyvision.org, voc-fcn8s/net.py. Last of three training stages:
initialised from a trained FCN-16s, with zeros in the new score_pool3. To train from VGG in one stage, use fcn8s_atonce.
"""

from fcn.config.variants import Variants

ENCODER, DECODER = "vgg", "fcn8s"
VARIANT = Variants()
