"""COCO annotations become label files: outlines are those of pycocotools, and what cannot be used is named."""

import json

import numpy as np
import pytest
from conftest import save
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fcn.cli import main
from fcn.core import errors, machine
from fcn.data import label_files
from fcn.data.coco import annotations, convert, rasterise
from fcn.data.coco.annotations import Instance
from fcn.data.layouts import paired

coco_mask = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
SQUARE = [1, 1, 5, 1, 5, 5, 1, 5]  # 4x4 pixels: columns and rows 1 to 4
CATEGORIES = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]


def annotated(image, category, outline, **others):
    return {"id": 1, "image_id": image, "category_id": category, "segmentation": outline, **others}


def written(folder, some_annotations, images=None, categories=CATEGORIES):
    """A JSON file, and images of 6x8 pixels for it in folder/photos."""
    images = images or [{"id": 1, "file_name": "a.jpg", "height": 6, "width": 8}]
    for image in images:
        path = folder / "photos" / str(image.get("file_name", "a.jpg"))
        if ".." not in path.parts:
            save(path, np.zeros((6, 8, 3), np.uint8))
    path = folder / "a.json"
    path.write_text(json.dumps({"images": images, "annotations": some_annotations, "categories": categories}))
    return path


def converted(folder, *more):
    return main.main(["convert-labels", str(folder / "a.json"), "--images", str(folder / "photos"), "--output",
                      str(folder / "out"), *more])


def painted(*instances, size=(6, 8)):
    return rasterise.paint(rasterise.masks([Instance(*instance) for instance in instances], size), size)


@pytest.mark.slow
@given(st.lists(st.booleans(), min_size=12, max_size=12), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_run_lengths_are_those_of_pycocotools(bits, repeat):
    mask = np.repeat(np.array(bits).reshape(3, 4), repeat, axis=0)
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    runs = rasterise.uncompressed(encoded["counts"])
    by_list = {"size": list(mask.shape), "counts": runs.tolist()}
    by_text = {"size": list(mask.shape), "counts": encoded["counts"].decode()}
    assert rasterise.area(runs) == mask.sum() and not rasterise.wrong_runs(by_list, mask.shape)
    for outline in (by_list, by_text):
        np.testing.assert_array_equal(painted((1, outline), size=mask.shape), mask)


@pytest.mark.slow
@given(st.lists(st.lists(st.integers(-2000, 6000).map(lambda x: x / 100), min_size=8, max_size=8), min_size=1,
                max_size=3))
@settings(max_examples=60, deadline=None)
def test_polygons_are_those_of_pycocotools(polygons):
    size = (30, 40)
    expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *size)))
    np.testing.assert_array_equal(painted((1, polygons), size=size), expected)


def test_small_objects_are_in_front_and_crowds_behind():
    whole, inner = [0, 0, 8, 0, 8, 6, 0, 6], [2, 2, 3, 2, 3, 3, 2, 3]
    label = painted((2, [inner]), (1, [SQUARE]), (255, [whole], True))
    expected = np.full((6, 8), 255)
    expected[1:5, 1:5] = 1
    expected[2, 2] = 2
    np.testing.assert_array_equal(label, expected)
    assert painted((1, [SQUARE]), (2, [SQUARE]))[2, 2] == 2  # of equal areas, the later one


def test_a_converted_file_is_a_data_set(tmp_path, capsys):
    images = [{"id": i, "file_name": name, "height": 6, "width": 8} for i, name in enumerate(("a.tif", "b/c.jpg"))]
    written(tmp_path, [annotated(0, 7, [SQUARE]), annotated(0, 3, [[2, 2, 3, 2, 3, 3, 2, 3]]),
                       annotated(0, 3, [[6, 0, 8, 0, 8, 6, 6, 6]], iscrowd=1), annotated(1, 3, [])], images)
    assert not converted(tmp_path)
    assert "1 annotations have no outline" in capsys.readouterr().out
    spec, pairs = paired.spec(tmp_path / "out"), paired.listing(tmp_path / "out", "training").pairs
    pairs += paired.listing(tmp_path / "out", "validation").pairs
    assert spec.class_names == ("background", "dog", "cat") and spec.ignored_ids == (255,)  # ids 3 and 7 are 1 and 2
    labels = {pair.name: label_files.read_pair(pair, spec)[1] for pair in pairs}
    assert {name: np.bincount(label.ravel(), minlength=256)[[0, 1, 2, 255]].tolist()
            for name, label in labels.items()} == {"a": [20, 1, 15, 12], "b_c": [48, 0, 0, 0]}


def test_splits_are_files_of_one_data_set(tmp_path):
    written(tmp_path, [annotated(1, 7, [SQUARE])])
    for split in ("training", "validation"):
        assert not converted(tmp_path, "--split", split)
        assert [pair.name for pair in paired.listing(tmp_path / "out", split).pairs] == ["a"]
    written(tmp_path, [annotated(1, 3, [SQUARE])], categories=CATEGORIES[1:])
    with pytest.raises(errors.UsageError, match="other classes"):
        converted(tmp_path, "--split", "test")


def test_an_interrupted_conversion_is_resumed(tmp_path, capsys):
    images = [{"id": name, "file_name": f"{name}.png", "height": 6, "width": 8} for name in "ab"]
    written(tmp_path, [annotated("a", 7, [SQUARE]), annotated("b", 3, [SQUARE])], images)
    converted(tmp_path)
    labels = tmp_path / "out/labels"
    before = (labels / "b.png").read_bytes()
    (labels / "b.png").unlink()
    time = (labels / "a.png").stat().st_mtime_ns
    converted(tmp_path)
    assert (labels / "b.png").read_bytes() == before and (labels / "a.png").stat().st_mtime_ns == time
    assert "1 labels written, 1 were there from an earlier start" in capsys.readouterr().out


def test_files_of_others_are_not_overwritten(tmp_path):
    written(tmp_path, [annotated(1, 7, [SQUARE])])
    converted(tmp_path)
    label = (tmp_path / "out/labels/a.png").read_bytes()
    written(tmp_path, [annotated(1, 3, [SQUARE])])  # another file, so another conversion
    with pytest.raises(errors.UsageError, match="exists already"):
        converted(tmp_path)
    assert (tmp_path / "out/labels/a.png").read_bytes() == label
    with pytest.raises(errors.UsageError, match="data set without splits"):
        converted(tmp_path, "--split", "test")
    (tmp_path / "out/convert-labels.json").unlink()
    with pytest.raises(errors.UsageError, match="exists already"):
        converted(tmp_path)


RUNS = {"size": [6, 8], "counts": [40, 9]}
WRONG = {
    "odd": ([[1, 1, 5, 1, 5]], "a polygon has 5 numbers"),
    "a box": ([[1, 1, 5, 5]], "a polygon has 4 numbers"),
    "not a number": ([[1, 1, 5, float("nan"), 5, 5]], "other than finite numbers"),
    "text": ([["1", 1, 5, 1, 5, 5]], "other than finite numbers"),
    "far outside": ([[1, 1, 1e9, 1, 5, 5]], "far outside its image of 6x8"),
    "not a list": (5, "neither a list of polygons nor"),
    "too many runs": (RUNS, "do not fill 6x8 pixels"),
    "negative runs": ({"size": [6, 8], "counts": [50, -2]}, "do not fill 6x8 pixels"),
    "other size": ({"size": [8, 6], "counts": [48]}, "its mask is 8x6, its image 6x8"),
    "no counts": ({"size": [6, 8]}, "run-length encoding is damaged"),
    "cut text": ({"size": [6, 8], "counts": "o"}, "run-length encoding is damaged"),
    "endless text": ({"size": [6, 8], "counts": "o" * 99 + "0"}, "run-length encoding is damaged"),
}


@pytest.mark.parametrize(("outline", "why"), WRONG.values(), ids=WRONG)
def test_a_malformed_outline_is_named(tmp_path, outline, why):
    path = written(tmp_path, [annotated(1, 7, outline), annotated(1, 7, [SQUARE])])
    found = annotations.read(path)
    assert found.entries == []  # without this object, the label of the image would be wrong
    assert [problem.reason for problem in found.problems] == [found.problems[0].reason]
    assert why in found.problems[0].reason and "annotation 1" in found.problems[0].reason


IMAGES = {
    "outside": ({"id": 1, "file_name": "../a.jpg", "height": 6, "width": 8}, "outside the folder"),
    "absolute": ({"id": 1, "file_name": "/etc/a.jpg", "height": 6, "width": 8}, "outside the folder"),
    "Windows": ({"id": 1, "file_name": "C:\\a.jpg", "height": 6, "width": 8}, "outside the folder"),
    "no size": ({"id": 1, "file_name": "a.jpg"}, "height and width"),
    "no name": ({"id": 1, "height": 6, "width": 8}, "an id and a file_name"),
    "same id": ({"id": 0, "file_name": "b.jpg", "height": 6, "width": 8}, "another image has this id"),
    "same name": ({"id": 1, "file_name": "B/C.png", "height": 6, "width": 8}, "the name of that of b_c.jpg"),
}


@pytest.mark.parametrize(("image", "why"), IMAGES.values(), ids=IMAGES)
def test_an_unusable_image_is_named_once(tmp_path, image, why):
    first = {"id": 0, "file_name": "b_c.jpg", "height": 6, "width": 8}
    path = written(tmp_path, [annotated(image["id"], 7, [SQUARE])], [first, image])
    found = annotations.read(path)
    assert len(found.problems) == 1 and why in found.problems[0].reason


@pytest.mark.parametrize(("annotation", "why"), [
    (annotated(1, 5, [SQUARE]), "there is no category 5"), (annotated(1, None, [SQUARE]), "there is no category None"),
    (annotated(9, 7, [SQUARE]), "there is no image 9"), (annotated([], 7, [SQUARE]), r"there is no image \[\]")])
def test_unknown_categories_and_images_are_named(tmp_path, annotation, why):
    written(tmp_path, [annotation])
    with pytest.raises(errors.DataError, match=why):
        converted(tmp_path)
    assert not (tmp_path / "out").exists()


def test_bad_images_are_left_out_on_request(tmp_path, capsys):
    images = [{"id": i, "file_name": f"{i}.png", "height": 6, "width": 8} for i in range(4)]
    written(tmp_path, [annotated(i, 7, [SQUARE]) for i in range(3)] + [annotated(3, 7, [[1]])], images)
    (tmp_path / "photos/1.png").unlink()
    Image.new("RGB", (6, 8)).save(tmp_path / "photos/2.png")
    with pytest.raises(errors.DataError) as problem:
        converted(tmp_path)
    assert all(text in str(problem.value) for text in ("1.png: is missing", "is 8x6, the annotations are for 6x8",
                                                       "a polygon has 1 numbers", "--skip-bad"))
    assert not converted(tmp_path, "--skip-bad")
    assert [path.name for path in (tmp_path / "out/labels").iterdir()] == ["0.png"]
    assert capsys.readouterr().out.count("left out: ") == 3


@pytest.mark.parametrize(("text", "why"), [
    ("", "is not JSON"), ("<!DOCTYPE html>", "is not JSON"), ("[" * 99999, "is not JSON"), ("[]", "has no list"),
    ('{"images": [], "annotations": [], "categories": [3]}', "named categories"),
    ('{"images": [], "annotations": [], "categories": []}', "unusable categories"),
    ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}', "no outline of an object"),
    ('{"images": [], "annotations": [], "categories": [{"id": "1", "name": "a"}]}', "whole number as id")])
def test_a_file_of_something_else_is_refused(tmp_path, text, why):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(errors.DataError, match=why):
        annotations.read(tmp_path / "a.json")


def test_more_than_254_categories_need_16_bits(tmp_path):
    categories = [{"id": i, "name": f"{i}"} for i in range(300)]
    written(tmp_path, [annotated(1, 299, [SQUARE]), annotated(1, 0, [[5, 1, 8, 1, 8, 5, 5, 5]], iscrowd=1)],
            categories=categories)
    converted(tmp_path)
    label = np.asarray(Image.open(tmp_path / "out/labels/a.png"))
    assert {int(i): int(n) for i, n in zip(*np.unique(label, return_counts=True), strict=True)} == {
        0: 20, 300: 16, 65535: 12}
    assert json.loads((tmp_path / "out/classes.json").read_text())["ignored"] == [65535]


def test_more_classes_than_a_matrix_holds_are_refused(tmp_path):
    categories = [{"id": i, "name": f"{i}"} for i in range(4096)]
    path = written(tmp_path, [annotated(1, 7, [SQUARE])], categories=categories)
    with pytest.raises(errors.DataError, match="4096 categories, expected at most 4095"):
        annotations.read(path)


def test_a_file_larger_than_memory_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path, [annotated(1, 7, [SQUARE])])
    monkeypatch.setattr(machine, "available_memory", lambda: 100)
    with pytest.raises(errors.MachineError, match="GB of memory"):
        annotations.read(path)


@pytest.mark.parametrize(("folder", "fix"), [("photos/in", "--images .*photos"), (".", "--images .*photos")])
def test_a_wrong_folder_of_images_is_answered_with_the_right_one(tmp_path, folder, fix):
    written(tmp_path, [annotated(1, 7, [SQUARE])])
    (tmp_path / "photos/in").mkdir()
    with pytest.raises(errors.DataError, match=fix):
        convert.check(annotations.read(tmp_path / "a.json").entries, tmp_path / folder)
