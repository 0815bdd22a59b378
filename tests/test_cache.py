"""The cache is what reading pair by pair gives, whole or not there at all, and never another data set's."""

import dataclasses
import errno
import os
import shutil
import types

import h5py
import numpy as np
import pytest
from conftest import save
from PIL import Image

from fcn import cache, errors, images, machine
from fcn.layouts import ade20k
from fcn.spec import DatasetSpec, Pair

SIZE = (24, 40)
TWO = DatasetSpec(class_names=("a", "b"), ignored_ids=(255,))


@pytest.fixture
def data(tmp_path):
    """Three pairs of 4 x 6 pixels with ids 0, 1 and 255."""
    rng = np.random.default_rng(0)
    return [Pair(name, save(tmp_path / f"images/{name}.png", rng.integers(0, 256, (4, 6, 3), np.uint8)),
                 save(tmp_path / f"labels/{name}.png", rng.choice(np.array([0, 1, 255], np.uint8), (4, 6))))
            for name in ("x", "y", "ä")]


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_cache_holds_what_reading_and_resizing_pair_by_pair_gives(tiny_ade, tmp_path):
    pairs, done = ade20k.pairs(tiny_ade, "training"), []
    made = cache.prepare(pairs, ade20k.spec(tiny_ade), SIZE, tmp_path / "c", "scenes", done.append)
    assert len(made) == 6 and made.names == [pair.name for pair in pairs]
    assert done == list(range(1, 7))
    for pair, image, label in zip(pairs, made.images, made.labels, strict=True):
        np.testing.assert_array_equal(image, images.resize_photo(images.read_photo(pair.image), SIZE))
        np.testing.assert_array_equal(label, images.resize_label(images.read_label(pair.label), SIZE))
    assert files(tmp_path / "c") == [made.path.name] and made.path.name.startswith("scenes-24x40-")


def test_at_the_size_of_the_files_nothing_is_resampled_and_every_pixel_is_counted(data, tmp_path):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    labels = np.stack([np.asarray(Image.open(pair.label)) for pair in data])
    np.testing.assert_array_equal(made.images, np.stack([np.asarray(Image.open(pair.image)) for pair in data]))
    np.testing.assert_array_equal(made.labels, labels)
    assert made.names == ["x", "y", "ä"]
    assert made.class_pixels.shape == (256,) and made.class_pixels.sum() == 3 * 4 * 6
    assert [made.class_pixels[i] for i in (0, 1, 255)] == [(labels == i).sum() for i in (0, 1, 255)]


def test_images_and_labels_are_memory_maps_that_cannot_be_written(data, tmp_path):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert isinstance(made.images, np.memmap) and isinstance(made.labels, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        made.labels[0] = 0


def test_a_second_call_reads_the_file_and_does_not_build_it_again(data, tmp_path, monkeypatch):
    first = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    stamp = first.path.stat().st_mtime_ns
    monkeypatch.setattr(cache, "build", None)
    second = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert second.path == first.path and second.fingerprint == first.fingerprint
    assert second.path.stat().st_mtime_ns == stamp


def test_another_file_size_class_or_ignored_id_is_another_cache(data, tmp_path):
    def name(pairs=data, spec=TWO, size=(4, 6)):
        return cache.prepare(pairs, spec, size, tmp_path / "c", "t").path.name

    seen = [name(), name(size=(6, 4)), name(pairs=data[:2]), name(spec=dataclasses.replace(TWO, ignored_ids=(2, 255))),
            name(spec=dataclasses.replace(TWO, class_names=("a", "b", "c")))]
    os.utime(data[0].label, ns=(0, 12345))  # a label that was edited without changing its size
    seen.append(name())
    os.utime(data[1].image, ns=(0, 12345))
    seen.append(name())
    assert len(set(seen)) == 7 and files(tmp_path / "c") == sorted(seen)
    assert name() == seen[-1]


def test_all_bad_pairs_are_named_in_one_error_and_leave_no_file(data, tmp_path):
    old = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    before = old.path.read_bytes()
    data[0].image.write_bytes(data[0].image.read_bytes()[:60])
    save(data[2].label, np.full((4, 6), 9, np.uint8))
    with pytest.raises(errors.DataError) as problem:
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    text = str(problem.value)
    assert "2 of 3 pairs are bad" in text and str(data[0].image) in text and str(data[2].label) in text
    assert files(tmp_path / "c") == [old.path.name] and old.path.read_bytes() == before


def test_nothing_is_left_half_written_by_an_interruption(data, tmp_path):
    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", stop)
    assert files(tmp_path / "c") == []


def test_an_id_that_is_no_class_is_named_with_its_file(data, tmp_path):
    save(data[1].label, np.array([[0, 1, 7, 8, 255, 2]] * 4, np.uint8))
    with pytest.raises(errors.DataError) as problem:
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert f"{data[1].label}: label id 2, 7, 8 is out of range; classes are 0 to 1, ignored: 255" in str(problem.value)


def test_an_ignored_id_may_lie_beyond_the_classes_and_unnamed_classes_take_any_id(data):
    for spec in (TWO, DatasetSpec()):
        cache.check_ids(np.array([[0, 1, 255]]), spec, data[0].label)
    cache.check_ids(np.array([[77]]), DatasetSpec(), data[0].label)


def test_a_label_of_another_size_than_its_photo_is_refused(data, tmp_path):
    save(data[1].label, np.zeros((6, 4), np.uint8))
    with pytest.raises(errors.DataError) as problem:
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert f"{data[1].label}: is 4 x 6, its photo is 6 x 4" in str(problem.value)


@pytest.mark.parametrize("damage", ["no cache at all", "empty", "cut off", "other version"])
def test_a_file_that_is_not_a_whole_cache_is_refused_by_name(data, tmp_path, damage, monkeypatch):
    path = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t").path
    if damage == "other version":
        monkeypatch.setattr(cache, "SCHEMA_VERSION", 2)
    else:
        whole = path.read_bytes()
        path.write_bytes({"no cache at all": b"<html>" * 99, "empty": b"", "cut off": whole[:-100]}[damage])
    with pytest.raises(errors.DataError) as problem:
        cache.read(path)
    assert str(path) in str(problem.value) and "delete the file" in str(problem.value)


def test_a_cache_of_another_listing_is_refused(data, tmp_path):
    path = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t").path
    with pytest.raises(errors.DataError, match="made from other files or options"):
        cache.read(path, cache.fingerprint(data[:2], TWO, (4, 6)))


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(data, tmp_path, monkeypatch):
    needed = 3 * 4 * 6 * (3 + 1)  # pairs x pixels x (three colours and a label)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=needed - 1))
    with pytest.raises(errors.MachineError, match="disk") as problem:
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert problem.value.exit_code == 5 and files(tmp_path / "c") == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=needed))
    assert len(cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")) == 3


def test_more_pairs_than_are_decoded_at_once_keep_their_order(data, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    many = [dataclasses.replace(data[i % 3], name=f"{i:02}") for i in range(20)]
    made = cache.prepare(many, TWO, (4, 6), tmp_path / "c", "t")
    for i, image in enumerate(made.images):
        np.testing.assert_array_equal(image, made.images[i % 3])
    assert (made.images[0] != made.images[1]).any() and (made.images[1] != made.images[2]).any()


def test_a_broken_link_is_bad_data_and_no_bug(tmp_path):
    (tmp_path / "a.jpg").symlink_to("nowhere")
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(errors.DataError, match=r"a\.jpg"):
        cache.prepare([Pair("a", tmp_path / "a.jpg", tmp_path / "a.png")], DatasetSpec(), (4, 4), tmp_path / "c", "t")


def test_a_cache_folder_that_is_a_file_is_an_error_of_the_machine_or_usage(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "c").touch()
    with pytest.raises(errors.FcnError):
        cache.prepare([Pair("a", tmp_path / "a.png", tmp_path / "a.png")], DatasetSpec(), (4, 4), tmp_path / "c", "t")


def test_a_disk_that_fills_while_the_cache_is_built_is_an_error_of_the_machine_and_leaves_nothing(data, tmp_path,
                                                                                              monkeypatch):
    def full(file, size):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(machine, "reserve", full)
    with pytest.raises(errors.MachineError, match="No space left"):
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert not list((tmp_path / "c").iterdir())


def test_what_a_killed_build_left_is_swept_and_what_a_living_one_writes_is_not(data, tmp_path):
    path = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t").path
    path.unlink()
    left, living = (path.with_name(f"{path.name}.{pid}.partial") for pid in (2 ** 22 + 1, 1))
    left.touch()
    living.touch()
    cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert living.exists() and not left.exists()


def test_any_reader_of_hdf5_sees_the_same_arrays(data, tmp_path):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    with h5py.File(made.path) as file:
        np.testing.assert_array_equal(file["images"][:], made.images)
        np.testing.assert_array_equal(file["labels"][:], made.labels)
        assert file["class_pixels"][:].sum() == made.labels.size
