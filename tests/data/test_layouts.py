"""Layouts pair photos and labels by name, name every file that is in the way, and split what has no split."""

import hashlib
import os
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts_help import FLAT, FOLDERS, flat_tree, names, problem_texts, split_tree, tree

from fcn.core import errors, registry
from fcn.data.layouts import _auto, _split, binary_masks, camvid, clothing_co_parsing, csv_list, diva_hisdb, paired, voc

LAW = settings(max_examples=50, deadline=None)
SPLIT = pytest.mark.parametrize("layout", FOLDERS, ids=lambda layout: layout.__name__)
DRAWN = pytest.mark.parametrize("layout", FLAT, ids=lambda layout: layout.__name__)


# what all layouts of two folders share

@SPLIT
def test_pairs_are_matched_by_stem_in_sorted_order(tmp_path, layout):
    end = FOLDERS[layout][2]
    root = split_tree(tmp_path, layout, ["b.jpg", "a.JPG", "c.jpeg", "readme.txt", ".hidden.jpg", "Thumbs.db"],
                      [f"c{end}", f"b{end.upper()}", f"a{end}", "a.json", f".b{end}"])
    listing = layout.listing(root, "training")
    assert names(listing) == [("a", "a.JPG", f"a{end}"), ("b", "b.jpg", f"b{end.upper()}"), ("c", "c.jpeg", f"c{end}")]
    assert (listing.problems, listing.drawn) == ([], False)


@pytest.mark.slow
@given(st.sets(st.text("abc.01é", min_size=1, max_size=4).filter(lambda s: s[0] != "." and s[-1] != "."), min_size=1),
       st.randoms(use_true_random=False))
@LAW
def test_pairs_share_their_stem_whatever_the_order_on_disk(tmp_path_factory, stems, chance):
    photos, labels = (chance.sample(sorted(stems), len(stems)) for _ in range(2))
    root = tmp_path_factory.mktemp("data")
    split_tree(root, paired, [s + ".jpg" for s in photos], [s + ".png" for s in labels])
    assert names(paired.listing(root, "training")) == [(s, s + ".jpg", s + ".png") for s in sorted(stems)]


@SPLIT
def test_photo_or_label_without_partner_is_a_problem(tmp_path, layout):
    end = FOLDERS[layout][2]  # as many photos as labels: pairing by position would never notice
    root = split_tree(tmp_path, layout, ["a.jpg", "b.jpg", "lonely.jpg"], [f"a{end}", f"b{end}", f"orphan{end}"])
    listing = layout.listing(root, "training")
    assert [pair.name for pair in listing.pairs] == ["a", "b"]
    assert sorted(problem.path.name for problem in listing.problems) == ["lonely.jpg", f"orphan{end}"]
    text = " ".join(problem_texts(listing))
    assert "lonely.jpg: has no label of this name" in text and f"orphan{end}: has no image of this name" in text


def test_two_photos_of_equal_stem_are_one_problem(tmp_path):
    root = split_tree(tmp_path, paired, ["a.jpg", "a.PNG", "b.jpg"], ["a.png", "b.png"])
    listing = paired.listing(root, "training")
    assert [pair.name for pair in listing.pairs] == ["b"]
    assert problem_texts(listing) == ["a.PNG: has the same stem as a.jpg"]


def test_stems_that_differ_only_in_case_or_accents_are_reported(tmp_path):
    root = split_tree(tmp_path, paired, ["A.jpg", "caf\u00e9.jpg", "x.jpg", "X.jpg", "good.jpg"],
                      ["a.png", "cafe\u0301.png", "x.png", "good.png"])
    listing = paired.listing(root, "training")
    assert [pair.name for pair in listing.pairs] == ["good"]
    assert problem_texts(listing) == ["A.jpg: differs from its label a.png in case or accents",
                             "caf\u00e9.jpg: differs from its label cafe\u0301.png in case or accents",
                             "x.jpg: differs in case or accents from X.jpg"]


def test_pipes_broken_links_and_folders_are_problems(tmp_path):
    root = split_tree(tmp_path, paired, ["good.jpg", "target"], ["good.png", "linked.png"])
    photos = root / "training/images"
    (photos / "linked.jpg").symlink_to(photos / "target")
    (photos / "gone.jpg").symlink_to(photos / "nowhere")
    (photos / "circle.jpg").symlink_to(photos / "circle.jpg")
    (photos / "folder.jpg").mkdir()
    os.mkfifo(photos / "pipe.jpg")
    listing = paired.listing(root, "training")
    assert [pair.name for pair in listing.pairs] == ["good", "linked"]
    assert problem_texts(listing) == ["circle.jpg: is a broken link", "folder.jpg: is not a regular file",
                             "gone.jpg: is a broken link", "pipe.jpg: is not a regular file"]


def test_non_utf8_long_and_odd_names_work(tmp_path):
    stems = [os.fsdecode(b"caf\xe9"), "x" * 250, "-rf", 'quote"s', "語", "new\nline"]
    root = split_tree(tmp_path, paired, [s + ".jpg" for s in stems], [s + ".png" for s in stems])
    assert [pair.name for pair in paired.listing(root, "training").pairs] == sorted(stems)


@SPLIT
@pytest.mark.parametrize("which", [0, 1], ids=["photos", "labels"])
def test_missing_folder_is_named_with_the_expected_layout(tmp_path, layout, which):
    root = split_tree(tmp_path, layout, [], [])
    folder = root / FOLDERS[layout][which].format("training")
    folder.rmdir()
    with pytest.raises(errors.DataError) as problem:
        layout.listing(root, "training")
    assert "there is no such folder" in str(problem.value) and layout.EXPECTED in str(problem.value)


@SPLIT
def test_empty_folder_file_and_missing_path_are_errors(tmp_path, layout):
    with pytest.raises(errors.DataError, match="no images"):
        layout.listing(split_tree(tmp_path, layout, [], []), "training")
    (tmp_path / "file").touch()
    with pytest.raises(errors.DataError, match="is a file, not a folder"):
        layout.listing(tmp_path / "file", "training")
    with pytest.raises(errors.DataError, match="no such folder"):
        layout.listing(tmp_path / "nowhere", "training")


@pytest.mark.parametrize("layout", [paired, binary_masks], ids=lambda layout: layout.__name__)
def test_training_split_alone_is_explained(tmp_path, layout):
    root = split_tree(tmp_path, layout, ["a.jpg", "b.jpg"], [f"{s}{FOLDERS[layout][2]}" for s in "ab"], "train")
    split_tree(tmp_path, layout, ["c.jpg"], [f"c{FOLDERS[layout][2]}"], "test")
    with pytest.raises(errors.DataError, match=f"give --data {root / 'train'}, which is then divided by a drawn split"):
        layout.listing(root, "validation")
    assert layout.listing(root / "train", "validation").drawn
    (root / "val/images").mkdir(parents=True)  # and its labels forgotten
    with pytest.raises(errors.DataError, match="there is no such folder"):
        layout.listing(root, "validation")


@pytest.mark.parametrize("layout", [voc, clothing_co_parsing], ids=lambda layout: layout.__name__)
def test_dataset_without_any_label_is_refused(tmp_path, layout):
    photos, labels, end = FLAT[layout]
    root = tree(tmp_path, (photos, labels), ["a.jpg", "b.jpg"], [f"c{end}"])
    with pytest.raises(errors.DataError, match=r"holds no label for any of 2 images"):
        layout.listing(root, "training")


@pytest.mark.parametrize("ending", [".mat", ".jpg"])
def test_label_of_another_file_type_is_left_to_its_reader(tmp_path, ending):
    root = split_tree(tmp_path, paired, ["a.jpg", "b.jpg"], ["a.png", f"b{ending}"])
    assert names(paired.listing(root, "training")) == [("a", "a.jpg", "a.png"), ("b", "b.jpg", f"b{ending}")]


@pytest.mark.parametrize("ending", [".mat", ".jpg"])
def test_preview_beside_a_label_is_ignored_with_a_note(tmp_path, ending):
    root = split_tree(tmp_path, paired, ["a.jpg", "b.jpg"], ["a.png", "b.png", f"b{ending}"])
    listing = paired.listing(root, "training")
    assert names(listing) == [("a", "a.jpg", "a.png"), ("b", "b.jpg", "b.png")] and not listing.problems
    assert listing.notes == [f"1 files beside labels of the same name are ignored, such as b{ending}."]


@pytest.mark.parametrize("layout", [paired, binary_masks, camvid, diva_hisdb], ids=lambda layout: layout.__name__)
@pytest.mark.parametrize(("folder", "split"), [("training", "training"), ("train", "training"), ("val", "validation"),
                                               ("valid", "validation"), ("validation", "validation"), ("test", "test")])
def test_split_has_its_usual_names(tmp_path, layout, folder, split):
    root = split_tree(tmp_path, layout, ["a.jpg"], [f"a{FOLDERS[layout][2]}"], folder)
    assert [pair.name for pair in layout.listing(root, split).pairs] == ["a"]
    assert layout.recognise(root)


# the drawn split

def hashed(stems):
    """Stems in the order of their SHA-256, by a way of its own: the digest as hexadecimal text."""
    return sorted(stems, key=lambda s: hashlib.sha256(s.encode()).hexdigest())


@DRAWN
def test_dataset_without_split_draws_one_in_ten_by_name(tmp_path, layout):
    stems = [f"{i:04}" for i in range(21)]
    root = flat_tree(tmp_path, layout, stems)
    training, validation = (layout.listing(root, split) for split in ("training", "validation"))
    assert training.drawn and validation.drawn
    assert [pair.name for pair in validation.pairs] == sorted(hashed(stems)[:3])  # 2.1, rounded up
    assert [pair.name for pair in training.pairs] == sorted(hashed(stems)[3:])
    with pytest.raises(errors.DataError, match=r"split\.csv"):
        layout.listing(root, "test")


@given(st.sets(st.text("abcdef0123", min_size=1, max_size=6), min_size=2, max_size=40), st.text("ghi", min_size=1))
@LAW
def test_additional_pair_moves_at_most_one_other(tmp_path_factory, stems, new):
    root = flat_tree(tmp_path_factory.mktemp("data"), paired, stems)
    before = {pair.name for pair in paired.listing(root, "validation").pairs}
    after = {pair.name for pair in paired.listing(flat_tree(root, paired, [new]), "validation").pairs}
    assert len((before ^ after) - {new}) <= 1


def test_problem_is_in_one_split_and_repair_moves_no_pair(tmp_path):
    stems = [f"{i}" for i in range(10)]
    root = flat_tree(tmp_path, paired, stems)
    (root / "labels" / "4.png").rename(root / "4.png")
    listings = [paired.listing(root, split) for split in ("training", "validation")]
    assert [text for listing in listings for text in problem_texts(listing)] == [
        f"4.jpg: has no label of this name in {root / 'labels'} (.png .bmp .gif .tif .tiff .npy .jpg .jpeg .mat)"]
    (root / "4.png").rename(root / "labels" / "4.png")
    for split, listing in zip(("training", "validation"), listings, strict=True):
        assert {pair.name for pair in paired.listing(root, split).pairs} - {p.name for p in listing.pairs} <= {"4"}


def test_single_pair_cannot_be_split_and_problems_are_listed(tmp_path):
    root = flat_tree(tmp_path, paired, ["a"])
    (root / "images/lonely.jpg").touch()
    with pytest.raises(errors.DataError, match=r"one pair[^$]*lonely\.jpg: has no label"):
        paired.listing(root, "training")


@DRAWN
def test_split_csv_is_used(tmp_path, layout):
    root = flat_tree(tmp_path, layout, ["a", "b", "c", "d"])
    (root / "split.csv").write_text("name,split\nd,train\na,validation\nb,Test\nc,training\n")
    assert {split: [pair.name for pair in layout.listing(root, split).pairs] for split in (
        "training", "validation", "test")} == {"training": ["c", "d"], "validation": ["a"], "test": ["b"]}
    assert not layout.listing(root, "training").drawn


def test_split_csv_and_the_files_must_name_the_same_pairs(tmp_path):
    root = flat_tree(tmp_path, paired, ["a", "b", "c", "d", "e"])
    (root / "split.csv").write_text("name,split\na,train\nb,maybe\nc,val\nc,train\nx,train\ne,val\n")
    listing = paired.listing(root, "training")
    assert [pair.name for pair in listing.pairs] == ["a"]
    assert problem_texts(listing) == [
        "split.csv: lists 'c' more than once", "split.csv: 'b' is in the unknown split 'maybe'",
        "split.csv: 'x' is not a pair of the data set", f"d.jpg: is not listed in {root / 'split.csv'}"]


def test_split_csv_accepts_semicolons_and_wrong_lines_are_listed(tmp_path):
    root = flat_tree(tmp_path, paired, ["a", "b"])
    (root / "split.csv").write_text("name;split\na;train\nb;val\n")
    assert [pair.name for pair in paired.listing(root, "validation").pairs] == ["b"]
    (root / "split.csv").write_text("name,split\na.jpg,train\nb.jpg,val\n")
    with pytest.raises(errors.DataError, match=r"lists no pair[^$]*'a\.jpg' is not a pair of the data set"):
        paired.listing(root, "training")


@pytest.mark.parametrize("layout", [paired, voc, csv_list], ids=lambda layout: layout.__name__)
def test_unused_split_csv_is_reported(tmp_path, layout):
    if layout is voc:
        root = tree(flat_tree(tmp_path, voc, ["a"]), ("ImageSets/Segmentation",), ["train.txt"], [])
        (root / "ImageSets/Segmentation/train.txt").write_text("a\n")
    else:
        root = split_tree(tmp_path, paired, ["a.jpg"], ["a.png"])
        (root / "list.csv").write_text("images,masks,split\ntraining/images/a.jpg,training/targets/a.png,train\n")
    assert not any("split.csv" in note for note in layout.listing(root, "training").notes)
    (root / "split.csv").write_text("name,split\nzzz,train\n")
    assert "split.csv is not used, because the data set has splits." in layout.listing(root, "training").notes


@pytest.mark.parametrize("text", ["", "name\na\n", "a,training\n", "\0", "name,split\na,test\n"])
def test_empty_split_csv_is_refused_by_name(tmp_path, text):
    root = flat_tree(tmp_path, paired, ["a", "b"])
    (root / "split.csv").write_text(text)
    with pytest.raises(errors.DataError, match=r"split\.csv"):
        paired.listing(root, "training")


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
                       st.sampled_from(["training", "validation"])))
@LAW
def test_a_written_split_reads_back_the_same(tmp_path_factory, split_of):
    path = tmp_path_factory.mktemp("split") / "split.csv"
    _split.write(path, split_of)
    assert _split.read(path) == split_of
    assert list(path.parent.iterdir()) == [path]


# auto

def test_every_layout_is_recognised_as_itself_and_nothing_else(tmp_path):
    for layout in FOLDERS:
        root = split_tree(tmp_path / layout.__name__, layout, ["a.jpg"], [f"a{FOLDERS[layout][2]}"])
        assert _auto.choose(root).layout == layout.__name__.split(".")[-1]
    for layout in FLAT:
        root = flat_tree(tmp_path / f"flat_{layout.__name__}", layout, ["a", "b"])
        assert _auto.choose(root).layout == layout.__name__.split(".")[-1]


def test_folder_without_layout_lists_what_is_expected(tmp_path):
    with pytest.raises(errors.DataError) as problem:
        _auto.choose(tmp_path)
    assert all(registry.load("layouts", name).EXPECTED in str(problem.value) for name in registry.names("layouts"))
    with pytest.raises(errors.DataError, match="no such folder"):
        _auto.choose(tmp_path / "nowhere")


def test_dataset_in_a_sub_folder_is_named_but_not_used(tmp_path):
    inner = flat_tree(tmp_path / "VOCdevkit/VOC2012", voc, ["a"])
    with pytest.raises(errors.DataError) as problem:
        _auto.choose(tmp_path)
    assert f"--data {inner}" in str(problem.value)


def test_sub_folder_is_quoted_for_the_shell(tmp_path):
    inner = flat_tree(tmp_path / "my data/VOC2012", voc, ["a"])
    with pytest.raises(errors.DataError, match=f"--data '{inner}'"):
        _auto.choose(tmp_path / "my data")


def test_folder_of_two_layouts_asks_for_a_choice(tmp_path):
    root = flat_tree(split_tree(tmp_path, diva_hisdb, ["a.jpg"], ["a.png"]), voc, ["a"])
    with pytest.raises(errors.UsageError, match="--layout diva_hisdb or --layout voc"):
        _auto.choose(root)


def test_list_of_pairs_overrides_the_folders(tmp_path):
    root = flat_tree(tmp_path, binary_masks, ["a", "b"])
    (root / "split.csv").write_text("name,split\na,training\nb,validation\n")
    assert _auto.choose(root).layout == "binary_masks"
    (root / "list.csv").write_text("images,masks\nimages/a.jpg,masks/a.jpg\n")
    assert _auto.choose(root).layout == _auto.choose(root / "list.csv").layout == "csv_list"


@pytest.mark.parametrize("name", registry.names("layouts"))
def test_recognising_never_raises(tmp_path, name):
    recognise = registry.load("layouts", name).recognise
    (tmp_path / "file").write_bytes(b"\xff\xfe\0,")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "images").symlink_to(tmp_path / "images")
    (tmp_path / "JPEGImages").touch()
    for path in (tmp_path, tmp_path / "file", tmp_path / "nowhere", tmp_path / "pipe.csv", pathlib.Path("x" * 5000)):
        assert recognise(path) == ""
