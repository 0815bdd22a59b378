"""--layout auto proposes patterns for folders that no named layout fits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fcn.core import errors
from fcn.data.layouts import _auto, _proposal, pattern


def tree(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def both(names, *patterns):
    """The paths of each name in each pattern."""
    return [pattern.format(name) for name in names for pattern in patterns]


@pytest.mark.parametrize(("paths", "images", "labels"), [
    (both(["1/a", "1/b", "2/a"], "Images/{}.png", "Masks/{}.png"), "Images/{name}.png", "Masks/{name}.png"),
    (both(["train/a", "train/b", "val/c"], "images/{}.jpg", "masks/{}.png"), "images/{split}/{name}.jpg",
     "masks/{split}/{name}.png"),
    (both(["a", "b"], "data/{}.jpg", "data/{}_mask.png"), "data/{name}.jpg", "data/{name}_mask.png"),
    (both(["a", "b"], "data/{}.png", "data/{}_seg.png"), "data/{name}.png", "data/{name}_seg.png"),
    (both(["a", "b"], "x/{}_rgb.png", "y/{}_gt.png"), "x/{name}_rgb.png", "y/{name}_gt.png"),
    (both(["1", "2"], "training/images/{}_training.png", "training/1st_manual/{}_manual1.png"),
     "training/images/{name}_training.png", "training/1st_manual/{name}_manual1.png"),
    (both(["a", "b"], "train_images/{}.jpg", "train_labels/{}.png") + both(
        ["c"], "val_images/{}.jpg", "val_labels/{}.png"), "{split}_images/{name}.jpg", "{split}_labels/{name}.png"),
    (both(["a", "b"], "scans/{}.jpg", "annotated/ids/{}.png"), "scans/{name}.jpg", "annotated/ids/{name}.png"),
    (both(["a", "b"], "imgs/img_{}.png", "annots/gt_{}.png"), "imgs/img_{name}.png", "annots/gt_{name}.png"),
    (both(["u/a", "v/b"], "left/{}_l.png", "gt/{}_gt_labelIds.png", "gt/{}_gt_color.png", "gt/{}_gt_instanceIds.png"),
     "left/{name}_l.png", "gt/{name}_gt_labelIds.png"),
], ids=["sub-folders", "splits inside", "one folder", "one folder and suffix", "two suffixes", "one split", "split_x",
        "deeper labels", "prefixes", "several labels"])
def test_patterns_are_proposed_from_names(tmp_path, paths, images, labels):
    found = _proposal.propose(tree(tmp_path, *paths))
    assert (found.images, found.labels) == (images, labels)
    assert found.pairs == found.of_images == len([path for path in paths if "gt_color" not in path
                                                  and "instance" not in path]) // 2


def test_folders_without_telling_names_are_judged_by_content(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for name in ("1", "2"):
        for folder, array in (("a", noise[..., 0] // 128), ("b", noise)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / folder / f"{name}.png")
    found = _proposal.propose(tmp_path)
    assert (found.images, found.labels) == ("b/{name}.png", "a/{name}.png")


@pytest.mark.parametrize("paths", [
    both(["a", "b", "c"], "photos/{}.jpg"), both(["a"], "x/{}.jpg", "masks/{}.png"),
    [*both(["a", "b"], "pics/{}.jpg", "masks/{}.png"), *both("cdefgh", "pics/{}.jpg")], []],
    ids=["no labels", "one pair", "too few labels", "empty"])
def test_nothing_is_proposed_without_enough_pairs(tmp_path, paths):
    tree(tmp_path, *paths)
    assert _proposal.propose(tmp_path) is None
    with pytest.raises(errors.DataError, match="no layout fits"):
        _auto.choose(tmp_path)


def test_choice_shows_three_pairs_and_how_many_match(tmp_path):
    choice = _auto.choose(tree(tmp_path, *both("abcde", "Images/{}.png", "Masks/{}.png"), "Images/f.png"))
    assert choice.settings() == {"layout": "pattern", "images": "Images/{name}.png", "labels": "Masks/{name}.png"}
    assert choice.flags() == "--layout pattern --images 'Images/{name}.png' --labels 'Masks/{name}.png'"
    assert choice.why.splitlines()[2:] == [
        "  5 of 6 images have a label, such as", "    Images/a.png and Masks/a.png", "    Images/c.png and Masks/c.png",
        "    Images/e.png and Masks/e.png"]


NAMES = st.lists(st.text("ab12_", min_size=1, max_size=4), min_size=2, max_size=6, unique=True)


@given(names=NAMES, before=st.sampled_from(["", "gt_"]), after=st.sampled_from(["", "_mask", "-L"]))
def test_proposal_finds_the_same_pairs_with_any_prefix_or_suffix(tmp_path_factory, names, before, after):
    root = tmp_path_factory.mktemp("proposal")
    tree(root, *(f"Images/s/{name}.jpg" for name in names), *(f"Masks/s/{before}{name}{after}.png" for name in names))
    found = _proposal.propose(root)
    layout = pattern.with_patterns(found.images, found.labels)
    whole = [pair for split in ("training", "validation") for pair in layout.listing(root, split).pairs]
    assert sorted((pair.image.name, pair.label.name) for pair in whole) == sorted(
        (f"{name}.jpg", f"{before}{name}{after}.png") for name in names)
