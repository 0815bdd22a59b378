"""Drawn scenes (drawing.py) as files in the layout and encoding of ADE20K's benchmark tree.

They stand in for the real photos where those are too much to fetch: in the demo, a test, a first try of a new net.
"""

import pathlib

import numpy as np
from PIL import Image

from fcn.data.demo.drawing import LABELS, draw

SPLITS = (("training", "train"), ("validation", "val"))  # folder, part of the file name


def class_names():
    """Names indexed by label: ("other", "wall", "building", ...)."""
    return ("other", *LABELS)


def write_scenes(root, training=256, validation=64, seed=0):
    """Draw scenes and write them below root as the benchmark does.

    images/<split>/ADE_<train|val>_00000001.jpg       8-bit RGB, a few with a single grey channel
    annotations/<split>/ADE_<train|val>_00000001.png  8-bit, one channel: indices into class_names()
    objectInfo.txt   a row per class: index, share of the labelled training pixels, images that hold it, name

    Raises FileExistsError if one of the folders of a split is there: nothing is replaced.
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
