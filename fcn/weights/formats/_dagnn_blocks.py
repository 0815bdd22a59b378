"""The layers of a VGG or FCN as blocks of MatConvNet's DagNN, for both alignments.

"same": pools round sizes up, fc6 is padded by 3, and each upsampled map is cropped by half the factor on every side, as
in vlfeat/matconvnet-fcn. "pad100": only the image is padded, by 100 px, and crops with the offsets of voc-fcn*/net.py
align the streams, as in fcn.berkeleyvision.org.
"""

import dataclasses

import numpy as np

from fcn.models import published_nets
from fcn.models.published_nets import CROPS
from fcn.weights.formats import _heads

# Offset of the first row and column that a crop keeps, for alignment "pad100".
SKIPS = {f"score_{pool}": CROPS[pool] for pool in ("pool4", "pool3")}
OFFSETS = {"fcn32s": {"score": CROPS[32]}, "fcn16s": SKIPS | {"score": CROPS[16]}, "fcn8s": SKIPS | {"score": CROPS[8]},
           "fcn8s_atonce": SKIPS | {"score": CROPS[8]}}
# Stages with average pooling, for each value of --pool. Neither MatConvNet nor TensorFlow counts padding in an average.
AVERAGED = {"max": (), "avg": (1, 2, 3, 4, 5), "avg1to4": (1, 2, 3, 4)}


@dataclasses.dataclass
class Block:
    """One layer. params: {name: array}. options: {field of MatConvNet's block: value}."""

    name: str
    type: str
    inputs: tuple
    outputs: tuple
    params: dict
    options: dict


def blocks(weights):
    """Return the list of Blocks from "data" to "score" of an FCN, or to the last activation of a bare VGG.

    These fields of weights.variant have an effect: alignment, pool, last_layer (the input of pool5), pool_scaling,
    learn_upsampling.
    """
    net = _Net(weights)
    net.backbone()
    if weights.net is not None:
        net.head()
    return net.listed


def learning_rate(param, weights):
    """Return the published learning rate factor: 2 for biases, 0 for scales and fixed upsampling, else 1."""
    fixed = param.startswith("upscore") and not weights.variant.get("learn_upsampling")
    return 0.0 if fixed or param.startswith("scale") else 2.0 if param.endswith("_bias") else 1.0


class _Net:
    """Builds the list of blocks. Each method appends a block and returns the name of its output."""

    def __init__(self, weights):
        self.weights, self.listed = weights, []
        self.pad100 = weights.variant.get("alignment") == "pad100"
        self.pools = AVERAGED[weights.variant.get("pool", "max")]
        self.last_layer = weights.variant.get("last_layer", "last")

    def backbone(self):
        layers, x = self.weights.layers, "data"
        for stage in range(1, len(published_nets.STAGES) + 1):
            for name in (n for n in published_nets.convolutions(layers) if n[4] == str(stage)):
                x = self.conv(name, x, pad=100 if self.pad100 and name == "conv1_1" else 1)
                x = self.add(name.replace("conv", "relu"), "ReLU", (x,), leak=0.0)
            if stage == len(published_nets.STAGES) and self.last_layer != "last":
                x = self.last_layer
            x = self.add(f"pool{stage}", "Pooling", (x,), method="avg" if stage in self.pools else "max",
                         poolSize=_row(2, 2), stride=_row(2, 2), pad=_row(0, 1, 0, 1))
        for name in (n for n in published_nets.FULLY_CONNECTED if n in layers):
            x = self.conv(name, x, pad=3 if name == "fc6" and not self.pad100 else 0)
            x = self.add(name.replace("fc", "relu"), "ReLU", (x,), leak=0.0)
            if self.weights.net is not None:
                x = self.add(name.replace("fc", "drop"), "DropOut", (x,), rate=0.5)

    def head(self):
        net, pool = self.weights.net, {"score_pool4": "pool4", "score_pool3": "pool3"}
        scores, factors = _heads.NETS[net]
        x = self.conv("score_fr", "drop7", pad=0)
        for (name, factor), score in zip(factors.items(), (*scores[1:], None), strict=True):
            x = self.upsampling(name, x, factor)
            if score is None:
                self.crop("score", x, "data", OFFSETS[net]["score"] if self.pad100 else 0)
                continue
            below = pool[score]
            if self.weights.variant.get("pool_scaling", net == "fcn8s_atonce"):
                below = self.scale(f"scale_{below}", below, _heads.POOL_SCALES[score])
            skip = self.conv(score, below, pad=0)
            if self.pad100:
                skip = self.crop(f"{score}c", skip, x, OFFSETS[net][score])
            else:
                x = self.crop(f"{name}c", x, skip, 0)
            x = self.add(score.replace("score", "fuse"), "Sum", (x, skip))

    def add(self, name, kind, inputs, params=None, **options):
        self.listed.append(Block(name, f"dagnn.{kind}", tuple(inputs), (name,), params or {}, options))
        return name

    def conv(self, name, x, pad):
        kernel, bias = self.weights.layers[name]
        return self.add(name, "Conv", (x,), {f"{name}_filter": kernel, f"{name}_bias": bias.reshape(-1, 1)},
                        size=_row(*kernel.shape), hasBias=True, pad=_row(pad, pad, pad, pad), stride=_row(1, 1))

    def upsampling(self, name, x, factor):
        classes, groups = self.weights.layers["score_fr"][0].shape[3], 1
        if name in self.weights.layers:
            kernel = self.weights.layers[name][0]
        else:  # one group per class; the full kernel for factor 32 and 151 classes would be 373 MB, nearly all zeros
            kernel, groups = np.repeat(_heads.bilinear(factor)[:, :, None, None], classes, axis=3), classes
        cut = 0 if self.pad100 else factor // 2
        return self.add(name, "ConvTranspose", (x,), {f"{name}_filter": kernel}, size=_row(*kernel.shape),
                        hasBias=False, upsample=_row(factor, factor), crop=_row(cut, cut, cut, cut),
                        numGroups=float(groups))

    def crop(self, name, x, like, offset):
        """Crop x to the size of `like`, starting at row and column `offset`."""
        return self.add(name, "Crop", (x, like), crop=_row(offset, offset))

    def scale(self, name, x, factor):
        return self.add(name, "Scale", (x,), {f"{name}_mult": np.full((1, 1), factor, np.float32)},
                        size=_row(1, 1, 1, 1), hasBias=False)


def _row(*numbers):
    return np.array([numbers], float)
