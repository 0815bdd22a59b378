"""Data sets lie as their publishers packed them: archives beside each other, other names of the same folder."""

import numpy as np
import pytest
from conftest import save
from layouts_help import flat_tree, names, problem_texts, tree

from fcn.core import errors
from fcn.data import label_files
from fcn.data.layouts import _auto, camvid, diva_hisdb, voc


@pytest.mark.parametrize(("photos", "labels"), [
    ("img", "pixel-level-gt"), ("img-CB55", "pixel-level-gt-CB55"),
    ("img-CB55/img", "pixel-level-gt-CB55/pixel-level-gt")])
def test_diva_is_read_as_published(tmp_path, photos, labels):
    for i, split in enumerate(("training", "validation", "public-test")):
        tree(tmp_path, (f"{photos}/{split}", f"{labels}/{split}"), [f"{i}.jpg"], [f"{i}.png"])
    (tmp_path / "img-CB55.zip").touch()
    assert _auto.choose(tmp_path) == _auto.Choice("diva_hisdb", f"it has {photos}/training/ and {labels}/training/")
    for i, split in enumerate(("training", "validation", "test")):
        assert names(diva_hisdb.listing(tmp_path, split)) == [(f"{i}", f"{i}.jpg", f"{i}.png")]


def test_two_manuscripts_of_diva_in_one_folder_are_not_mixed(tmp_path):
    for book in ("CB55", "CS18"):
        tree(tmp_path, (f"img-{book}/training", f"pixel-level-gt-{book}/training"), ["a.jpg"], ["a.png"])
    assert diva_hisdb.recognise(tmp_path) == ""
    with pytest.raises(errors.DataError, match="no such folder"):
        diva_hisdb.listing(tmp_path, "training")


@pytest.mark.parametrize("folder", ["SegmentationClassAug", "SegmentationClassPNG"])
def test_voc_takes_labels_from_the_folder_that_has_them(tmp_path, folder):
    root = tree(tmp_path, ("JPEGImages", folder), ["a.jpg", "b.jpg"], ["a.png", "b.png"])
    assert _auto.choose(root) == _auto.Choice("voc", f"it has JPEGImages/ and {folder}/")
    tree(root, ("SegmentationClass",), ["a.npy"], [])  # as older versions of labelme wrote them
    assert voc.listing(root, "training").pairs[0].label.parent.name == folder
    flat_tree(root, voc, ["a", "b"])
    assert voc.listing(root, "training").pairs[0].label.parent.name == "SegmentationClass"


def test_camvid_of_kaggle_has_classes_and_colours_of_its_table(tmp_path):
    for split in ("train", "val"):
        save(tmp_path / f"{split}/0001TP_1.png", np.zeros((1, 3, 3), np.uint8))
        save(tmp_path / f"{split}_labels/0001TP_1_L.png", np.array([[[9, 9, 9], [0, 0, 0], [1, 2, 3]]], np.uint8))
    assert camvid.recognise(tmp_path) == ""  # without the table it may be anything
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nAnimal,1,2,3\nArchway,9,9,9\nVoid,0,0,0\n")
    assert _auto.choose(tmp_path) == _auto.Choice("camvid", "it has train/ and train_labels/")
    listing, spec = camvid.listing(tmp_path, "training"), camvid.spec(tmp_path)
    assert names(listing) == [("0001TP_1", "0001TP_1.png", "0001TP_1_L.png")] and problem_texts(listing) == []
    assert (spec.class_names, spec.ignored_ids) == (("Animal", "Archway", "Void"), (2,))
    np.testing.assert_array_equal(label_files.read_pair(listing.pairs[0], spec)[1], [[1, 2, 0]])
    assert camvid.spec(tmp_path, ignore_label=()).ignored_ids == ()
