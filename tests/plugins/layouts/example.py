"""Images and labels beside each other: SPLIT/NAME.jpg and SPLIT/NAME.npy."""

import pathlib

from fcn.data.spec import DatasetSpec, Listing, Pair

EXPECTED = "the example layout has SPLIT/NAME.jpg and SPLIT/NAME.npy"


def recognise(root):
    return "training/ holds .npy files" if any(pathlib.Path(root).glob("training/*.npy")) else ""


def spec(root, classes="", ignore_label=None):
    return DatasetSpec(("ground", "blob"), ignore_label or (), encoding="example")


def listing(root, split):
    labels = sorted((pathlib.Path(root) / split).glob("*.npy"))
    return Listing([Pair(label.stem, label.with_suffix(".jpg"), label) for label in labels])
