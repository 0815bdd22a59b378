"""Data sets with MATLAB labels, in generated trees as their publishers pack them; pixels are counted by hand."""

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from conftest import save
from layouts_help import flat_tree, problem_texts, tree

from fcn.core import errors, registry
from fcn.data import label_files
from fcn.data.layouts import _auto, nyudv2, paired, pascal_context, sbd, sift_flow, sift_flow_geometric, voc

INSIDE = sift_flow.INSIDE


def pair(root, image, label, content):
    """An image of 2x3 pixels and a MATLAB file."""
    save(root / image, np.zeros((2, 3, 3), np.uint8))
    (root / label).parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(root / label, content, do_compression=True)


def text(root, name, *lines):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n")


def counted(layout, root, split, **options):
    """{id: pixels} of a split, whose files have no problems."""
    listing, spec = layout.listing(root, split), layout.spec(root, **options)
    assert problem_texts(listing) == []
    pixels = sum(np.bincount(label_files.read_pair(pair, spec)[1].ravel(), minlength=256) for pair in listing.pairs)
    return {i: int(n) for i, n in enumerate(pixels) if n}


def sbd_tree(root):
    sparse = np.empty((20, 1), object)
    sparse[:, 0] = [scipy.sparse.csc_matrix(np.eye(3))] * 20
    for name, label in (("2008_1", [[0, 0, 15], [0, 15, 15]]), ("2008_2", [[20, 0, 0], [0, 0, 0]]),
                        ("2008_3", [[1, 1, 1], [1, 1, 0]])):
        pair(root, f"img/{name}.jpg", f"cls/{name}.mat", {"GTcls": {
            "Boundaries": sparse, "Segmentation": np.array(label, np.uint8), "CategoriesPresent": [[15]]}})
    (root / "inst").mkdir()
    text(root, "train.txt", "2008_1", "2008_3")
    text(root, "val.txt", "2008_2")
    text(root, "train_noval.txt", "2008_3")
    return root


def test_sbd_reads_a_field_of_a_struct_by_its_lists(tmp_path):
    root = sbd_tree(tmp_path)
    assert _auto.fitting(root) == {"sbd": "it has img/, cls/ with .mat files and train.txt"}
    assert counted(sbd, root, "training") == {0: 4, 1: 5, 15: 3}
    assert counted(sbd, root, "validation") == {0: 5, 20: 1} and counted(sbd, root, "train_noval") == {0: 1, 1: 5}
    assert sbd.spec(root).class_names == voc.NAMES and sbd.spec(root).ignored_ids == (255,)


def nyud_tree(root):
    """The tree of FCN's authors: 0 is void, 1 to 40 are classes."""
    for number, label in (("5001", [[0, 1, 40], [40, 40, 2]]), ("5002", [[1, 1, 1], [1, 1, 1]])):
        pair(root, f"data/images/img_{number}.png", f"segmentation/img_{number}.mat",
             {"segmentation": np.array(label, np.uint8), "names": "x"})
        save(root / f"data/hha/img_{number}.png", np.zeros((2, 3, 3), np.uint8))
    text(root, "train.txt", "5001")
    text(root, "val.txt", "5002")
    text(root, "trainval.txt", "5001", "5002")
    return root


def test_nyudv2_of_the_authors_of_fcn_becomes_0_to_39(tmp_path):
    root = nyud_tree(tmp_path)
    assert _auto.fitting(root) == {"nyudv2": "it has train.txt with numbers, data/images/img_5001 and segmentation/"}
    assert counted(nyudv2, root, "training") == {0: 1, 1: 1, 39: 3, 255: 1}
    assert counted(nyudv2, root, "validation") == {0: 6} and len(nyudv2.listing(root, "trainval").pairs) == 2
    assert nyudv2.spec(root).class_names[39] == "otherprop" and nyudv2.spec(root).num_classes == 40


def test_nyudv2_with_png_labels_has_ids_as_stored(tmp_path):
    for number in ("5003", "5004"):
        save(tmp_path / f"images/img_{number}.jpg", np.zeros((2, 3, 3), np.uint8))
        save(tmp_path / f"labels/img_{number}.png", np.array([[0, 39, 39], [255, 255, 255]], np.uint8))
    text(tmp_path, "train.txt", "5003")
    assert [*_auto.fitting(tmp_path)] == ["nyudv2"]  # paired fits too, and is more general
    assert counted(nyudv2, tmp_path, "training") == {0: 1, 39: 2, 255: 3}
    text(tmp_path, "train.txt", "holiday")
    assert [*_auto.fitting(tmp_path)] == ["paired"]


def sift_tree(root):
    """Labels as MATLAB saves them: double, 0 for unlabelled."""
    for name, label in (("coast_1", [[0, 1, 33], [33, 33, 1]]), ("coast_2", [[2, 2, 2], [0, 0, 0]]),
                        ("street_urb506", [[0, 0, 0], [0, 0, 0]])):
        pair(root, f"Images/{INSIDE}/{name}.jpg", f"SemanticLabels/{INSIDE}/{name}.mat",
             {"S": np.array(label, float), "names": np.array([["awning"]], object)})
    return root


@pytest.mark.parametrize("lists", [{"TestSet1.txt": [f"{INSIDE}\\coast_2.jpg"]},
                                   {"test.txt": ["coast_2"], "trainval.txt": ["coast_1"]}], ids=["Tighe", "FCN"])
def test_sift_flow_becomes_0_to_32_by_the_list_of_tests(tmp_path, lists):
    root = sift_tree(tmp_path)
    for name, lines in lists.items():
        text(root, name, *lines)
    assert [*_auto.fitting(root)] == ["sift_flow"]
    assert counted(sift_flow, root, "training") == {0: 2, 32: 3, 255: 1}
    assert counted(sift_flow, root, "validation") == {1: 3, 255: 3}
    assert sift_flow.spec(root).class_names[32] == "window" and sift_flow.spec(root).num_classes == 33
    with pytest.raises(errors.DataError, match="its test images are the split"):
        sift_flow.listing(root, "test")


def test_geometric_classes_of_sift_flow_are_a_layout(tmp_path):
    root = sift_tree(tmp_path)
    text(root, "TestSet1.txt", f"{INSIDE}\\coast_2.jpg")
    for name, label in (("coast_1", [[-1, 1, 2], [3, 3, 0]]), ("coast_2", [[1, 1, 1], [2, 2, 2]])):
        pair(root, f"Images/{INSIDE}/{name}.jpg", f"GeoLabels/{INSIDE}/{name}.mat", {"S": np.array(label, np.int16)})
    assert counted(sift_flow_geometric, root, "training") == {0: 1, 1: 1, 2: 2, 255: 2}
    assert counted(sift_flow_geometric, root, "validation") == {0: 3, 1: 3}
    assert [*_auto.fitting(root)] == ["sift_flow"]


@pytest.mark.parametrize("place", ["VOCdevkit/VOC2010/", "VOC2010/", ""])
def test_pascal_context_maps_459_labels_to_59_classes(tmp_path, place):
    root = tmp_path
    # labels.txt: 2 aeroplane, 23 bicycle, 397 table, 431 unknown, 458 wood, 459 wool
    pair(root, f"{place}JPEGImages/a.jpg", "trainval/a.mat", {"LabelMap": np.array([[2, 23, 397], [431, 458, 459]],
                                                                                    np.uint16)})
    pair(root, f"{place}JPEGImages/b.jpg", "trainval/b.mat", {"LabelMap": np.full((2, 3), 284.0)})
    save(root / f"{place}JPEGImages/unlabelled.jpg", np.zeros((2, 3, 3), np.uint8))
    text(root, f"{place}ImageSets/Main/train.txt", "a")
    text(root, f"{place}ImageSets/Main/val.txt", "b")
    assert _auto.fitting(root) == {"pascal_context": f"it has trainval/ with .mat files and {place}JPEGImages/"}
    assert counted(pascal_context, root, "training") == {0: 2, 1: 1, 2: 1, 11: 1, 59: 1}
    assert counted(pascal_context, root, "validation") == {15: 6}
    spec = pascal_context.spec(root)
    assert spec.num_classes == 60 and spec.ignored_ids == (255,)
    assert [spec.class_names[i] for i in (0, 1, 11, 15, 59)] == ["background", "aeroplane", "diningtable", "person",
                                                                "wood"]


def test_pascal_context_may_have_all_459_labels(tmp_path):
    pair(tmp_path, "JPEGImages/a.jpg", "trainval/a.mat", {"LabelMap": np.array([[0, 2, 459], [2, 2, 2]], np.uint16)})
    text(tmp_path, "ImageSets/Main/train.txt", "a")
    text(tmp_path, "all.txt", *(f"label {i}" for i in range(460)))
    spec = pascal_context.spec(tmp_path, tmp_path / "all.txt")
    (found,) = pascal_context.listing(tmp_path, "training").pairs
    np.testing.assert_array_equal(label_files.read_pair(found, spec)[1], [[0, 2, 459], [2, 2, 2]])


def test_pascal_context_beside_labels_of_voc_must_be_chosen(tmp_path):
    pair(tmp_path, "JPEGImages/a.jpg", "trainval/a.mat", {"LabelMap": np.ones((2, 3))})
    assert voc.recognise(tmp_path) == ""
    flat_tree(tmp_path, voc, ["a"])
    with pytest.raises(errors.UsageError, match="--layout pascal_context or --layout voc"):
        _auto.choose(tmp_path)


TREES = {"sbd": (sbd_tree, "train.txt"), "nyudv2": (nyud_tree, "train.txt"), "sift_flow": (sift_tree, "trainval.txt")}


def test_a_listed_name_without_its_files_is_a_problem(tmp_path):
    root = sbd_tree(tmp_path)
    (root / "cls/2008_1.mat").unlink()
    (root / "img/2008_3.jpg").unlink()
    assert problem_texts(sbd.listing(root, "training")) == [
        "2008_3.mat: has no image of this name",
        "train.txt: lists 2008_1, which has no image or no label"]
    assert problem_texts(sbd.listing(root, "validation")) == []


@pytest.mark.parametrize("name", TREES)
def test_a_list_that_is_missing_or_a_web_page_is_named(tmp_path, name):
    build, lines = TREES[name]
    root, layout = build(tmp_path), registry.load("layouts", name)
    missing = "val.txt" if name != "sift_flow" else "TestSet1.txt"
    (root / missing).unlink(missing_ok=True)
    with pytest.raises(errors.DataError, match=f"{missing}: cannot be read"):
        layout.listing(root, "validation")
    text(root, lines, "<!DOCTYPE html>")
    with pytest.raises(errors.DataError, match=f"{lines}: is not a list of names"):
        layout.listing(root, "training")


@pytest.mark.parametrize(("content", "why"), [
    ({"other": np.ones((2, 3))}, "no `groundtruth` or `LabelMap`"),
    ({"S": np.ones((2, 3)) * 0.5}, "contains 0.5"), ({"S": np.ones((2, 3)) * np.nan}, "contains nan"),
    ({"S": "text"}, "is not a real 2-D array"), ({"S": np.ones((2, 3, 2))}, "is not a real 2-D array"),
    ({"GTcls": np.ones((2, 3))}, "`GTcls` is not a struct"), ({"GTcls": {"inst": 1}}, "the fields 'inst' and no"),
    ({"GTcls": np.zeros((1, 2), [("Segmentation", object)])}, "`GTcls` is not a struct")])
def test_a_matlab_file_of_something_else_is_refused(tmp_path, content, why):
    scipy.io.savemat(tmp_path / "a.mat", content)
    with pytest.raises(errors.DataError, match=why):
        registry.load("label_formats", "mat").read(tmp_path / "a.mat", sift_flow.spec(tmp_path))


def test_another_layout_is_told_to_read_the_format_mat(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"S": np.array([[1, 2, 3]])})
    with pytest.raises(errors.DataError, match="or give --label-encoding mat, which reads it as ids 1, 2, 3"):
        label_files.read_label(tmp_path / "a.mat", paired.spec(tmp_path))


def test_specific_layouts_fit_no_other_tree(tmp_path):
    for name, (build, _) in TREES.items():
        root = build(tmp_path / name)
        text(root, "test.txt", "coast_2")
        assert list(_auto.fitting(root)) == [name]
    empty = tree(tmp_path / "empty", ("img/training", "cls"), ["a.jpg"], ["a.mat"])
    assert not any(layout.recognise(empty) for layout in (sbd, nyudv2, sift_flow, pascal_context))
