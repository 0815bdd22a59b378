"""U-Net as in segmentation_models (qubvel): upsample, concatenate, two 3 x 3 convolutions with batch normalisation.

Ronneberger, Fischer & Brox (2015), with the decoder of segmentation_models/models/unet.py (block type "upsampling"):
each of the steps from the coarsest feature to the image doubles the size by repeating pixels, appends the encoder's
last feature of that stride, if there is one, and applies convolution, batch normalisation and ReLU twice. Layers have
the names of that file. An encoder that ends with a pool, as VGG does, gets two more convolutions before the first step.
"""

from fcn.models import layers
from fcn.models.decoders import _skips
from fcn.models.tf_compat import tf

CHANNELS = (256, 128, 64, 32, 16)  # after each step; an encoder of stride 16 has the first four
CENTER_CHANNELS = 512


def build(features, num_classes, settings):
    """Logits, as the contract of fcn/models/decoders says."""
    coarsest, skips = _skips.split(features, settings.strides)
    x, training = features[coarsest], settings.training
    if coarsest.startswith("pool"):
        for number in (1, 2):
            x = conv_bn_relu(x, f"center_block{number}", CENTER_CHANNELS, training)
    for number, (skip, channels) in enumerate(zip(skips, CHANNELS, strict=False)):
        name = f"decoder_stage{number}"
        x = layers.upsampled_conv(x, f"{name}a_conv", channels, layers.he_uniform, features.get(skip))
        x = tf.nn.relu(layers.batch_norm(x, f"{name}a_bn", training))
        x = conv_bn_relu(x, f"{name}b", channels, training)
    return layers.conv(tf.cast(x, tf.float32), "final_conv", 3, num_classes, layers.glorot_uniform)


def conv_bn_relu(x, name, channels, training):
    """Convolution 3 x 3 without bias, batch normalisation and ReLU: layers <name>_conv and <name>_bn."""
    x = layers.conv(x, f"{name}_conv", 3, channels, layers.he_uniform, bias=False)
    return tf.nn.relu(layers.batch_norm(x, f"{name}_bn", training))


def pads_image(strides):
    """See fcn/models/decoders."""
    return True
