"""One rule for what counts in a folder, and in which order."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.core import errors
from fcn.data import folders


def put(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def names(found, root):
    return [path.relative_to(root).as_posix() for path in found.files]


LITTER = ["._1.jpg", ".hidden.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/1.jpg", "@eaDir/1.jpg"]


def test_system_files_are_ignored(tmp_path):
    put(tmp_path, "1.jpg", "b/2.JPG", *LITTER, *(f"b/{name}" for name in LITTER))
    assert names(folders.look(tmp_path, (".jpg",)), tmp_path) == ["1.jpg"]
    assert names(folders.walk(tmp_path, (".jpg",)), tmp_path) == ["1.jpg", "b/2.JPG"]
    assert folders.walk(tmp_path, (".jpg",)).others == {}


def test_names_are_sorted_naturally_by_folder(tmp_path):
    put(tmp_path, "img10.jpg", "img2.jpg", "IMG1.jpg", "cam10/1.jpg", "cam2/11.jpg", "cam2/9.jpg", "007.jpg", "7.jpg")
    assert names(folders.walk(tmp_path, (".jpg",)), tmp_path) == [
        "007.jpg", "7.jpg", "cam2/9.jpg", "cam2/11.jpg", "cam10/1.jpg", "IMG1.jpg", "img2.jpg", "img10.jpg"]


@given(st.lists(st.text("aB\u00e90123._-\u0301", min_size=1, max_size=6), min_size=2, unique=True), st.randoms())
def test_order_follows_from_the_names_alone(some, chance):
    shuffled = chance.sample(some, len(some))
    assert sorted(some, key=folders.natural) == sorted(shuffled, key=folders.natural)
    assert len({str(folders.natural(name)) for name in some}) == len(some)


def test_circular_links_end_and_a_linked_folder_is_read_once(tmp_path):
    photos = put(tmp_path / "photos", "1.jpg", "z/2.jpg")
    outside = put(tmp_path / "disk", "3.jpg")
    (photos / "circle").symlink_to(photos)
    (photos / "a").symlink_to(photos / "z")  # the folder itself is listed, not the link
    (photos / "b").symlink_to(outside)
    (photos / "c").symlink_to(outside)
    (outside / "back").symlink_to(photos / "z")
    (photos / "nowhere").symlink_to(photos / "nowhere")
    assert names(folders.walk(photos, (".jpg",)), photos) == ["1.jpg", "b/3.jpg", "z/2.jpg"]


def test_only_regular_files_count_and_the_others_are_problems(tmp_path):
    put(tmp_path, "1.jpg", "2.gif", "3.GIF", "readme", "in/4.gif", "odd.jpg/5.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = folders.walk(tmp_path, (".jpg",))
    assert names(found, tmp_path) == ["1.jpg", "odd.jpg/5.jpg"]
    assert [(problem.path.name, problem.reason) for problem in found.odd] == [
        ("gone.jpg", "is a broken link"), ("pipe.jpg", "is not a regular file")]
    assert {ending: len(paths) for ending, paths in found.others.items()} == {".gif": 3, "": 1}
    assert folders.not_read(found.others, (".jpg", ".png")) == [
        "3 .gif and 1 without suffix files are not read; readable: .jpg .png"]


def test_result_folder_is_left_out(tmp_path):
    put(tmp_path, "1.jpg", "out/predictions/1.png")
    assert names(folders.walk(tmp_path, (".jpg", ".png"), lambda path: path.name == "out"), tmp_path) == ["1.jpg"]
    assert names(folders.walk(tmp_path, (".jpg", ".png")), tmp_path) == [
        "1.jpg", "out/predictions/1.png"]


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(errors.DataError, match="cannot be listed"):
        folders.look(tmp_path / "nowhere", (".jpg",))
