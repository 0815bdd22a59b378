"""Black and white masks are told from ids, wherever they lie and whichever of them are empty."""

import numpy as np
import pytest
from conftest import save
from layouts_help import tree
from PIL import Image

from fcn.core import errors
from fcn.data.layouts import _auto, binary_masks

GREYS = [value for i in range(256) for value in (i, i, i)]


def masks(root, arrays, ending=".png", folder="masks", photos="images"):
    """A photo and a mask for each array, named 00, 01, ..."""
    names = [f"{i:02}" for i in range(len(arrays))]
    tree(root, (photos,), [f"{name}.jpg" for name in names], [])
    for name, array in zip(names, arrays, strict=True):
        save(root / folder / f"{name}{ending}",
             array if isinstance(array, Image.Image) else np.array([array], np.uint8).repeat(8, 0))
    return root


def palette(indices, colours):
    image = Image.fromarray(np.array([indices], np.uint8)).convert("L")
    image.putpalette(colours)
    return image


def deep(row):
    """A label of 16 bits."""
    return Image.fromarray(np.array([row], np.uint16).repeat(8, 0))


def opaque(row):
    """A label in grey and alpha."""
    grey = np.array([row], np.uint8).repeat(8, 0)
    return Image.fromarray(np.dstack([grey, np.full_like(grey, 255)]))


EMPTY, WHITE, IDS, VOID = [0, 0], [0, 255], [0, 1, 2], [0, 1, 255]
CASES = {  # masks or labels, their ending, which layout it is
    "jpeg": ([WHITE] * 2, ".jpg", "binary_masks"),
    "white": ([WHITE] * 2, ".png", "binary_masks"),
    "the first ones empty": ([EMPTY] * 11 + [WHITE], ".png", "binary_masks"),
    "most of many empty": ([EMPTY] * 40 + [WHITE] * 8, ".png", "binary_masks"),
    "ids": ([[0, 1]] * 2, ".png", "paired"),
    "ids and void": ([VOID] * 2, ".png", "paired"),
    "the first ones without ids": ([WHITE] * 3 + [VOID] * 9, ".png", "paired"),
    "void alone": ([[255, 255]] * 2, ".png", "paired"),
    "16 bits, white is 255": ([deep(EMPTY), deep(WHITE)], ".png", "binary_masks"),
    "16 bits, white is 65535": ([deep(EMPTY), deep([0, 65535])], ".png", "binary_masks"),
    "16 bits, ids": ([deep([0, 1])] * 2, ".png", "paired"),
    "16 bits, ids and void": ([deep(VOID)] * 2, ".png", "paired"),
    "white with an alpha": ([opaque(WHITE)] * 2, ".png", "binary_masks"),
    "ids with an alpha": ([opaque(IDS)] * 2, ".png", "paired"),
    "a grey palette": ([palette(WHITE, GREYS)] * 2, ".png", "binary_masks"),
    "a palette of two": ([palette([0, 1], [0, 0, 0, 255, 255, 255])] * 2, ".png", "paired"),
    "a colourful palette": ([palette(WHITE, [0, 0, 0] + [0] * 762 + [224, 224, 192])] * 2, ".png", "paired"),
}


@pytest.mark.parametrize("case", CASES)
def test_masks_are_detected_by_suffix_or_by_black_and_white(tmp_path, case):
    arrays, ending, layout = CASES[case]
    assert _auto.choose(masks(tmp_path, arrays, ending)).layout == layout


@pytest.mark.parametrize("split", ["train", ""])
def test_masks_are_detected_in_a_keras_sub_folder(tmp_path, split):
    masks(tmp_path / split, [EMPTY, WHITE], folder="masks/img", photos="images/img")
    assert _auto.choose(tmp_path).layout == "binary_masks"
    assert len(binary_masks.listing(tmp_path, "training").pairs) == (2 if split else 1)


def test_one_jpeg_of_ids_prevents_detection_as_masks(tmp_path):
    masks(tmp_path, [IDS] * 3)
    save(tmp_path / "masks/preview.jpg", np.zeros((8, 8), np.uint8))
    assert _auto.choose(tmp_path).layout == "paired"


def test_masks_have_two_classes_whose_names_may_be_given(tmp_path):
    spec = binary_masks.spec(tmp_path)
    assert (spec.class_names, spec.ignored_ids, spec.encoding, spec.mask_threshold) == (
        ("background", "foreground"), (), "binary", 127)
    (tmp_path / "classes.json").write_text('["skin", "nail"]')
    assert (binary_masks.spec(tmp_path).class_names, binary_masks.spec(tmp_path).encoding) == (
        ("skin", "nail"), "binary")
    (tmp_path / "classes.json").write_text('["a", "b", "c"]')
    with pytest.raises(errors.DataError, match="names 3 classes, expected two"):
        binary_masks.spec(tmp_path)
