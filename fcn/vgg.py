"""VGG-19 (vgg_table.py) as a fully convolutional body: the tensors that heads may fuse.

Fully connected layers are convolutions, as in Long et al. (2015), section 4.1: fc6 is 7 x 7 and fc7 is 1 x 1.
"""

from fcn import layers
from fcn.vgg_table import STAGES


def build(images, channels, keep_prob, seed):
    """{name: tensor} of pool3 (stride 8), pool4 (16), pool5 and fc7 (32); sizes are rounded up at every pool.

    images: (N, H, W, 3) RGB less the mean colour, float32 or bfloat16; channels: as vgg_table.widths() gives them;
    keep_prob: scalar; seed: int32 (2,) of the dropout after fc6 and fc7.
    """
    ends, x = {}, images
    for stage, (count, _) in enumerate(STAGES, 1):
        for i in range(count):
            name = f"conv{stage}_{i + 1}"
            x = layers.conv(x, name, 3, channels[name], relu=True)
        x = ends[f"pool{stage}"] = layers.max_pool(x)
    for number, (name, size) in enumerate((("fc6", 7), ("fc7", 1))):
        x = layers.conv(x, name, size, channels[name], relu=True)
        x = layers.dropout(x, keep_prob, seed * [1, 2] + [0, number])  # no two masks of a run alike
    return ends | {"fc7": x}
