"""Each data set has its own classes, colours and ignored ids, and its own ways of lying in folders."""

import json

import numpy as np
import pytest
import scipy.io
from layouts_help import flat_tree, names, problem_texts, split_tree, tree

from fcn.core import errors, registry
from fcn.data.layouts import _auto, ade20k, camvid, clothing_co_parsing, diva_hisdb, paired, voc
from fcn.data.spec import bit_colour

TABLE = "Idx\tRatio\tTrain\tVal\tName\n1\t0.6\t3\t1\twall\n2\t0.4\t2\t1\tbuilding, edifice\n"


# ade20k

def test_folder_around_ade20k_is_answered_with_the_right_one(tmp_path):
    split_tree(tmp_path / "ADEChallengeData2016", ade20k, ["a.jpg"], ["a.png"])
    with pytest.raises(errors.DataError) as problem:
        ade20k.listing(tmp_path, "training")
    assert f"--data {tmp_path / 'ADEChallengeData2016'}" in str(problem.value)


def test_ade20k_has_150_classes_and_other_in_benchmark_order(tmp_path):
    spec = ade20k.spec(tmp_path)
    assert spec.num_classes == 151 and spec.ignored_ids == (0,) and spec.scored_ids == tuple(range(1, 151))
    assert spec.class_names[:4] == ("other", "wall", "building", "sky") and spec.class_names[150] == "flag"
    assert spec.palette()[1:4] == [(120, 120, 120), (180, 120, 120), (6, 230, 230)]  # color150.mat, rows 1 to 3


def test_part_of_ade20k_is_reported_and_a_similar_tree_is_not(tmp_path):
    root = split_tree(tmp_path, ade20k, ["a.jpg"], ["a.png"])
    assert ade20k.listing(root, "training").notes == ["1 of the benchmark's 20,210 training pairs found."]
    (root / "objectInfo2.txt").write_text(TABLE)
    assert ade20k.listing(root, "training").notes == []


def test_dataset_shaped_like_ade20k_names_its_own_classes(tmp_path):
    (tmp_path / "objectInfo2.txt").write_text(TABLE)
    assert ade20k.spec(tmp_path).class_names == ("other", "wall", "building")
    (tmp_path / "mine.txt").write_text(TABLE.replace("wall", "sky"))
    assert ade20k.spec(tmp_path, tmp_path / "mine.txt").class_names == ("other", "sky", "building")


@pytest.mark.parametrize("bad", ["wall\nbuilding\n", "", TABLE.replace("2\t0.4", "3\t0.4"), TABLE + "3\n",
                                 TABLE.replace("1\t0.6", "one\t0.6")])
def test_a_bad_table_of_classes_is_refused_by_name(tmp_path, bad):
    (tmp_path / "objectInfo150.txt").write_text(bad)
    with pytest.raises(errors.DataError, match=r"objectInfo150\.txt"):
        ade20k.spec(tmp_path)


def test_full_ade20k_is_listed_without_parts_and_attributes(tmp_path):
    scenes = tmp_path / "images/training"
    for scene, stem in (("b/beach", "ADE_train_2"), ("a/abbey/inside", "ADE_train_1"), ("a/airport", "ADE_train_3")):
        tree(scenes, (scene,), [f"{stem}.jpg", f"{stem}_seg.png", f"{stem}_parts_1.png", f"{stem}_atr.txt"], [])
    (scenes / "a/airport/ADE_train_3_seg.png").unlink()
    (scenes / "a/circle").symlink_to(scenes)
    listing = ade20k.listing(tmp_path, "training")
    assert names(listing) == [(f"ADE_train_{i}", f"ADE_train_{i}.jpg", f"ADE_train_{i}_seg.png") for i in (1, 2)]
    (scenes / "a/airport/ADE_train_3_parts_1.png").unlink()
    (scenes / "a/airport/ADE_train_3_parts_1.png").symlink_to("nowhere")
    listing = ade20k.listing(tmp_path, "training")
    assert problem_texts(listing) == ["ADE_train_3.jpg: has no label of this name in its folder, ending in _seg.png"]
    assert ade20k.spec(tmp_path).encoding == "ade20k_full" and ade20k.spec(tmp_path).num_classes == 151
    with pytest.raises(errors.DataError, match="no such folder"):
        ade20k.listing(tmp_path, "validation")


def test_a_list_of_voc_that_is_a_web_page_is_refused(tmp_path):
    root = flat_tree(tmp_path, voc, ["a"])
    tree(root, ("ImageSets/Segmentation",), ["train.txt"], [])
    (root / "ImageSets/Segmentation/train.txt").write_text("\n<!doctype html><p>a</p>")
    with pytest.raises(errors.DataError, match=r"train\.txt: is not a list of names[^$]*is a web page"):
        voc.listing(root, "training")


def test_pairs_without_scenes_are_not_the_full_ade20k(tmp_path):
    tree(tmp_path, ("images/training",), ["a.jpg", "a_seg.png"], [])
    assert ade20k.recognise(tmp_path) == "" and ade20k.spec(tmp_path).encoding == "ids"


def test_ade20k_of_2021_is_refused_with_a_fix(tmp_path):
    tree(tmp_path, ("images/ADE/training",), ["a.jpg"], [])
    assert _auto.choose(tmp_path).layout == "ade20k"
    with pytest.raises(errors.DataError, match="ADEChallengeData2016"):
        ade20k.listing(tmp_path, "training")


def test_drawn_scenes_are_shaped_like_ade20k(tiny_ade):
    spec = ade20k.spec(tiny_ade)
    assert spec.num_classes == 12 and spec.class_names[3] == "sky"
    assert [len(ade20k.listing(tiny_ade, split).pairs) for split in ("training", "validation")] == [6, 2]
    assert _auto.choose(tiny_ade).layout == "ade20k"


# paired, and names of classes

@pytest.mark.parametrize("name", sorted({*registry.names("layouts")} - {"diva_hisdb", "pattern"}))
def test_ignore_label_flag_overrides_the_dataset(tmp_path, name):
    layout = registry.load("layouts", name)
    assert layout.spec(tmp_path, ignore_label=(7, 255)).ignored_ids == (7, 255)
    assert layout.spec(tmp_path, ignore_label=()).ignored_ids == ()


@pytest.mark.parametrize("labels", ["targets", "labels", "masks", "annotations"])
@pytest.mark.parametrize("split", ["train", ""])
def test_labels_of_the_paired_layout_have_usual_names(tmp_path, labels, split):
    root = tmp_path
    tree(root / split, ("images", labels), ["a.jpg", "b.jpg"], ["a.png", "b.png"])
    listing = paired.listing(root, "training")
    assert listing.drawn == (not split) and len(listing.pairs) == (2 if split else 1)
    assert labels in paired.recognise(root)


@pytest.mark.parametrize("split", ["train", ""])
def test_single_sub_folder_of_keras_generators_is_searched(tmp_path, split):
    tree(tmp_path / split, ("images", "labels"), ["any/a.jpg", "any/b.jpg", ".DS_Store", "Thumbs.db"],
         ["0/a.png", "0/b.png"])
    (tmp_path / split / "images/__MACOSX").mkdir()
    listing = paired.listing(tmp_path, "training")
    assert ("a", "a.jpg", "a.png") in names(listing) and not listing.problems
    assert "images/any/" in paired.recognise(tmp_path)
    (tmp_path / split / "images/c.jpg").touch()  # then it is no generator's
    assert "any" not in paired.recognise(tmp_path)


def test_part_of_ade20k_is_not_a_keras_sub_folder(tmp_path):
    split_tree(tmp_path, ade20k, ["a.jpg"], ["a.png"])
    assert paired.recognise(tmp_path) == "" and _auto.choose(tmp_path).layout == "ade20k"


def test_class_names_come_from_the_flag_or_the_data_folder(tmp_path):
    assert paired.spec(tmp_path).class_names == () and paired.spec(tmp_path).ignored_ids == (255,)
    (tmp_path / "classes.txt").write_text("sky\nroad\n")
    assert paired.spec(tmp_path).class_names == ("sky", "road")
    (tmp_path / "classes.json").write_text(json.dumps({"names": ["tree", "car"], "ignored": [11]}))
    assert (paired.spec(tmp_path).class_names, paired.spec(tmp_path).ignored_ids) == (("tree", "car"), (11,))
    assert paired.spec(tmp_path, ignore_label=(3,)).ignored_ids == (3,)
    (tmp_path / "mine.json").write_text('["boat"]')
    assert paired.spec(tmp_path, tmp_path / "mine.json").class_names == ("boat",)


def test_classes_file_can_declare_colours(tmp_path):
    (tmp_path / "classes.json").write_text(json.dumps(
        {"names": ["sky"], "colours": [[1, 2, 3], [0, 0, 0]], "ignored": [1], "encoding": "colours"}))
    spec = paired.spec(tmp_path)
    assert (spec.colours, spec.encoding, spec.ignored_ids) == (((1, 2, 3), (0, 0, 0)), "colours", (1,))
    (tmp_path / "classes.json").write_text(json.dumps({"names": ["sky"], "ignored": []}))
    assert paired.spec(tmp_path).ignored_ids == ()


@pytest.mark.parametrize("text", ["name,r,g,b\nsky,128,128,128\nroad,128,64,128\n",
                                  "Name;Red;Green;Blue\r\nsky;128;128;128\r\nroad;128;64;128\r\n",
                                  'r, g, b, name\n128, 128, 128, sky\n128, 64, 128, "road"\n'])
def test_a_table_of_classes_gives_their_colours(tmp_path, text):
    (tmp_path / "classes.csv").write_text(text)
    spec = paired.spec(tmp_path)
    assert (spec.class_names, spec.colours) == (("sky", "road"), ((128, 128, 128), (128, 64, 128)))


@pytest.mark.parametrize("bad", ["", "name,r,g,b\n", "a,b\n1,2\n", "name,r,g\nsky,1,2\n", "name,r,g,b\nsky,1,2,x\n",
                                 "name,r,g,b\nsky,1,2,256\n", "name,r,g,b\nsky,1\n"])
def test_a_bad_table_of_colours_is_refused_by_name(tmp_path, bad):
    (tmp_path / "classes.csv").write_text(bad)
    with pytest.raises(errors.DataError, match=r"classes\.csv"):
        paired.spec(tmp_path)


@pytest.mark.parametrize("bad", ["{", "3", "[]", "[1, 2]", '{"colours": []}', json.dumps(["x"] * 4097),
                                 '{"names": ["a"], "ignored": [65536]}', '{"names": ["a"], "ignored": ["b"]}',
                                 '{"names": ["a"], "ignored": 11}', '{"names": ["a"], "ignored": [true]}',
                                 '{"names": "sky"}', '{"names": {"0": "sky"}}', '{"names": 5}',
                                 '{"names": ["a"], "colours": [[1, 2]]}', '{"names": ["a"], "colours": [1, 2, 3]}',
                                 '{"names": ["a"], "encoding": "jpeg"}', '{"names": ["a"], "mask_threshold": 127}',
                                 '{"names": ["a"], "colors": []}',
                                 '{"names": ["a", "b"], "colours": [[1, 2, 3]]}'])
def test_a_bad_classes_file_is_refused_by_name(tmp_path, bad):
    (tmp_path / "classes.json").write_text(bad)
    with pytest.raises(errors.DataError, match=r"classes\.json"):
        paired.spec(tmp_path)


def test_byte_order_mark_is_not_part_of_the_first_name(tmp_path):
    (tmp_path / "classes.txt").write_text("\ufeffsky\nroad\n", encoding="utf-8")
    assert paired.spec(tmp_path).class_names == ("sky", "road")


def test_unnamed_classes_are_counted_in_the_labels(tmp_path):
    pixels = np.zeros(256, np.int64)
    pixels[[0, 4, 255]] = 5  # 255 is ignored; 1 to 3 do not occur, yet ids are never shifted
    assert paired.spec(tmp_path).counted(pixels).class_names == ("class 0", "class 1", "class 2", "class 3", "class 4")


# camvid, diva_hisdb, voc, clothing_co_parsing

def test_camvid_is_detected_by_folders_or_names_of_its_films(tmp_path):
    films = ["0001TP_006690", "0006R0_f00930", "0016E5_00390", "Seq05VD_f00000"]
    root = tree(tmp_path, ("train/images", "train/targets"), [f"{s}.png" for s in films], [f"{s}.png" for s in films])
    assert _auto.choose(root).layout == "camvid"
    assert [pair.name for pair in camvid.listing(root, "training").pairs] == films
    for i, name in enumerate(("Thumbs.db", "holiday.jpg", "home.jpg", "work.jpg")):
        (root / "train/images" / name).touch()
        assert _auto.choose(root).layout == "camvid", i
    (root / "train/images/last.jpg").touch()  # 4 of 8 are not most
    assert _auto.choose(root).layout == "paired"


def test_camvid_void_is_the_id_after_its_11_classes(tmp_path):
    spec = camvid.spec(tmp_path)
    assert spec.num_classes == 11 and spec.ignored_ids == (11,)
    assert spec.class_names[8] == "Car" and spec.palette()[8] == (64, 0, 128) and spec.palette()[11] == (0, 0, 0)


def test_class_file_overrides_segnet_void_and_colours(tmp_path):
    (tmp_path / "classes.txt").write_text("\n".join(f"class {i}" for i in range(32)))
    spec = camvid.spec(tmp_path)
    assert (spec.num_classes, spec.ignored_ids, spec.colours) == (32, (255,), ())
    assert camvid.spec(tmp_path, ignore_label=(11,)).ignored_ids == (11,)
    (tmp_path / "classes.json").write_text('{"names": ["road", "void"], "ignored": [1]}')
    assert camvid.spec(tmp_path).ignored_ids == camvid.spec("", tmp_path / "classes.json").ignored_ids == (1,)


def test_ignore_label_flag_replaces_only_the_rim_of_diva(tmp_path):
    for given, ignored in ((None, {255}), ((255,), {255}), ((), set()), ((1, 255), {1, 255})):
        assert set(diva_hisdb.spec(tmp_path, ignore_label=given).ignored_ids) == {0, 3, 5, 7, 9, 11, 13} | ignored
    with pytest.raises(errors.UsageError, match="--classes"):
        diva_hisdb.spec(tmp_path, "names.txt")


def test_diva_labels_may_end_in_gt_and_combine_flags_to_classes(tmp_path):
    root = split_tree(tmp_path, diva_hisdb, ["page_1.jpg", "page_2.jpg"], ["page_1_gt.png", "page_2.png"], "train")
    assert names(diva_hisdb.listing(root, "training")) == [("page_1", "page_1.jpg", "page_1_gt.png"),
                                                          ("page_2", "page_2.jpg", "page_2.png")]
    spec = diva_hisdb.spec(root)
    assert {i: spec.class_names[i] for i in spec.scored_ids} == {
        1: "background", 2: "comment", 4: "decoration", 6: "comment + decoration", 8: "main text",
        10: "comment + main text", 12: "decoration + main text", 14: "comment + decoration + main text"}
    assert 255 in spec.ignored_ids and spec.encoding == "blue_bits"


def test_voc_lists_define_the_splits(tmp_path):
    root = flat_tree(tmp_path, voc, ["a", "b", "c"])
    (root / "JPEGImages/unlabelled.jpg").touch()
    tree(root, ("ImageSets/Segmentation",), ["train.txt", "val.txt"], [])
    (root / "ImageSets/Segmentation/train.txt").write_text("b\na\ngone\n")
    training, validation = (voc.listing(root, split) for split in ("training", "validation"))
    assert [pair.name for pair in training.pairs] == ["a", "b"] and not training.drawn
    assert problem_texts(training) == ["train.txt: lists gone, which has no image or no label"]
    assert (validation.pairs, validation.problems) == ([], [])
    (root / "JPEGImages/B.jpg").touch()  # in the way of b, which is for training
    (root / "SegmentationClass/A.png").touch()
    assert problem_texts(voc.listing(root, "validation")) == []
    assert problem_texts(voc.listing(root, "training")) == [
        "b.jpg: differs in case or accents from B.jpg",
        "a.png: differs in case or accents from A.png",
        "train.txt: lists gone, which has no image or no label"]
    with pytest.raises(errors.DataError, match=r"test\.txt: there is no list"):
        voc.listing(root, "test")


def test_voc_without_lists_draws_from_labelled_images(tmp_path):
    root = flat_tree(tmp_path, voc, ["a", "b", "c"])
    (root / "JPEGImages/unlabelled.jpg").touch()
    listing = voc.listing(root, "training")
    assert listing.drawn and len(listing.pairs) == 2 and not listing.problems
    assert listing.notes == ["1 of 4 images have no label and are left out.",
                             "ImageSets/Segmentation/train.txt and val.txt are missing."]
    tree(root, ("ImageSets/Segmentation",), ["trainval.txt"], [])
    (root / "ImageSets/Segmentation/trainval.txt").write_text("a\nb\n")
    assert len(voc.listing(root, "training").pairs) == len(voc.listing(root, "validation").pairs) == 1
    (root / "ImageSets/Segmentation/trainval.txt").write_text("a\nb\nnope\n")  # a line takes no image's place
    for split in ("training", "validation"):
        listing = voc.listing(root, split)
        assert len(listing.pairs) == 1 and "lists nope" in listing.problems[0].reason


def test_voc_has_21_classes_unless_the_folder_names_its_own(tmp_path):
    spec = voc.spec(tmp_path)
    assert spec.num_classes == 21 and spec.ignored_ids == (255,)
    # VOCdevkit's colour map: background, aeroplane, bicycle, ..., tvmonitor
    assert [spec.palette()[i] for i in (0, 1, 2, 20)] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (0, 64, 128)]
    assert spec.palette()[254] == bit_colour(253) and spec.colours[255] == (224, 224, 192)
    (tmp_path / "class_names.txt").write_text("_background_\ncat")
    assert voc.spec(tmp_path).class_names == ("_background_", "cat")


def test_clothing_photos_without_pixel_labels_are_expected(tmp_path):
    root = flat_tree(tmp_path, clothing_co_parsing, ["0001", "0002"])
    (root / "photos/1005.jpg").touch()
    listing = clothing_co_parsing.listing(root, "training")
    assert (len(listing.pairs), listing.problems) == (1, [])
    assert listing.notes == ["1 of 3 images have no label and are left out."]
    assert clothing_co_parsing.spec(root).num_classes == 59 and clothing_co_parsing.spec(root).ignored_ids == ()


@pytest.mark.parametrize("texts", [["null", "bag"], ["bag"] * 59, ["null", *[""] * 58]],
                         ids=["two", "no null", "empty"])
def test_a_label_list_of_other_classes_is_refused(tmp_path, texts):
    cell = np.empty((1, len(texts)), object)
    cell[:] = [texts]
    scipy.io.savemat(tmp_path / "label_list.mat", {"label_list": cell})
    with pytest.raises(errors.DataError, match=r"label_list\.mat"):
        clothing_co_parsing.spec(tmp_path)
