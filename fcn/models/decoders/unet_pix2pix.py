"""U-Net with the upsampling blocks of pix2pix, as in TensorFlow's segmentation tutorial and its many copies.

Isola et al. (2017), with upsample(filters, 3) of tensorflow_examples/models/pix2pix/pix2pix.py: each block doubles the
size by a transposed convolution 3 x 3 of stride 2 without bias, then batch normalisation and ReLU; the encoder's
feature of that stride is appended. A last transposed convolution of stride 2, with a bias, gives the scores.

An encoder of stride 32 has four blocks of 512, 256, 128 and 64 channels. One of stride 16 has the last three.
"""

from fcn.models import layers
from fcn.models.decoders import _skips
from fcn.models.tf_compat import tf

CHANNELS = (512, 256, 128, 64)
INITIAL_STDDEV = 0.02  # of a normal distribution, pix2pix.py


def build(features, num_classes, settings):
    """Logits, as the contract of fcn/models/decoders says."""
    return decode(features, num_classes, settings, 3)


def decode(features, num_classes, settings, size):
    """Return the scores, float32 (N, H, W, num_classes). size: of the kernels, 3 or 4."""
    coarsest, skips = _skips.split(features, settings.strides)
    x, init = features[coarsest], layers.normal(INITIAL_STDDEV)
    blocks = skips[:-1]
    for number, (skip, channels) in enumerate(zip(blocks, CHANNELS[-len(blocks):], strict=True), 1):
        x = layers.upconv(x, f"up{number}_conv", size, channels, init)
        x = tf.nn.relu(layers.batch_norm(x, f"up{number}_bn", settings.training))
        if skip is not None:
            x = tf.concat([x, features[skip]], axis=3)
    x = tf.cast(x, tf.float32)
    return layers.upconv(x, "final_upconv", size, num_classes, layers.glorot_uniform, bias=True)


def pads_image(strides):
    """See fcn/models/decoders."""
    return True
