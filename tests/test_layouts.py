"""Layouts pair photos and labels by name, and say everything that is wrong with a folder at once."""

import json
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn import cache, errors
from fcn.layouts import ade20k, paired

LAW = settings(max_examples=50, deadline=None)
TABLE = "Idx\tRatio\tTrain\tVal\tName\n1\t0.6\t3\t1\twall\n2\t0.4\t2\t1\tbuilding, edifice\n"
FOLDERS = {ade20k: ("images/{}", "annotations/{}"), paired: ("{}/images", "{}/targets")}
BOTH = pytest.mark.parametrize("layout", FOLDERS, ids=lambda layout: layout.__name__)


def tree(root, layout, photos, labels, split="training"):
    """Empty files of these names below root, in the folders of the layout."""
    for pattern, names in zip(FOLDERS[layout], (photos, labels), strict=True):
        folder = root / pattern.format(split)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
    return root


def names(pairs):
    return [(pair.name, pair.image.name, pair.label.name) for pair in pairs]


@BOTH
def test_pairs_go_by_stem_in_sorted_order_and_other_files_do_not_count(tmp_path, layout):
    root = tree(tmp_path, layout, ["b.jpg", "a.JPG", "c.jpeg", "readme.txt", ".hidden.jpg", "Thumbs.db"],
                ["c.png", "b.PNG", "a.png", "a.json", ".b.png"])
    assert names(layout.pairs(root, "training")) == [
        ("a", "a.JPG", "a.png"), ("b", "b.jpg", "b.PNG"), ("c", "c.jpeg", "c.png")]


@given(st.sets(st.text("abc.01", min_size=1, max_size=4).filter(lambda s: s[0] != "." and s[-1] != "."), min_size=1),
       st.randoms(use_true_random=False))
@LAW
def test_whatever_the_names_and_the_order_on_disk_a_pair_shares_its_stem(tmp_path_factory, stems, chance):
    photos, labels = (chance.sample(sorted(stems), len(stems)) for _ in range(2))
    root = tree(tmp_path_factory.mktemp("data"), paired, [s + ".jpg" for s in photos], [s + ".png" for s in labels])
    assert names(paired.pairs(root, "training")) == [(s, s + ".jpg", s + ".png") for s in sorted(stems)]


@BOTH
def test_a_photo_and_a_label_without_partner_are_named_in_one_error(tmp_path, layout):
    # as many photos as labels: pairing by position would never notice
    root = tree(tmp_path, layout, ["a.jpg", "b.jpg", "lonely.jpg"], ["a.png", "b.png", "orphan.png"])
    with pytest.raises(errors.DataError) as problem:
        layout.pairs(root, "training")
    text = str(problem.value)
    assert "2 file(s)" in text and "lonely.jpg has no label" in text and "orphan.png has no photo" in text


@BOTH
def test_two_photos_of_one_stem_are_an_error(tmp_path, layout):
    root = tree(tmp_path, layout, ["a.jpg", "a.PNG"], ["a.png"])
    with pytest.raises(errors.DataError, match=r"a\.PNG and a\.jpg have the same stem"):
        layout.pairs(root, "training")


@BOTH
@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_folder_is_named_with_what_the_layout_looks_like(tmp_path, layout, which):
    root = tree(tmp_path, layout, [], [])
    folder = root / FOLDERS[layout][which].format("training")
    folder.rmdir()
    with pytest.raises(errors.DataError) as problem:
        layout.pairs(root, "training")
    assert f"{folder}: there is no such folder" in str(problem.value) and "layout has" in str(problem.value)


@BOTH
def test_empty_folders_a_file_and_nothing_at_all_are_errors(tmp_path, layout):
    with pytest.raises(errors.DataError, match="no photos"):
        layout.pairs(tree(tmp_path, layout, [], []), "training")
    (tmp_path / "file").touch()
    with pytest.raises(errors.DataError, match="is a file, not a folder"):
        layout.pairs(tmp_path / "file", "training")
    with pytest.raises(errors.DataError, match="no such folder"):
        layout.pairs(tmp_path / "nowhere", "training")


def test_the_folder_around_ade20k_is_answered_with_the_one_to_give(tmp_path):
    tree(tmp_path / "ADEChallengeData2016", ade20k, ["a.jpg"], ["a.png"])
    with pytest.raises(errors.DataError) as problem:
        ade20k.pairs(tmp_path, "training")
    assert f"--data {tmp_path / 'ADEChallengeData2016'}" in str(problem.value)


def test_ade20k_has_other_and_150_classes_in_the_benchmarks_order_and_colours(tmp_path):
    spec = ade20k.spec(tmp_path)
    assert spec.num_classes == 151 and spec.ignored_ids == (0,) and spec.scored_ids == tuple(range(1, 151))
    assert spec.class_names[:4] == ("other", "wall", "building", "sky") and spec.class_names[150] == "flag"
    assert spec.palette()[1:4] == [(120, 120, 120), (180, 120, 120), (6, 230, 230)]  # color150.mat, rows 1 to 3


def test_a_tree_of_ade20ks_shape_names_its_own_classes(tmp_path):
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


@BOTH
def test_the_ignore_label_flag_goes_before_what_the_data_set_says(tmp_path, layout):
    assert layout.spec(tmp_path, ignore_label=(7, 255)).ignored_ids == (7, 255)
    assert layout.spec(tmp_path, ignore_label=()).ignored_ids == ()


@pytest.mark.parametrize(("folder", "split"), [("training", "training"), ("train", "training"), ("val", "validation"),
                                               ("valid", "validation"), ("validation", "validation"), ("test", "test")])
def test_a_split_of_the_paired_layout_goes_by_its_usual_names(tmp_path, folder, split):
    root = tree(tmp_path, paired, ["a.jpg"], ["a.png"], folder)
    assert names(paired.pairs(root, split)) == [("a", "a.jpg", "a.png")]


def test_the_one_sub_folder_of_keras_generators_is_looked_through(tmp_path):
    root = tree(tmp_path, paired, ["any/a.jpg", ".DS_Store"], ["0/a.png"])
    assert names(paired.pairs(root, "training")) == [("a", "a.jpg", "a.png")]


def test_class_names_of_the_paired_layout_come_from_the_flag_or_the_data_folder(tmp_path):
    assert paired.spec(tmp_path).class_names == () and paired.spec(tmp_path).ignored_ids == (255,)
    (tmp_path / "classes.txt").write_text("sky\nroad\n")
    assert paired.spec(tmp_path).class_names == ("sky", "road")
    (tmp_path / "classes.json").write_text(json.dumps({"names": ["tree", "car"], "ignored": [11]}))
    assert (paired.spec(tmp_path).class_names, paired.spec(tmp_path).ignored_ids) == (("tree", "car"), (11,))
    assert paired.spec(tmp_path, ignore_label=(3,)).ignored_ids == (3,)
    (tmp_path / "mine.json").write_text('["boat"]')
    assert paired.spec(tmp_path, tmp_path / "mine.json").class_names == ("boat",)


@pytest.mark.parametrize("bad", ["{", "3", "[]", "[1, 2]", '{"colours": []}', json.dumps(["x"] * 257),
                                 '{"names": ["a"], "ignored": [256]}', '{"names": ["a"], "ignored": ["b"]}',
                                 '{"names": ["a"], "ignored": 11}', '{"names": ["a"], "ignored": [true]}',
                                 '{"names": "sky"}', '{"names": {"0": "sky"}}', '{"names": 5}'])
def test_a_bad_classes_file_is_refused_by_name(tmp_path, bad):
    (tmp_path / "classes.json").write_text(bad)
    with pytest.raises(errors.DataError, match=r"classes\.json"):
        paired.spec(tmp_path)


def test_classes_that_nobody_names_are_counted_in_the_labels(tmp_path):
    pixels = np.zeros(256, np.int64)
    pixels[[0, 4, 255]] = 5  # 255 is ignored; 1 to 3 do not occur, yet ids are never shifted
    assert paired.spec(tmp_path).counted(pixels).class_names == ("class 0", "class 1", "class 2", "class 3", "class 4")


def test_the_real_ade20k_pairs_are_found_and_hold_only_its_classes(shared_file):
    root = shared_file("data/ade20k_samples/ADEChallengeData2016")
    training, validation = ade20k.pairs(root, "training"), ade20k.pairs(root, "validation")
    assert (len(training), len(validation)) == (4, 3)
    assert [pair.name for pair in validation] == [f"ADE_val_0000000{i}" for i in (1, 2, 3)]
    spec = ade20k.spec(root)
    assert spec.class_names == ade20k.spec(pathlib.Path("without objectInfo")).class_names
    for pair in training + validation:
        photo, label = cache.read_pair(pair, spec)
        assert photo.shape == (*label.shape, 3) and label.any()


def test_the_scenes_are_a_tree_of_ade20ks_shape(tiny_ade):
    spec = ade20k.spec(tiny_ade)
    assert spec.num_classes == 12 and spec.class_names[3] == "sky"
    assert [len(ade20k.pairs(tiny_ade, split)) for split in ("training", "validation")] == [6, 2]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    (tmp_path / "classes.txt").write_text("\ufeffsky\nroad\n", encoding="utf-8")
    assert paired.spec(tmp_path).class_names == ("sky", "road")
