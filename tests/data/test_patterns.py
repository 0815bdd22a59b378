"""The layout pattern: --images and --labels with {name}, {split} and *."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.core import errors
from fcn.data.layouts import _patterns, pattern


def tree(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def pairs(root, split, images, labels):
    found = pattern.with_patterns(images, labels).listing(root, split)
    return [(pair.name, str(pair.image.relative_to(root)), str(pair.label.relative_to(root))) for pair in found.pairs]


def test_name_and_split_are_read_from_the_path(tmp_path):
    root = tree(tmp_path, "left/train/A/A_1_left.png", "left/val/B/B_2_left.png", "gt/train/A/A_1_gt_ids.png",
                "gt/train/A/A_1_gt_colour.png", "gt/val/B/B_2_gt_ids.png")
    patterns = "left/{split}/{name}_left.png", "gt/{split}/{name}_gt_ids.png"
    assert pairs(root, "training", *patterns) == [("A_A_1", "left/train/A/A_1_left.png", "gt/train/A/A_1_gt_ids.png")]
    assert pairs(root, "validation", *patterns) == [("B_B_2", "left/val/B/B_2_left.png", "gt/val/B/B_2_gt_ids.png")]


def test_star_stands_for_one_folder_that_is_not_in_the_name(tmp_path):
    root = tree(tmp_path, "x/train/A/1.png", "y/train/A/1.png", "x/train/A/deeper/2.png")
    assert pairs(root, "training", "x/{split}/*/{name}.png", "y/{split}/*/{name}.png")[0][0] == "1"
    assert _patterns.matched(root, "x/{split}/*/{name}.png", (".png",)).of.keys() == {
        root / "x/train/A/1.png", root / "x/train/A/deeper/2.png"}  # {name} is "deeper/2" there


@pytest.mark.parametrize(("folder", "split"), [("train", "training"), ("val", "validation"), ("valid", "validation"),
                                               ("TEST", "test"), ("extra", "extra")])
def test_split_folders_have_usual_or_own_names(tmp_path, folder, split):
    root = tree(tmp_path, f"i/{folder}/1.jpg", f"l/{folder}/1.png")
    assert len(pairs(root, split, "i/{split}/{name}.jpg", "l/{split}/{name}.png")) == 1


def test_split_may_be_a_part_of_a_folder_or_file_name(tmp_path):
    root = tree(tmp_path, "images_train/1.jpg", "labels_train/1.png", "images_val/2.jpg", "labels_val/2.png")
    assert pairs(root, "validation", "images_{split}/{name}.jpg", "labels_{split}/{name}.png")[0][0] == "2"
    root = tree(tmp_path / "flat", "train_1.jpg", "train_1.png", "val_7.jpg", "val_7.png")
    assert pairs(root, "training", "{split}_{name}.jpg", "{split}_{name}.png")[0][0] == "1"


def test_split_in_one_pattern_selects_the_pairs(tmp_path):
    root = tree(tmp_path, "i/train/1.jpg", "i/val/2.jpg", "l/1.png", "l/2.png")
    assert pairs(root, "training", "i/{split}/{name}.jpg", "l/{name}.png") == [("1", "i/train/1.jpg", "l/1.png")]
    root = tree(tmp_path / "labels", "i/1.jpg", "i/2.jpg", "l/train/1.png", "l/val/2.png")
    assert pairs(root, "validation", "i/{name}.jpg", "l/{split}/{name}.png") == [("2", "i/2.jpg", "l/val/2.png")]


def test_without_split_it_is_drawn(tmp_path):
    root = tree(tmp_path, *(f"i/{n}.jpg" for n in range(10)), *(f"l/{n}.png" for n in range(10)))
    found = {split: pairs(root, split, "i/{name}.jpg", "l/{name}.png") for split in ("training", "validation")}
    assert len(found["training"]) == 9 and len(found["validation"]) == 1


def test_suffix_in_capitals_and_any_suffix(tmp_path):
    root = tree(tmp_path, "i/1.JPG", "i/2.png", "l/1.PNG", "l/2.png")
    (root / "split.csv").write_text("name,split\n1,training\n2,training\n")
    assert [name for name, _, _ in pairs(root, "training", "i/{name}.*", "l/{name}.png")] == ["1", "2"]


def test_file_of_both_patterns_is_a_label(tmp_path):
    root = tree(tmp_path, *(f"d/{n}{end}.png" for n in (1, 2) for end in ("", "_mask")))
    (root / "split.csv").write_text("name,split\n1,training\n2,training\n")
    assert pairs(root, "training", "d/{name}.png", "d/{name}_mask.png") == [
        ("1", "d/1.png", "d/1_mask.png"), ("2", "d/2.png", "d/2_mask.png")]


@pytest.mark.parametrize(("text", "why"), [
    ("images/*.png", "it has no {name}"), ("{name}/{name}.png", "it has {name} more than once"),
    ("{split}/{split}/{name}.png", "it has {split} more than once"), ("{nam}/{name}.png", "it has {nam}, expected"),
    ("/data/{name}.png", "it is an absolute path"), ("../{name}.png", "it leads out of the data set")])
def test_text_that_is_no_pattern_is_refused(text, why):
    with pytest.raises(errors.UsageError) as problem:
        pattern.with_patterns(text, "l/{name}.png")
    assert why in str(problem.value) and "--images 'images/{name}.jpg'" in problem.value.fix


@pytest.mark.parametrize(("images", "labels", "says"), [
    ("j/{name}.jpg", "l/{name}.png", "there is no such folder"),
    ("i/{name}.png", "l/{name}.png", "no file matches 'i/{name}.png'"),
    ("i/{name}.jpg", "l/{name}_mask.png", "no file matches 'l/"),
    ("i/{name}.jpg", "l/{name}.png", "holds no label for any of 2 images")])
def test_pattern_without_files_says_what_there_is(tmp_path, images, labels, says):
    root = tree(tmp_path, "i/1.jpg", "i/2.jpg", "l/a.png", "l/b.png")
    with pytest.raises(errors.DataError, match=says.replace("{", r"\{")):
        pairs(root, "training", images, labels)


def test_missing_split_is_answered_with_patterns_that_work(tmp_path):
    root = tree(tmp_path, *(f"i/train/{n}.jpg" for n in range(3)), *(f"l/train/{n}.png" for n in range(3)))
    with pytest.raises(errors.DataError, match="no images of the split 'validation'") as problem:
        pairs(root, "validation", "i/{split}/{name}.jpg", "l/{split}/{name}.png")
    assert "write train instead of {split} in both patterns" in problem.value.fix
    assert len(pairs(root, "validation", "i/train/{name}.jpg", "l/train/{name}.png")) == 1


NAMES = st.lists(st.text("ab1_-", min_size=1, max_size=4), min_size=2, max_size=6, unique=True)


@given(names=NAMES, before=st.sampled_from(["", "gt_", "x-"]), after=st.sampled_from(["", "_mask", "_L", ".label"]))
def test_common_prefix_or_suffix_of_labels_changes_no_pair(tmp_path_factory, names, before, after):
    root = tmp_path_factory.mktemp("affix")
    tree(root, *(f"i/{name}.jpg" for name in names), *(f"l/{before}{name}{after}.png" for name in names))
    found = _patterns.listing(root, "training", "i/{name}.jpg", f"l/{before}{{name}}{after}.png")
    other = _patterns.listing(root, "validation", "i/{name}.jpg", f"l/{before}{{name}}{after}.png")
    assert sorted((pair.name, pair.label.name) for pair in found.pairs + other.pairs) == sorted(
        (name, f"{before}{name}{after}.png") for name in names)


def test_order_of_the_folder_listing_changes_nothing(tmp_path, monkeypatch):
    root = tree(tmp_path, *(f"i/{n % 3}/{n}.jpg" for n in range(12)), *(f"l/{n % 3}/{n}.png" for n in range(12)))
    expected = pairs(root, "training", "i/{name}.jpg", "l/{name}.png")
    from fcn.data import folders
    entries = folders.entries
    monkeypatch.setattr(folders, "entries", lambda folder: entries(folder)[::-1])
    assert pairs(root, "training", "i/{name}.jpg", "l/{name}.png") == expected
