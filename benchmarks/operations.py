#!/usr/bin/env python3
"""Arithmetic operations of a net, counted from shapes. A multiply-add is two operations; only convolutions are counted.

    python benchmarks/operations.py [--net fcn8s_tutorial] [--size 224x224] [--classes 151] [--share 1]

Prints one row per layer. A training step is the forward pass and, at the same cost each, the gradients to kernel and
input. The first layer needs no gradient to its input, and a fixed kernel none to itself. Operations that a faster
algorithm saves (Winograd, padding of fc6) are counted too.
"""

import argparse
import dataclasses
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring

from fcn.config import parsers
from fcn.models import published_nets

NETS = {"fcn8s_tutorial": ("features", "conv5_3"), "fcn8s": ("scores", "last"), "fcn8s_atonce": ("scores", "last"),
        "fcn32s": ("scores", "last")}  # fusion, last convolution used
BILINEAR = ("dense", "blocks")
SIDE, PRODUCTS = 4096, 5  # contenders/gemm.py: size of its matrices, matrix products per step
PEAK_STEP = PRODUCTS * 2 * SIDE ** 3


@dataclasses.dataclass(frozen=True)
class Layer:
    """Cost of one layer.

    forward: operations in the forward pass of one image. gradients: number of gradients of the same cost in the
    backward pass.
    weights: numbers in a trained kernel.
    """

    name: str
    forward: int
    weights: int
    gradients: int = 2

    @property
    def step(self):
        """Operations in the forward and backward pass of one image."""
        return self.forward * (1 + self.gradients)


def convolution(name, height_width, size, channels_in, channels_out, gradients=2):
    """Return the Layer of a size x size convolution to height x width, or of a transposed one from height x width."""
    weights = size * size * channels_in * channels_out
    return Layer(name, 2 * math.prod(height_width) * weights, weights, gradients)


def layers(net, size, classes, channels=None, bilinear="dense"):
    """Return the Layers of a net for one image of size (height, width). Pools round sizes up (alignment "same").

    channels: {layer: channels}, VGG-19's if None. bilinear: fixed upsampling as a "dense" transposed convolution from
    all classes to all classes, or in "blocks" with four inputs per pixel, as this project does.
    """
    fusion, last = NETS[net]
    channels = channels or published_nets.widths()
    found, before, sizes = [], 3, [size]
    used = [name for name in channels if name.startswith("conv")]
    used = used if last == "last" else used[:used.index(last) + 1]
    for name in used:
        while len(sizes) < int(name[4]):
            sizes.append(half(sizes[-1]))
        found.append(convolution(name, sizes[-1], 3, before, channels[name], 2 if found else 1))
        before = channels[name]
    pools = {3: half(sizes[2]), 4: half(sizes[3]), 5: half(sizes[4])}
    for name in published_nets.FULLY_CONNECTED:
        found.append(convolution(name, pools[5], published_nets.side(name), before, channels[name]))
        before = channels[name]
    depths = {stage: channels[published_nets.last_of_stage(stage, channels)] for stage in (3, 4)}
    found.append(convolution("score_fr", pools[5], 1, before, classes))
    if net == "fcn32s":
        return [*found, _bilinear("upscore", pools[5], 32, classes, bilinear)]
    return found + (_features(pools, depths, classes) if fusion == "features" else
                    _scores(pools, depths, classes, bilinear))


def _features(pools, depths, classes):
    """Return the learned transposed convolutions to the channels of pool4 and pool3, then to the classes."""
    return [convolution("deconv1", pools[5], 4, classes, depths[4]),
            convolution("deconv2", pools[4], 4, depths[4], depths[3]),
            convolution("deconv3", pools[3], 16, depths[3], classes)]


def _scores(pools, depths, classes, bilinear):
    """Return the score layers of pool4 and pool3 and fixed bilinear upsampling of all classes."""
    return [convolution("score_pool4", pools[4], 1, depths[4], classes),
            convolution("score_pool3", pools[3], 1, depths[3], classes),
            *(_bilinear(name, pools[pool], factor, classes, bilinear)
              for name, pool, factor in (("upscore2", 5, 2), ("upscore_pool4", 4, 2), ("upscore8", 3, 8)))]


def _bilinear(name, height_width, factor, classes, bilinear):
    height, width = height_width
    dense = 2 * height * width * (2 * factor * classes) ** 2
    blocks = 2 * 4 * classes * factor * factor * (height + 1) * (width + 1)
    return Layer(name, dense if bilinear == "dense" else blocks, 0, 1)


def net_of(label):
    """Return the net of a contender such as "ours:fcn32s-float32"; without a prefix, that of the tutorial."""
    prefix = label.partition(":")[2].partition("-")[0]
    return prefix if prefix in NETS else "fcn8s_tutorial"


def half(size):
    return tuple(math.ceil(side / 2) for side in size)


def forward(*arguments, **options):
    """Return the operations in the forward pass of one image. Arguments as in layers()."""
    return sum(layer.forward for layer in layers(*arguments, **options))


def training(*arguments, **options):
    """Return the operations in a training step per image. Arguments as in layers()."""
    return sum(layer.step for layer in layers(*arguments, **options))


def weights(*arguments, **options):
    """Return how many numbers the trained kernels have. Arguments as in layers()."""
    return sum(layer.weights for layer in layers(*arguments, **options))


def of_job(job, *arguments, **options):
    """Return forward() for "predict", training() for "train"."""
    return (training if job == "train" else forward)(*arguments, **options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", choices=NETS, default="fcn8s_tutorial")
    parser.add_argument("--size", type=parsers.parse_size, default=(224, 224))
    parser.add_argument("--classes", type=int, default=151)
    parser.add_argument("--share", type=float, default=1.0, help="share of VGG-19's channels")
    parser.add_argument("--bilinear", choices=BILINEAR, default="dense")
    given = parser.parse_args()
    found = layers(given.net, given.size, given.classes, measuring.widths(given.share), given.bilinear)
    print("| layer | forward, G | training, G |\n|---|---|---|")
    for layer in found:
        print(f"| {layer.name} | {layer.forward / 1e9:.2f} | {layer.step / 1e9:.2f} |")
    together = sum(layer.forward for layer in found), sum(layer.step for layer in found)
    print("| all | {:.2f} | {:.1f} |".format(*(count / 1e9 for count in together)))


if __name__ == "__main__":
    main()
