"""Folder structures and label files that users bring: what is detected, and how many pixels each class gets.

Every label has four equal stripes, so a class that is on n of them has n quarters of all pixels.
"""

import types

import numpy as np
import pytest
from PIL import Image

from fcn.cli import inspect
from fcn.data import class_counts
from fcn.data.layouts import _auto

HEIGHT, WIDTH = 8, 16
NOISE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def stripes(*values, dtype=np.uint8):
    return np.repeat(np.array([values], dtype), WIDTH // len(values), 1).repeat(HEIGHT, 0)


def planes(*channels):
    return np.dstack(channels)


def alpha():
    return stripes(255)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)


def tree(root, image, label, names, array):
    """An image and a label for each name, which replaces {} in the two paths."""
    for name in names:
        save(root / image.format(name), NOISE)
        save(root / label.format(name), array)


def flat(n):
    return [f"p{i}" for i in range(n)]


MASK, IDS = stripes(0, 0, 255, 255), stripes(0, 1, 2, 2)
HALVES, QUARTERS = {0: 2, 1: 2}, {0: 1, 1: 1, 2: 2}
DRAWN = {"training": 9, "validation": 1}
SPLIT_NAMES = ["train/a", "train/b", "train/c", "val/d", "val/e"]
SPLITS = {"training": 3, "validation": 2}
# image and label paths, names, label; then the expected layout, pairs of each split and quarters of each class id
TREES = {
    "sub-folders": ("Images/{}.png", "Masks/{}.png", [f"{folder}/{name}" for folder in "1234" for name in "abc"], MASK,
                    "pattern", {"training": 10, "validation": 2}, HALVES),
    "splits inside": ("images/{}.jpg", "masks/{}.png", SPLIT_NAMES, IDS, "pattern", SPLITS, QUARTERS),
    "suffix _mask": ("images/{}.jpg", "masks/{}_mask.png", flat(10), MASK, "binary_masks", DRAWN, HALVES),
    "suffix _gt": ("images/{}.jpg", "masks/{}_gt.png", flat(10), MASK, "binary_masks", DRAWN, HALVES),
    "suffix _labelIds": ("images/{}.jpg", "masks/{}_labelIds.png", flat(10), MASK, "binary_masks", DRAWN, HALVES),
    "alpha": ("images/{}.png", "targets/{}.png", flat(10), planes(IDS, IDS, IDS, alpha()), "paired", DRAWN, QUARTERS),
    "grey and alpha": ("images/{}.png", "targets/{}.png", flat(10), planes(IDS, alpha()), "paired", DRAWN, QUARTERS),
    "16-bit masks": ("images/{}.png", "masks/{}.png", flat(10), MASK.astype(np.uint16), "binary_masks", DRAWN, HALVES),
    "TIFF": ("images/{}.tif", "targets/{}.tif", flat(10), IDS, "paired", DRAWN, QUARTERS),
    "NumPy labels": ("images/{}.png", "targets/{}.npy", flat(10), IDS.astype(np.int64), "paired", DRAWN, QUARTERS),
    "GIF masks": ("images/{}.jpg", "masks/{}_mask.gif", flat(10), MASK, "binary_masks", DRAWN, HALVES),
}


def found(root):
    """(name of the layout, DatasetSpec, {split: pairs}, {id: quarters of all pixels}) of a data set, as detected."""
    settings = types.SimpleNamespace(data=root, layout="auto", images="", labels="")
    choice = _auto.chosen(settings)
    layout = _auto.of(types.SimpleNamespace(**{"images": "", "labels": "", **choice.settings()}))
    listings = class_counts.listings(layout, root)
    pairs = [pair for listing in listings.values() for pair in listing.pairs]
    assert not [problem for listing in listings.values() for problem in listing.problems]
    spec = layout.spec(root)
    counts = class_counts.count(pairs, spec)
    pixels = counts.pixels
    assert not counts.problems
    quarters = {int(i): pixels[i] * 4 / pixels.sum() for i in np.flatnonzero(pixels)}
    return choice.layout, spec.counted(pixels), {name: len(part.pairs) for name, part in listings.items()}, quarters


@pytest.mark.parametrize("name", TREES)
def test_tree_is_read_without_flags(tmp_path, name):
    image, label, names, array, layout, pairs, quarters = TREES[name]
    tree(tmp_path, image, label, names, array)
    assert found(tmp_path)[0::2] + found(tmp_path)[3:] == (layout, pairs, quarters)
    assert found(tmp_path)[1].scored_ids == tuple(quarters)


def test_splits_with_sub_folders(tmp_path):
    for split in ("train", "valid"):
        tree(tmp_path, f"{split}/images/{{}}.png", f"{split}/masks/{{}}.png", ["1/a", "1/b", "2/a"], MASK)
    layout, _, pairs, quarters = found(tmp_path)
    assert (layout, pairs, quarters) == ("binary_masks", {"training": 3, "validation": 3}, HALVES)


def test_cityscapes_train_ids(tmp_path):
    tree(tmp_path, "leftImg8bit/{}_leftImg8bit.png", "gtFine/{}_gtFine_labelTrainIds.png",
         ["train/aachen/aachen_1", "train/ulm/ulm_1", "val/lindau/lindau_1"], stripes(0, 1, 18, 255))
    layout, spec, pairs, quarters = found(tmp_path)
    assert (layout, pairs) == ("cityscapes", {"training": 2, "validation": 1})
    assert quarters == {0: 1, 1: 1, 18: 1, 255: 1} and spec.ignored_ids == (255,)
    assert (spec.num_classes, spec.class_names[18], spec.colours[0]) == (19, "bicycle", (128, 64, 128))


def test_cityscapes_label_ids_become_train_ids(tmp_path):
    tree(tmp_path, "leftImg8bit/{}_leftImg8bit.png", "gtFine/{}_gtFine_labelIds.png",
         ["train/aachen/aachen_1", "val/lindau/lindau_1"], stripes(7, 33, 9, 0))  # road, bicycle, parking, unlabelled
    layout, spec, _, quarters = found(tmp_path)
    assert (layout, quarters, spec.num_classes) == ("cityscapes", {0: 1, 18: 1, 255: 2}, 19)


def test_deepdiva_dataset_counts_its_classes(tmp_path):
    for split, count in (("train", 3), ("val", 2), ("test", 2)):
        tree(tmp_path, f"{split}/data/{{}}.png", f"{split}/gt/{{}}.png", flat(count),
             planes(stripes(0), stripes(0), stripes(0, 1, 2, 3)))
    _, spec, pairs, quarters = found(tmp_path)
    assert pairs == {"training": 3, "validation": 2, "test": 2}
    assert quarters == {0: 1, 1: 1, 2: 1, 3: 1} and spec.ignored_ids in ((), (255,)) and spec.num_classes == 4


def test_16_bit_ids_are_classes(tmp_path):
    tree(tmp_path, "images/{}.png", "targets/{}.png", flat(10), stripes(0, 1, 256, 299, dtype=np.uint16))
    (tmp_path / "classes.txt").write_text("".join(f"class {i}\n" for i in range(300)))
    layout, spec, pairs, quarters = found(tmp_path)
    assert (layout, pairs, spec.num_classes) == ("paired", DRAWN, 300) and quarters == {0: 1, 1: 1, 256: 1, 299: 1}


def test_grey_values_are_mapped_by_the_printed_class_file(tmp_path, capsys):
    tree(tmp_path, "images/{}.png", "targets/{}.png", flat(10), stripes(0, 38, 75, 75))
    assert inspect.main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "3 of 76 ids occur" in said
    (tmp_path / "classes.json").write_text(next(line for line in said.splitlines() if line.startswith("{")))
    _, spec, _, quarters = found(tmp_path)
    assert (spec.num_classes, quarters) == (3, QUARTERS)
