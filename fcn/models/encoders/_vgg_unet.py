"""VGG as the encoder of a U-Net (vgg16.py, vgg19.py): without fc6 and fc7, and with a feature of stride 1.

The features are those of segmentation_models: the last convolution of each stage after its ReLU, and the last pool.
"""

from fcn.core import errors
from fcn.models import layers, published_nets
from fcn.models.encoders import vgg
from fcn.models.tf_compat import tf

preprocess = vgg.preprocess


def widths(backbone, known):
    """Return {layer: output channels}. known: the same of a weight file. backbone: "vgg16" or "vgg19".

    Raises UsageError for the weights of the other VGG.
    """
    stored = published_nets.backbone(known)
    if any(name in known for name in published_nets.CONVOLUTIONS) and stored != backbone:
        raise errors.UsageError(f"the weights are of {stored}, the encoder is {backbone}",
                                fix=f"give a net on {stored}, such as --net unet_{stored}.")
    return {name: known.get(name, published_nets.STAGES[int(name[4]) - 1][1])
            for name in published_nets.BACKBONES[backbone]}


def features(widths, variant):
    """Return ((name, stride, channels), ...): relu1_2 (stride 1) to relu5_3 or relu5_4 (16), and pool5 (32)."""
    last = [vgg.of_stage(stage, widths)[-1] for stage in vgg.STAGES]
    found = [(name.replace("conv", "relu"), 2 ** number, widths[name]) for number, name in enumerate(last)]
    return (*found, ("pool5", 32, widths[last[-1]]))


def build(images, settings):
    """Return {"relu1_2", ..., "pool5": tensor}. Pools round sizes up."""
    x, found = images, {}
    for stage in vgg.STAGES:
        for name in vgg.of_stage(stage, settings.widths):
            x = tf.nn.relu(layers.conv(x, name, 3, settings.widths[name]))
        found[name.replace("conv", "relu")] = x
        x = layers.max_pool(x)
    return found | {"pool5": x}


def layer_names(widths):
    """Names of the convolutions. widths: {name: channels}."""
    return tuple(widths)
