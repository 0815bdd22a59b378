"""Published nets as tables: VGG-19 and VGG-16, and the heads of the published FCNs.

VGG: configurations E and D of Simonyan & Zisserman (2015), table 1. Each stage ends with a 2 x 2 max pool. VGG-16 is
the encoder of the published FCNs. It differs from VGG-19 only in the fourth convolution of stages 3, 4 and 5, which it
does not have; the names of the layers therefore identify the two.

Heads (crops, scales and interpolation kernel): fcn.berkeleyvision.org, voc-fcn{32,16,8}s/net.py,
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
    """Return "vgg16" if `names` is not empty and has no layer that only VGG-19 has, else "vgg19"."""
    names = list(names or ())
    return "vgg16" if names and not any(name in ONLY_VGG19 for name in names) else "vgg19"


def convolutions(names=None):
    """Return the convolutions, from conv1_1 on, of the backbone to which `names` (layers or a dict of them) belong."""
    return BACKBONES[backbone(names)]


def widths(known=None):
    """Return {layer: output channels} of a VGG, conv1_1 to fc7. known: the same of a weight file, maybe incomplete.

    Its layers select VGG-16 or VGG-19. Layers that are not in `known` have their published width; fc6 and fc7 are 8
    times as wide as the last convolution, as published. Without `known`: the published VGG-19.
    """
    known = known or {}
    table = {name: known.get(name, STAGES[int(name[4]) - 1][1]) for name in convolutions(known)}
    last = list(table.values())[-1]
    return table | {name: known.get(name, FC_CHANNELS * last // STAGES[-1][1]) for name in FULLY_CONNECTED}


def side(name):
    """Return the height (and width) of a layer's kernel."""
    return {"fc6": 7, "fc7": 1}.get(name, 3)


def last_of_stage(stage, names=None):
    """Return the last convolution of a stage of the backbone to which `names` belong, e.g. conv4_3 for VGG-16."""
    return [name for name in convolutions(names) if name[4] == str(stage)][-1]


# Crop offsets with alignment pad100: of a skip connection by its pool, of the last upsampled map by its factor. They
# follow from paddings and kernel sizes; tests/models/test_alignment.py checks that nothing is shifted. Those of pool2
# and factor 4 (decoders/fcn4s.py) are not published, but follow in the same way.
CROPS = {"pool4": 5, "pool3": 9, "pool2": 17, 32: 19, 16: 27, 8: 31, 4: 33}
# fcn8s_atonce scales the pools to give all streams gradients of similar magnitude (PAMI 2017, section 4.3).
POOL_SCALES = {"pool4": 0.01, "pool3": 0.0001}


def bilinear_2d(size):
    """Return the bilinear filter of surgery.upsample_filt, float64 (size, size)."""
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 else factor - 0.5
    line = 1 - np.abs(np.arange(size) - center) / factor
    return np.outer(line, line)
