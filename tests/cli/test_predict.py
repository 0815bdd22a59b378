"""fcn predict: photos and videos by path, folder, pattern or list, and the folder that is written."""

import numpy as np
import pytest
from conftest import save
from PIL import Image
from scripts_help import call
from video_help import drawn, encoded

from fcn.cli import evaluate_flags
from fcn.core import errors
from fcn.data import images, video
from fcn.evaluation import image_sources

SUFFIXES = images.IMAGE_SUFFIXES


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


def test_videos_are_read_by_name_or_pattern_only(tmp_path):
    photos(tmp_path, "a.png", "b/frames.png")
    encoded(tmp_path / "b/clip.mp4", drawn(2))
    assert found(tmp_path) == (["a", "b/frames"], [f"photos in {tmp_path}: 1", f"photos in {tmp_path}/b: 1",
                                                  f"1 .mp4 file is not read; readable: {' '.join(SUFFIXES)}"])
    names, lines = found(tmp_path / "b/*")
    assert names == ["clip", "frames"] and lines == [f"{tmp_path}/b/clip.mp4: about 2 frames, 30 per second"]
    (tmp_path / "b/broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    names, lines = found(tmp_path / "b/*")
    assert names == ["clip", "frames"] and "broken.mp4: cannot be opened as a video" in lines[0]


def test_frames_never_get_the_name_of_a_photo(tmp_path):
    photos(tmp_path, "clip/000001.png")
    encoded(tmp_path / "clip.mp4", drawn(2))
    assert found(tmp_path / "clip.mp4", tmp_path / "clip")[0] == ["clip/000001.png", "clip.mp4"]


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


def predicted(run, out, *words, code=0):
    done = call(["python", "-m", "fcn", "predict", *map(str, words), "--run", str(run), "--out", str(out)], code)
    return done.stdout + done.stderr


def ids_in(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_frames_have_the_ids_of_the_same_pictures(trained, tmp_path):
    frames = drawn(5, 51, 67)
    for number, frame in enumerate(frames, 1):
        save(tmp_path / f"clip/{number:06}.png", frame)
    encoded(tmp_path / "clip.mp4", frames, fps="24")
    of_pictures, of_video = tmp_path / "pictures", tmp_path / "video"
    predicted(trained[0] / "run", of_pictures, tmp_path / "clip", "--outputs", "predictions")
    said = predicted(trained[0] / "run", of_video, tmp_path / "clip.mp4")
    assert "5 predictions are in" in said and "predictions, overlays" in said
    expected, found = ids_in(of_pictures / "predictions"), ids_in(of_video / "predictions/clip")
    assert list(found) == list(expected) == [f"{number:06}.png" for number in range(1, 6)]
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])
    overlays = video.probe(of_video / "overlays/clip.mp4")
    assert (overlays.fps, overlays.frames) == ("24", 5)
    assert [frame.shape for frame in video.frames(overlays)] == [(51, 67, 3)] * 5


@pytest.mark.slow
def test_damaged_video_is_predicted_to_its_last_frame(trained, tmp_path):
    whole = encoded(tmp_path / "whole.mkv", drawn(40), "-g", "1").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[:len(whole) // 2])
    run = trained[0] / "run"
    said = predicted(run, tmp_path / "out", tmp_path / "cut.mkv", tmp_path / "whole.mkv", code=3)
    number = len(ids_in(tmp_path / "out/predictions/cut"))
    assert 10 < number < 20 and len(ids_in(tmp_path / "out/predictions/whole")) == 40
    assert f"cut.mkv: is damaged or truncated: {number} of about 40 frames" in said.split("DataError:")[1]
    assert len(list(video.frames(video.probe(tmp_path / "out/overlays/cut.mp4")))) == number
    said = predicted(run, tmp_path / "out2", tmp_path / "cut.mkv", "--skip-bad")
    assert "left out: " in said and "is damaged or truncated" in said
