"""JSON files of labelme become label files, as COCO annotations do (test_coco.py)."""

import json

import numpy as np
import pytest
from conftest import save
from PIL import Image

from fcn.cli import main
from fcn.core import errors
from fcn.data.coco import labelme

pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")


def shape(label, *points, kind="polygon"):
    return {"label": label, "points": points, "shape_type": kind}


def drawn(folder, name, *shapes, **others):
    """An image of 6x8 pixels with its JSON file beside it, as labelme writes them."""
    save(folder / f"{name}.png", np.zeros((6, 8, 3), np.uint8))
    content = {"version": "5.0", "shapes": shapes, "imagePath": f"..\\x\\{name}.png", "imageData": None,
               "imageHeight": 6, "imageWidth": 8}
    (folder / f"{name}.json").write_text(json.dumps(content | others))


def test_a_folder_of_labelme_is_converted(tmp_path, capsys):
    folder = tmp_path / "drawn"
    drawn(folder, "a", shape("dog", [1, 1], [5, 5], kind="rectangle"), shape("cat", [2, 2], [3, 2], [3, 3], [2, 3]),
          shape("__ignore__", [6, 0], [8, 0], [8, 6], [6, 6]), shape("dog", [0, 0], [8, 6], kind="line"))
    drawn(folder, "b", shape("_background_", [2, 2], [3, 3], kind="rectangle"),
          shape("dog", [4, 3], [4, 5], kind="circle"))
    main.main(["convert-labels", str(folder), "--images", str(folder), "--output", str(tmp_path / "out")])
    a, b = (np.asarray(Image.open(tmp_path / f"out/labels/{name}.png")) for name in "ab")
    assert np.bincount(a.ravel(), minlength=256)[[0, 1, 2, 255]].tolist() == [20, 1, 15, 12]  # cat is 1, dog is 2
    assert a[2, 2] == 1 and b[2, 2] == 0 and b[3, 4] == 2 and set(b.ravel()) == {0, 2}
    assert 9 <= np.count_nonzero(b) <= 16  # a circle of radius 2 has 12.6 pixels, of which one is background
    assert "1 lines and points are left out" in capsys.readouterr().out


WRONG = {
    "a mask": ({"shapes": [shape("dog", [1, 1], [5, 5], kind="mask")]}, "a shape is a mask"),
    "two points": ({"shapes": [shape("dog", [1, 1], [5, 5])]}, "dog: a polygon has 4 numbers"),
    "no label": ({"shapes": [shape("", [1, 1], [5, 5], [5, 1])]}, "a shape has no label"),
    "numbers": ({"shapes": [shape("dog", [1], [5, 5], [5, 1])]}, "not usable as a file of labelme"),
    "no size": ({"imageHeight": None}, "expected height and width"),
    "no image": ({"imagePath": ""}, "expected an id and a file_name"),
    "other JSON": ({"shapes": 5}, "not usable as a file of labelme"),
}


@pytest.mark.parametrize(("others", "why"), WRONG.values(), ids=WRONG)
def test_a_file_that_cannot_be_used_is_named(tmp_path, others, why):
    drawn(tmp_path, "good", shape("dog", [1, 1], [5, 5], [5, 1]))
    drawn(tmp_path, "wrong", **others)
    found = labelme.read(tmp_path)
    assert [entry.file_name for entry in found.entries] == ["good.png"]
    assert [problem.path.name for problem in found.problems] == ["wrong.json"] and why in found.problems[0].reason


def test_a_folder_without_files_of_labelme_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(errors.DataError, match="no usable JSON file of labelme"):
        labelme.read(tmp_path)
