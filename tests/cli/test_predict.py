"""fcn predict: photos by path, folder, pattern or list, and the folder that is written."""

import numpy as np
import pytest
from conftest import save
from scripts_help import call

from fcn.cli import evaluate_flags
from fcn.core import errors
from fcn.evaluation import image_sources


def photos(folder, *names):
    for name in names:
        save(folder / name, np.zeros((4, 4, 3), np.uint8))


def found(*where):
    """The names of the photos of these places, and what is left out."""
    sources, odd, lines = image_sources.from_photos([str(place) for place in where])
    return [source.name for source in sources], [str(problem) for problem in odd] + lines


def test_a_pattern_names_photos_in_natural_order(tmp_path):
    photos(tmp_path, "img10.png", "img2.png", "other.png")
    assert found(tmp_path / "img*.png")[0] == ["img2", "img10"]
    assert found(tmp_path / "img2.png")[0] == ["img2"]


def test_places_are_joined_and_a_photo_counts_once(tmp_path):
    photos(tmp_path, "a/1.png", "a/2.png", "b/1.png")
    assert found(tmp_path / "a", tmp_path / "b/1.png", tmp_path / "a/2.png")[0] == ["a/1", "a/2", "b/1"]
    assert found(tmp_path / "*/1.png")[0] == ["a/1", "b/1"]


def test_other_files_of_a_pattern_are_counted(tmp_path):
    photos(tmp_path, "1.png")
    (tmp_path / "notes.txt").touch()
    names, lines = found(tmp_path / "*")
    assert names == ["1"] and any("1 .txt file is not read" in line for line in lines)


@pytest.mark.parametrize(("place", "words"), [
    ("no/*.png", "no file matches this pattern"), ("img.png", r"is missing(.|\n)*did you mean .*/img1.png\?"),
    ("zzzzzz", "is missing(.|\\n)*Fix: give a photo, a folder"), ("", "no photo is here")])
def test_missing_photos_are_reported_with_a_fix(tmp_path, place, words):
    photos(tmp_path / "photos", "img1.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.DataError, match=words):
        found(tmp_path / "photos" / place if place else tmp_path / "empty")


def test_the_arguments_are_those_of_evaluate_with_images():
    one = vars(evaluate_flags.parse_prediction(["a.png", "b", "--run", "r", "--flip"], ""))
    other = vars(evaluate_flags.parse(["--images", "a.png", "b", "--run", "r", "--flip"], ""))
    assert one == other


def test_without_a_net_the_flags_that_name_one_are_advised(capsys):
    with pytest.raises(SystemExit):
        evaluate_flags.parse_prediction(["a.png"], "")
    assert "Fix: give --run or --weights" in capsys.readouterr().err


@pytest.mark.slow
def test_photos_are_predicted_into_a_folder(trained, toy, tmp_path):
    folder = toy / "scenes/images/validation"
    said = call(["python", "-m", "fcn", "predict", str(folder / "*.jpg"), "--run", str(trained[0] / "run"), "--out",
                 str(tmp_path / "out"), "--outputs", "predictions"]).stdout
    assert "checkpoint: " in said and "device: " in said and "2 predictions are in" in said
    names = sorted(path.name for path in (tmp_path / "out/predictions").iterdir())
    assert names == [f"{path.stem}.png" for path in sorted(folder.glob("*.jpg"))]
