"""A CSV file lists pairs; every line that cannot be used is reported, and all others are used."""

import os

import numpy as np
import pytest
from conftest import save
from layouts_help import flat_tree, names, problem_texts, tree

from fcn.cli import main
from fcn.core import errors
from fcn.data.layouts import binary_masks, csv_list, paired


def listed(root, text, files=("a", "b"), name="list.csv"):
    """A CSV file of this text, and photos and PNG masks of these names."""
    tree(root, ("images", "masks"), [f"{stem}.jpg" for stem in files], [f"{stem}.png" for stem in files])
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


@pytest.mark.parametrize("text", [
    "images,masks,split\nimages/b.jpg,masks/b.png,train\nimages/a.jpg,masks/a.png,val\n",
    "\ufeffImage;Mask;Split\r\nimages/b.jpg;masks/b.png;1\r\n\"images/a.jpg\";masks\\a.png;0\r\n",
    "number\tsplit\tmasks\timages\n1\tTraining\tmasks/b.png\t ./images/b.jpg \n2\tvalid\tmasks/a.png\timages/a.jpg"],
    ids=["plain", "byte order mark, semicolons, backslash", "tabs, other order"])
def test_list_names_photos_masks_and_splits(tmp_path, text):
    root = listed(tmp_path, text)
    for data in (root, root / "list.csv"):
        training, validation = (csv_list.listing(data, split) for split in ("training", "validation"))
        assert names(training) == [("b", "b.jpg", "b.png")] and names(validation) == [("a", "a.jpg", "a.png")]
        assert training.problems == validation.problems == [] and not training.drawn
        with pytest.raises(errors.DataError, match="nothing for test"):
            csv_list.listing(data, "test")


def test_list_without_split_is_drawn_like_folders(tmp_path):
    stems = [f"{i}" for i in range(12)]
    root = listed(tmp_path, "images,masks\n" + "".join(f"images/{s}.jpg,masks/{s}.png\n" for s in stems[::-1]), stems)
    for split in ("training", "validation"):
        assert csv_list.listing(root, split).pairs == paired.listing(root, split).pairs
        assert csv_list.listing(root, split).drawn


def test_wrong_lines_are_reported_and_the_others_used(tmp_path):
    lines = ["images/a.jpg,masks/a.png", "images/b.jpg,masks/b.png", "images/gone.jpg,masks/a.png", "images/c.jpg,",
             "images/b.jpg,masks/a.png", "../secret.jpg,masks/a.png", "/etc/passwd,masks/a.png",
             "images/c.jpg,masks/d.txt", "C:/x.jpg,masks/a.png", ",masks/a.png"]
    root = listed(tmp_path, "\n".join(["images,masks,split", *(line + ",1" for line in lines)]), "abc")
    (root / "masks/d.txt").touch()
    listing = csv_list.listing(root, "training")
    assert [pair.name for pair in listing.pairs] == ["a"]
    assert problem_texts(listing) == [
        "list.csv: line 5: images/c.jpg has no mask", "list.csv: line 7: ../secret.jpg is outside the data folder",
        "list.csv: line 8: /etc/passwd is outside the data folder",
        "list.csv: line 10: C:/x.jpg is outside the data folder", "list.csv: line 11: no image",
        "list.csv: lists b.jpg 2 times", "gone.jpg: is missing",
        "d.txt: does not end in .png .bmp .gif .tif .tiff .npy .jpg .jpeg .mat"]


def test_faulty_line_is_reported_and_moves_no_drawn_pair(tmp_path):
    stems = [f"{i}" for i in range(10)]
    text = "images,masks\n" + "".join(f"images/{s}.jpg,masks/{s}.png\n" for s in stems)
    root = listed(tmp_path, text, stems, "zz.csv")
    before = csv_list.listing(root, "validation")
    for name in ("x.csv", "y.csv", "zz.csv"):  # whatever the list is called
        (root / "zz.csv").unlink(missing_ok=True)
        (root / name).write_text(text + "images/0.jpg,\n")
        for split in ("training", "validation"):
            assert problem_texts(csv_list.listing(root, split)) == [f"{name}: line 12: images/0.jpg has no mask"]
        assert csv_list.listing(root, "validation").pairs == before.pairs
        (root / name).unlink()


def test_photo_that_is_its_own_mask_is_reported(tmp_path):
    root = listed(tmp_path, "images,masks,split\nimages/a.jpg,masks/a.png,1\nimages/b.jpg,masks/a.png,1\n"
                            "images/c.jpg,./images/c.jpg,1\n", "abc")
    listing = csv_list.listing(root, "training")
    assert [pair.name for pair in listing.pairs] == ["a", "b"] and listing.notes == ["a.png is the mask of 2 images."]
    assert problem_texts(listing) == ["list.csv: line 4: images/c.jpg is both image and mask; paths are relative to "
                             "the folder of the list"]


def test_classes_of_the_flag_override_those_beside_the_list(tmp_path):
    root = listed(tmp_path, "images,masks\nimages/a.jpg,masks/a.png\nimages/b.jpg,masks/b.png\n")
    for name in "ab":
        save(root / f"masks/{name}.png", np.array([[0, 255]], np.uint8))
    (root / "classes.txt").write_text("x\ny\nz\n")
    (root / "two.txt").write_text("skin\nnail\n")
    assert csv_list.spec(root, root / "two.txt").class_names == ("skin", "nail")
    assert len(csv_list.listing(root, "training").pairs) == 1


def test_list_names_may_hold_any_characters_and_bytes(tmp_path):
    stems = ["Mütze, rot", "語", 'a "b"', os.fsdecode(b"caf\xe9")]
    tree(tmp_path, ("images", "masks"), [s + ".jpg" for s in stems], [s + ".png" for s in stems])
    count, problems = csv_list.write(tmp_path, tmp_path / "list.csv")
    assert (count, problems) == (4, [])
    found = [pair.name for split in ("training", "validation") for pair in csv_list.listing(tmp_path, split).pairs]
    assert sorted(found) == sorted(stems)


def test_photos_of_equal_name_are_named_with_their_folder(tmp_path):
    text = "images,masks,split\n" + "".join(f"{case}/photo.jpg,{case}/mask.png,train\n" for case in ("case1", "case2"))
    for case in ("case1", "case2"):
        tree(tmp_path, (case,), ["photo.jpg", "mask.png"], [])
    (tmp_path / "list.csv").write_text(text)
    assert [pair.name for pair in csv_list.listing(tmp_path, "training").pairs] == ["case1_photo", "case2_photo"]


@pytest.mark.parametrize("where", [".", "csv"])
def test_nail_tutorial_list_finds_files_in_the_split_folders(tmp_path, where):
    tree(tmp_path, ("train/images", "train/masks"), ["a.jpg"], ["a.jpg"])
    tree(tmp_path, ("valid/images", "valid/masks"), ["b.jpg"], ["b.jpg"])
    (tmp_path / where).mkdir(exist_ok=True)
    (tmp_path / where / "data.csv").write_text(",images,train\n0,a.jpg,1\n1,b.jpg,0\n2,c.jpg,1\n")
    training, validation = (csv_list.listing(tmp_path / where, split) for split in ("training", "validation"))
    assert names(training) == [("a", "a.jpg", "a.jpg")] and names(validation) == [("b", "b.jpg", "b.jpg")]
    assert training.pairs[0].label == tmp_path / "train/masks/a.jpg"
    assert problem_texts(training) == ["c.jpg: is missing"]
    assert csv_list.spec(tmp_path / where).encoding == "binary"


def test_black_and_white_masks_of_a_list_are_binary_others_ids(tmp_path):
    root = listed(tmp_path, "images,masks\nimages/a.jpg,masks/a.png\nimages/b.jpg,masks/b.png\n")
    assert csv_list.spec(root).encoding == "ids"
    for name in "ab":
        save(root / f"masks/{name}.png", np.array([[0, 255]], np.uint8))
    assert csv_list.spec(root).class_names == ("background", "foreground")
    save(root / "masks/b.png", np.array([[0, 2]], np.uint8))
    (root / "classes.txt").write_text("x\ny\nz\n")
    assert (csv_list.spec(root).encoding, csv_list.spec(root).num_classes) == ("ids", 3)


@pytest.mark.parametrize("text", ["", "photo,label\na,b\n", "images\na.jpg\n", b"\xff\xd8\xff"])
def test_other_file_in_place_of_a_list_is_refused(tmp_path, text):
    root = listed(tmp_path, text)
    assert csv_list.recognise(root) == ""
    for data in (root, root / "list.csv"):
        with pytest.raises(errors.DataError, match="neither is nor holds a list of pairs"):
            csv_list.listing(data, "training")


def test_empty_list_and_two_lists_are_refused(tmp_path):
    root = listed(tmp_path, "images,masks\n")
    with pytest.raises(errors.DataError, match="lists no images"):
        csv_list.listing(root, "training")
    (root / "other.CSV").write_text("images,masks\n")
    with pytest.raises(errors.DataError, match=r"several lists of pairs: list\.csv, other\.CSV"):
        csv_list.listing(root, "training")


def test_hidden_list_is_ignored(tmp_path):
    root = listed(tmp_path, "images,masks\nimages/a.jpg,masks/a.png\nimages/b.jpg,masks/b.png\n")
    for name in ("._list.csv", ".list.csv~.csv"):
        (root / name).write_text("images,masks\n")
    assert [pair.name for split in ("training", "validation") for pair in csv_list.listing(root, split).pairs]


def test_fix_writes_a_list_of_the_same_pairs(tmp_path, capsys):
    root = flat_tree(tmp_path / "data", binary_masks, [f"{i}" for i in range(11)])
    (root / "images/lonely.jpg").touch()
    assert errors.run_command(main.main, ["csv_list", str(root), "--out", str(tmp_path / "mine.csv")]) == 0
    output = capsys.readouterr()
    assert "11 pairs" in output.out and "lonely.jpg: has no label" in output.err
    for split in ("training", "validation"):
        wanted, found = (layout.listing(data, split).pairs for layout, data in (
            (binary_masks, root), (csv_list, tmp_path / "mine.csv")))
        assert [pair.name for pair in found] == [pair.name for pair in wanted]
        assert [pair.image.resolve() for pair in found] == [pair.image.resolve() for pair in wanted]
    (tmp_path / "elsewhere").mkdir()
    assert errors.run_command(main.main, ["csv_list", str(root), "--out", str(tmp_path / "elsewhere/x.csv")]) == 2
