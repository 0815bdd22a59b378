"""The demo data set: drawn scenes in the layout of ADE20K, and a narrow VGG-19 in MatConvNet's format.

Both are generated from a seed. The same layout, cache and .mat reader process them as real data. Tests and benchmarks
use the scenes too.
"""

import io
import math
import pathlib

import numpy as np
from PIL import Image

from fcn.core import atomic_io, errors, ownership
from fcn.data.demo_drawing import LABELS, draw
from fcn.models.published_nets import CONVOLUTIONS

VERSION = 1  # increase when the generated scenes or weights change
TRAINING, VALIDATION = 768, 96
SPLITS = (("training", "train"), ("validation", "val"))  # folder, part of the file name
WIDTHS = {1: 8, 2: 16, 3: 32, 4: 48, 5: 48}
FC_WIDTH = 96
# He initialisation keeps the magnitude of activations. These factors give pool3, pool4, pool5 and fc7 about the
# magnitude that they have in the published VGG-19 on photos (root mean square 1000, 200, 8 and 1).
GAINS = {"conv3": 1.78, "conv4": 0.67, "conv5": 0.45, "fc6": 0.25, "fc7": 0.5}
MEAN_RGB = (123.68, 116.779, 103.939)  # ImageNet mean, as in the published file


def prepare(folder, seed=0):
    """Return (data folder, path of the .mat) of the demo in `folder`. Creates them if they do not exist.

    Raises DataError if one of the paths is occupied by something else.
    """
    folder = pathlib.Path(folder) / f"demo-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    data, weights = folder / "scenes", folder / "vgg19-narrow.mat"
    if not ownership.occupied(data):
        with atomic_io.making(data, sync=False) as aside:
            if not ownership.occupied(data):  # another process may have created it meanwhile
                write_scenes(aside, TRAINING, VALIDATION, seed)
    if not ownership.occupied(weights):
        file = io.BytesIO()
        write_mat(file, narrow_vgg(seed))
        atomic_io.write_whole(weights, file.getvalue())
    for path, is_there in ((data, data.is_dir()), (weights, weights.is_file())):
        if not is_there:
            raise errors.DataError("is not a file of the demo", where=path,
                                   fix="move it away, or give another --cache-dir.")
    return data, weights


def narrow_vgg(seed=0, widths=WIDTHS, fc_width=FC_WIDTH):
    """Return {layer: (kernel, bias)} of a VGG-19 with about an eighth of the channels and random weights.

    Activations have about the magnitude of the published net's, so that its scales on pool3 and pool4 fit here too.
    kernel: float32 (height, width, in, out). bias: float32 (out,), zeros.
    """
    rng, channels, layers = np.random.default_rng(seed), 3, {}
    for name in (*CONVOLUTIONS, "fc6", "fc7"):
        width = fc_width if name.startswith("fc") else widths[int(name[4])]
        side = {"fc6": 7, "fc7": 1}.get(name, 3)
        deviation = GAINS.get(name[:5], 1.0) * math.sqrt(2 / (side * side * channels))
        layers[name] = (rng.normal(0, deviation, (side, side, channels, width)).astype(np.float32),
                        np.zeros(width, np.float32))
        channels = width
    return layers


def write_mat(file, layers, release="beta16", kernel_order="hw", mean_rgb=MEAN_RGB):
    """Write {layer: (kernel, bias)} in MatConvNet's format. file: path or open binary file.

    release: "beta16" (mean under `normalization`, weights first in a layer) or "meta" (`meta.normalization`, weights
    third). kernel_order: "hw" or "wh", the first two axes of a stored kernel.
    """
    stored = []
    for name, (kernel, bias) in layers.items():
        weights = np.empty((1, 2), object)
        weights[0, 0] = kernel.transpose(1, 0, 2, 3) if kernel_order == "wh" else kernel
        weights[0, 1] = bias.reshape(1, -1)
        fields = {"weights": weights, "pad": np.zeros((1, 4)), "type": "conv", "name": name, "stride": np.ones((1, 2))}
        order = ("name", "type", "weights", "pad", "stride") if release == "meta" else fields
        stored += [{key: fields[key] for key in order}, {"type": "relu", "name": name.replace("conv", "relu")}]
    cell = np.empty((1, len(stored)), object)
    for i, fields in enumerate(stored):
        cell[0, i] = _struct(fields)
    mean = np.asarray(mean_rgb, np.float32)
    if release == "meta":
        extra = {"meta": _struct({"normalization": _struct({"averageImage": mean.reshape(1, 1, 3)})})}
    else:
        image = np.broadcast_to(mean, (224, 224, 3)).copy()
        extra = {"normalization": _struct({"averageImage": image})}
    import scipy.io  # takes 0.1 s; --help does without
    scipy.io.savemat(file, {"layers": cell, **extra})


def _struct(fields):
    struct = np.empty((1, 1), [(name, object) for name in fields])
    for name, value in fields.items():
        struct[name][0, 0] = value
    return struct


def class_names():
    """Return the class names, indexed by class id: ("other", "wall", "building", ...)."""
    return ("other", *LABELS)


def write_scenes(root, training=256, validation=64, seed=0):
    """Draw scenes and write them below root in the layout of the ADE20K benchmark. training, validation: numbers.

    images/<split>/ADE_<train|val>_00000001.jpg       8-bit RGB, a few with a single grey channel
    annotations/<split>/ADE_<train|val>_00000001.png  8-bit, one channel: indices into class_names()
    objectInfo.txt   a row per class: index, share of the labelled training pixels, images that contain it, name

    Raises FileExistsError if the folder of a split exists; nothing is overwritten.
    """
    root = pathlib.Path(root)
    pixels = np.zeros((len(SPLITS), len(LABELS) + 1), np.int64)
    images = np.zeros_like(pixels)
    for split, ((folder, prefix), count) in enumerate(zip(SPLITS, (training, validation), strict=True)):
        photos, labels = root / "images" / folder, root / "annotations" / folder
        photos.mkdir(parents=True)
        labels.mkdir(parents=True)
        for i in range(1, count + 1):
            photo, label = draw(seed, split, i)
            name = f"ADE_{prefix}_{i:08d}"
            Image.fromarray(photo).save(photos / f"{name}.jpg", quality=90)
            Image.fromarray(label).save(labels / f"{name}.png")
            found = np.bincount(label.ravel(), minlength=pixels.shape[1])
            pixels[split] += found
            images[split] += found > 0
    ratio = pixels[0] / max(pixels[0, 1:].sum(), 1)
    rows = [f"{i}\t{ratio[i]:.4f}\t{images[0, i]}\t{images[1, i]}\t{name}" for name, i in LABELS.items()]
    with (root / "objectInfo.txt").open("x") as file:
        file.write("\n".join(["Idx\tRatio\tTrain\tVal\tName", *rows]) + "\n")
