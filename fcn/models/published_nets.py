"""Published nets as tables: VGG-19 and VGG-16, and the heads of the published FCNs.

VGG: configurations E and D of Simonyan & Zisserman (2015), table 1. A 2 x 2 max pool closes every stage. VGG-16 lacks
the fourth convolution of stages 3, 4 and 5 and is the body of the published FCNs; nothing else tells the two apart, so
a file's or net's layers say which one it is.

Heads (crops, scales and the kernel of interpolation): fcn.berkeleyvision.org, voc-fcn{32,16,8}s/net.py,
voc-fcn8s-atonce/net.py and surgery.py.
"""

import numpy as np

STAGES = (       # convolutions of VGG-19, channels; then the stride after the pool that closes the stage
    (2, 64),     #  2
    (2, 128),    #  4
    (4, 256),    #  8  pool3, fused last
    (4, 512),    # 16  pool4, fused first
    (4, 512),    # 32
)
FC_CHANNELS = 4096
CONVOLUTIONS = tuple(f"conv{stage}_{i + 1}" for stage, (count, _) in enumerate(STAGES, 1) for i in range(count))
ONLY_VGG19 = ("conv3_4", "conv4_4", "conv5_4")
BACKBONES = {"vgg19": CONVOLUTIONS, "vgg16": tuple(name for name in CONVOLUTIONS if name not in ONLY_VGG19)}
FULLY_CONNECTED = ("fc6", "fc7")


def backbone(names=None):
    """"vgg16" if there are names of layers and none that only VGG-19 has, else "vgg19"."""
    names = list(names or ())
    return "vgg16" if names and not any(name in ONLY_VGG19 for name in names) else "vgg19"


def convolutions(names=None):
    """The convolutions of the backbone that `names` (layers, or a dict by layer) belong to, from conv1_1 on."""
    return BACKBONES[backbone(names)]


def widths(known=None):
    """{layer: output channels} of the backbone that `known` (from the weights' file) belongs to, conv1_1 to fc7.

    Channels are the published ones unless `known` has others. fc6 and fc7 that `known` lacks are 8 times as wide as
    the last convolution, as published. Without `known` it is the published VGG-19.
    """
    known = known or {}
    table = {name: known.get(name, STAGES[int(name[4]) - 1][1]) for name in convolutions(known)}
    last = list(table.values())[-1]
    return table | {name: known.get(name, FC_CHANNELS * last // STAGES[-1][1]) for name in FULLY_CONNECTED}


def side(name):
    """Height and width of a layer's kernel."""
    return {"fc6": 7, "fc7": 1}.get(name, 3)


def last_of_stage(stage, names=None):
    """The last convolution before pool1 ... pool5 of the backbone that `names` belong to, e.g. conv4_3 of VGG-16."""
    return [name for name in convolutions(names) if name[4] == str(stage)][-1]


# How far a skip, or the last map by its factor, is cropped when conv1_1 is padded by 100 px. They follow from pads and
# kernel sizes; tests/models/test_alignment.py shows that nothing is shifted.
CROPS = {"pool4": 5, "pool3": 9, 32: 19, 16: 27, 8: 31}
# At-once training scales the pools so that all streams start with gradients of one size (PAMI 2017, section 4.3).
POOL_SCALES = {"pool4": 0.01, "pool3": 0.0001}


def bilinear_2d(size):
    """float64 (size, size): the interpolation weights of surgery.upsample_filt."""
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 else factor - 0.5
    line = 1 - np.abs(np.arange(size) - center) / factor
    return np.outer(line, line)
