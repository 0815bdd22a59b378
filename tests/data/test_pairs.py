"""A photo and a label become arrays that lie over each other, or one error that says why they cannot."""

import dataclasses

import numpy as np
import odd_files
import pytest
from conftest import save
from PIL import Image, ImageOps

from fcn.core import errors
from fcn.data import images, label_files
from fcn.data.spec import DatasetSpec, Pair

TWO = DatasetSpec(class_names=("a", "b"), ignored_ids=(255,))


def made(folder, photo, label):
    """A Pair of files: bytes, or arrays to be saved as PNG."""
    paths = [folder / "photo.jpg", folder / "label.png"]
    for path, content in zip(paths, (photo, label), strict=True):
        path.write_bytes(content if isinstance(content, bytes) else odd_files.encoded(np.asarray(content), "PNG"))
    return Pair("a", *paths)


def test_a_pair_is_read_as_it_is_stored(tmp_path):
    label = np.array([[0, 1, 255]], np.uint8)
    photo, found = label_files.read_pair(made(tmp_path, odd_files.NOISE[:1, :3], label), TWO)
    np.testing.assert_array_equal(photo, odd_files.NOISE[:1, :3])
    np.testing.assert_array_equal(found, label)


def test_photo_and_label_are_resized_together(tmp_path):
    pair = made(tmp_path, odd_files.NOISE, odd_files.NOISE[..., 0] // 128)
    photo, label = label_files.read_pair(pair, TWO, (10, 31))
    np.testing.assert_array_equal(photo, images.resize_image(odd_files.NOISE, (10, 31)))
    np.testing.assert_array_equal(label, images.resize_label(odd_files.NOISE[..., 0] // 128, (10, 31)))


@pytest.mark.parametrize("name", odd_files.READ)
@pytest.mark.parametrize("size_px", [None, (12, 16)], ids=["native", "12x16"])
def test_pair_with_an_unusual_photo_is_read(tmp_path, name, size_px):
    pair = made(tmp_path, odd_files.READ[name][0], np.ones(odd_files.SIZE, np.uint8))
    photo, label = label_files.read_pair(pair, TWO, size_px)
    assert photo.shape == (*(size_px or odd_files.SIZE), 3) and photo.dtype == np.uint8
    assert label.shape == (size_px or odd_files.SIZE)


@pytest.mark.parametrize("name", [*odd_files.REFUSED, *odd_files.CUT])
def test_a_pair_with_a_bad_photo_is_refused_by_name(tmp_path, name):
    content, said = (odd_files.REFUSED | odd_files.CUT)[name]
    with pytest.raises(errors.DataError) as problem:
        label_files.read_pair(made(tmp_path, content, np.zeros(odd_files.SIZE, np.uint8)), TWO)
    assert problem.value.where == tmp_path / "photo.jpg" and said in str(problem.value)


@pytest.mark.parametrize(("orientation", "label_size"), odd_files.ORIENTED)
def test_photo_is_turned_if_its_label_was_drawn_turned(tmp_path, orientation, label_size):
    turned = odd_files.ORIENTED[orientation, label_size]
    content = odd_files.encoded(odd_files.NOISE, "PNG", exif=odd_files.exif(orientation))
    pair = made(tmp_path, content, np.zeros(label_size, np.uint8))
    if turned is None:
        height, width = label_size
        with pytest.raises(errors.DataError, match=rf"label\.png: is {height}x{width}, its image is 48x64"):
            label_files.read_pair(pair, TWO)
        return
    with Image.open(pair.image) as image:
        expected = np.asarray(ImageOps.exif_transpose(image) if turned else image)
    np.testing.assert_array_equal(label_files.read_pair(pair, TWO)[0], expected)
    assert [array.shape[:2] for array in label_files.read_pair(pair, TWO, (6, 9))] == [(6, 9), (6, 9)]


def test_invalid_id_is_reported_with_its_file_and_fix(tmp_path):
    pair = made(tmp_path, odd_files.NOISE[:1, :6], np.array([[0, 1, 7, 200, 255, 2]], np.uint8))
    said = "label id 2, 7, 200 is out of range; classes are 0 to 1, ignored: 255"
    with pytest.raises(errors.DataError) as problem:
        label_files.read_pair(pair, TWO)
    assert f"{pair.label}: {said}" in str(problem.value) and "--ignore-label" in problem.value.fix


def test_ignored_id_beyond_the_classes_is_read():
    for spec in (TWO, DatasetSpec()):
        label_files.check_ids(np.array([[0, 1, 255]], np.uint8), spec, "label.png")
    label_files.check_ids(np.array([[77]], np.uint8), DatasetSpec(), "label.png")
    label_files.check_ids(np.zeros((0, 5), np.uint8), TWO, "label.png")


def test_label_format_of_the_spec_reads_the_label(tmp_path):
    pair = made(tmp_path, odd_files.NOISE[:1, :3], np.array([[0, 255, 200]], np.uint8))
    _, label = label_files.read_pair(pair, dataclasses.replace(TWO, encoding="binary"))
    np.testing.assert_array_equal(label, [[0, 1, 1]])


def test_pixel_limit_applies_to_both_files(tmp_path):
    save(tmp_path / "photo.jpg", np.zeros((4, 3, 3), np.uint8), format="PNG")
    save(tmp_path / "label.png", np.zeros((4, 3), np.uint8))
    pair = Pair("a", tmp_path / "photo.jpg", tmp_path / "label.png")
    assert label_files.read_pair(pair, TWO, max_pixels=12)[1].shape == (4, 3)
    with pytest.raises(errors.DataError, match="--max-pixels"):
        label_files.read_pair(pair, TWO, max_pixels=11)


def test_real_pairs_are_equal_at_half_size(shared_file):
    folder = shared_file("data/camvid/val")
    photo_path = sorted((folder / "images").iterdir())[0]
    pair = Pair("a", photo_path, folder / "targets" / f"{photo_path.stem}.png")
    photo, label = label_files.read_pair(pair, DatasetSpec())
    small, small_label = label_files.read_pair(pair, DatasetSpec(), (180, 240))
    distance = np.abs(images.resize_image(photo, (180, 240)).astype(int) - small)
    assert distance.mean() < 3 and label.shape == (360, 480)
    assert set(np.unique(small_label)) <= set(np.unique(label))
