"""Labels that are named as their photo and something more pair if there is one way to read their names, else not."""

import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import save
from layouts_help import flat_tree, names, problem_texts, split_tree, tree
from PIL import Image

from fcn.cli import inspect
from fcn.core import errors
from fcn.data.layouts import _affix, _auto, binary_masks, paired

PAIRED = {  # photos, labels: {photo: label}, note
    "suffix": (["1", "2"], ["1_mask", "2_mask"], "labels pair by the suffix '_mask'."),
    "long suffix": (["a_1", "a_2"], ["a_1_gtFine_labelIds", "a_2_gtFine_labelIds"],
                    "labels pair by the suffix '_gtFine_labelIds'."),
    "one pair": (["photo"], ["photo-seg"], "labels pair by the suffix '-seg'."),
    "prefix": (["1", "2"], ["gt_1", "gt_2"], "labels pair by the prefix 'gt_'."),
    "both ends": (["a_0_rgb", "a_1_rgb"], ["a_0_ids", "a_1_ids"],
                  "images and labels pair by the suffixes '_rgb' and '_ids'."),
    "Cityscapes": (["aachen_0_19_leftImg8bit", "aachen_1_19_leftImg8bit"],
                   ["aachen_0_19_gtFine_labelTrainIds", "aachen_1_19_gtFine_labelTrainIds"],
                   "images and labels pair by the suffixes '_leftImg8bit' and '_gtFine_labelTrainIds'."),
}
NOT_PAIRED = {  # photos, labels
    "no separator": (["1", "2"], ["11", "21"]),
    "a plain name": (["1", "2"], ["1", "2_mask"]),
    "two labels a photo": (["1", "2"], ["1_color", "1_ids", "2_color", "2_ids"]),
    "two readings": (["a", "a_b"], ["a_b_mask"]),
    "prefix or suffix": (["m"], ["m_m"]),
    "labels of one photo, numbered": (["1", "2"], ["1_1", "1_2"]),
    "a suffix that is a photo": (["1", "2"], ["1_2", "2_2"]),
    "a label without photo": (["1", "2"], ["1_mask", "2_mask", "3_mask"]),
    "another suffix": (["1", "2"], ["1_mask", "2_seg"]),
    "both ends, one missing": (["a_0_rgb", "a_1_rgb", "a_2_rgb"], ["a_0_ids", "a_1_ids"]),
    "nothing": (["1", "2"], ["x", "y"]),
}


@pytest.mark.parametrize("case", PAIRED)
def test_common_suffix_of_labels_is_removed_with_a_note(tmp_path, case):
    photos, labels, note = PAIRED[case]
    root = split_tree(tmp_path, paired, [f"{stem}.jpg" for stem in photos], [f"{stem}.png" for stem in labels])
    listing = paired.listing(root, "training")
    assert names(listing) == [(photo, f"{photo}.jpg", f"{label}.png")
                              for photo, label in zip(photos, labels, strict=True)]
    assert (listing.problems, listing.notes) == ([], [note])


@pytest.mark.parametrize("case", NOT_PAIRED)
def test_ambiguous_names_are_not_paired(case):
    photos, labels = NOT_PAIRED[case]
    assert _affix.keys(photos, labels) == (photos, labels, "")


def test_photo_without_label_is_a_problem(tmp_path):
    root = split_tree(tmp_path, paired, ["1.jpg", "2.jpg", "3.jpg"], ["1_mask.png", "2_mask.png"])
    listing = paired.listing(root, "training")
    assert [pair.name for pair in listing.pairs] == ["1", "2"]
    assert [text.split(" in ")[0] for text in problem_texts(listing)] == ["3.jpg: has no label of this name"]


@pytest.mark.parametrize(("labels", "said"), [
    (["1_color", "2_color", "1_ids", "2_ids"], ["2 of 4 labels have the name of an image followed by '_color'",
                                                "2 of 4 labels have the name of an image followed by '_ids'"]),
    (["1_mask", "2_mask", "3_mask"], ["2 of 3 labels have the name of an image followed by '_mask'",
                                     "1 have not, such as 3_mask.png"]),
    (["a_gt", "b_gt"], ["images have names such as 1.jpg, labels such as a_gt.png; all labels end in '_gt'"])])
def test_without_any_pair_the_common_parts_of_names_are_shown(tmp_path, labels, said):
    root = split_tree(tmp_path, paired, ["1.jpg", "2.jpg"], [f"{label}.png" for label in labels])
    with pytest.raises(errors.DataError, match="holds no label for any of 2 images") as refusal:
        paired.listing(root, "training")
    assert refusal.value.why[:-1] == said and "--layout csv_list" in refusal.value.fix


def test_advised_list_pairs_other_names(tmp_path):
    root = tree(tmp_path, ("images", "masks"), ["1.jpg", "2.jpg"], ["a_gt.png", "b_gt.png"])
    with pytest.raises(errors.DataError, match="columns images,masks"):
        paired.listing(root, "training")
    (root / "list.csv").write_text("images,masks\nimages/1.jpg,masks/a_gt.png\nimages/2.jpg,masks/b_gt.png\n")
    assert _auto.choose(root).layout == "csv_list"


# files that are not read

def run(command):
    return subprocess.run(re.sub("^python ", f"{sys.executable} ", command), shell=True, check=True)


@pytest.mark.slow
@pytest.mark.parametrize(("which", "ending"), [("photos", ".gif"), ("photos", ".ppm"), ("labels", ".ppm"),
                                               ("labels", ".tga")])
def test_unknown_suffixes_are_counted_and_the_command_works(tmp_path, capsys, ending, which):
    root, mask = tmp_path / "it's data", np.zeros((8, 8), np.uint8)
    mask[2:5] = 255
    for name in "123":
        for folder, array, usual in (("images", np.full((8, 8, 3), 90, np.uint8), ".jpg"), ("masks", mask, ".png")):
            odd = (folder == "images") == (which == "photos")
            path = root / folder / f"{name}{ending if odd else usual}"
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path, Image.fromarray(array))
    assert errors.run_command(inspect.main, [str(root)]) == 3
    said = capsys.readouterr().err
    assert said.count(f"3 {ending} files are not read; readable: ") == 1 and said.count("1.") < 5
    run(said.split("beside each: ")[1].strip())
    assert errors.run_command(inspect.main, [str(root)]) == 0
    said = capsys.readouterr().out
    assert f"{'images' if which == 'photos' else 'masks'}: 3 {ending} files are not read" in said
    assert "problems: none" in said and "layout: binary_masks" in said


def test_folder_without_layout_is_not_converted_twice(tmp_path):
    for folder in ("images", "1st_manual"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / folder / "21.gif")
    with pytest.raises(errors.DataError) as problem:
        _auto.choose(tmp_path)
    run(problem.value.fix.split("beside each: ")[1])
    with pytest.raises(errors.DataError) as problem:
        _auto.choose(tmp_path)
    assert problem.value.fix.startswith("give --images ")


def test_unknown_photo_suffixes_are_named_by_the_given_layout(tmp_path):
    root = tree(tmp_path, ("images", "masks"), ["1.ppm", "2.ppm"], ["1.png", "2.png"])
    with pytest.raises(errors.DataError, match=r"images: no images [^$]*2 \.ppm files are not read; readable: \.jpg"):
        paired.listing(root, "training")


# sub-folders

def test_pairs_in_sub_folders_of_a_split_match_by_path(tmp_path):
    root = split_tree(tmp_path, binary_masks, ["1/a.jpg", "1/b.jpg", "2/a.jpg"], ["1/a.jpg", "1/b.jpg", "2/a.jpg"])
    listing = binary_masks.listing(root, "training")
    assert [(pair.name, pair.image.parent.name, pair.label.parent.name) for pair in listing.pairs] == [
        ("1_a", "1", "1"), ("1_b", "1", "1"), ("2_a", "2", "2")]
    assert listing.problems == [] and _auto.choose(root).layout == "binary_masks"


def test_dataset_without_splits_may_have_sub_folders(tmp_path):
    root = tree(tmp_path, ("images", "masks"), ["1/a.jpg", "1/b.jpg", "2/a.jpg"], ["1/a.jpg", "1/b.jpg", "2/a.jpg"])
    assert _auto.choose(root).layout == "binary_masks"
    found = [pair.name for split in ("training", "validation") for pair in binary_masks.listing(root, split).pairs]
    assert sorted(found) == ["1_a", "1_b", "2_a"]


def test_sub_folders_beside_photos_are_ignored_with_a_note(tmp_path):
    root = flat_tree(tmp_path, paired, ["1", "2"])
    tree(root, ("images/old",), ["3.jpg"], [])
    listing = paired.listing(root, "training")
    assert listing.notes == ["images: 1 images in sub-folders are ignored, such as old/3.jpg."] and not listing.problems


def test_split_folders_inside_the_photo_folder_are_not_mixed(tmp_path):
    for split in ("train", "val"):
        tree(tmp_path, (f"images/{split}", f"masks/{split}"), [f"{split}.jpg"], [f"{split}.png"])
    with pytest.raises(errors.DataError):
        paired.listing(tmp_path, "training")


def test_mac_metadata_is_neither_pair_nor_problem(tmp_path):
    root = split_tree(tmp_path, paired, ["1.jpg", "._1.jpg", "__MACOSX/2.jpg"], ["1.png", "._1.png", "Thumbs.db"])
    listing = paired.listing(root, "training")
    assert names(listing) == [("1", "1.jpg", "1.png")] and (listing.problems, listing.notes) == ([], [])


def test_training_order_of_older_runs_is_kept(tmp_path):
    root = split_tree(tmp_path, paired, ["img2.jpg", "img10.jpg", "IMG1.jpg"], ["img2.png", "img10.png", "IMG1.png"])
    assert [pair.name for pair in paired.listing(root, "training").pairs] == ["IMG1", "img10", "img2"]


def test_many_problems_of_one_kind_are_one_line(tmp_path, capsys):
    root = flat_tree(tmp_path, paired, ["good", "fine"])
    tree(root, ("images",), [f"{i}.jpg" for i in range(30)], [])
    for path in (*root.glob("images/[gf]*"), *root.glob("labels/*")):
        save(path, np.zeros((4, 4, 3) if path.parent.name == "images" else (4, 4), np.uint8))
    assert errors.run_command(inspect.main, [str(root), "--layout", "paired"]) == 3
    said = capsys.readouterr()
    assert "problems: 30" in said.out
    lines = [line for line in said.out.splitlines() if "has no label" in line]
    grouped = [line for line in lines if line.startswith(f"  {root / 'images'}: ") and "each of which" in line]
    assert len(grouped) == 1 and len(lines) < 8 and "2.jpg" in grouped[0]
