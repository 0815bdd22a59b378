"""The cache is what reading pair by pair gives, whole or not there at all, and never another data set's."""

import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import h5py
import numpy as np
import pytest
from conftest import save
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from fcn.core import errors, machine
from fcn.data import images, label_files
from fcn.data.cache import builder, cache, file_format
from fcn.data.cache.cache import BuildOptions, Stamps
from fcn.data.label_formats import ids
from fcn.data.layouts import ade20k
from fcn.data.spec import DatasetSpec, Pair

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
    """Names in a folder but for the locks, which mean nothing when nobody holds them."""
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock") if folder.exists() else []


def rows(made):
    return [(made.image(i), made.label(i)) for i in range(len(made))]


def test_cache_holds_the_read_and_resized_pairs(tiny_ade, tmp_path):
    found, done = ade20k.listing(tiny_ade, "training").pairs, []
    made = cache.prepare(found, ade20k.spec(tiny_ade), SIZE, tmp_path / "c", "scenes",
                         BuildOptions(progress=lambda *d: done.append(d)))
    assert len(made) == 6 and made.names == [pair.name for pair in found] and made.uniform
    assert done == [(i, 0) for i in range(1, 7)]
    for pair, (image, label) in zip(found, rows(made), strict=True):
        np.testing.assert_array_equal(image, label_files.read_pair(pair, ade20k.spec(tiny_ade), SIZE)[0])
        exact = images.resize_image(images.read_image(pair.image), SIZE)  # JPEGs are decoded at half their size
        assert np.abs(image.astype(int) - exact).mean() < 5
        np.testing.assert_array_equal(label, images.resize_label(ids.read(pair.label, None), SIZE))
    assert files(tmp_path / "c") == [made.path.name] and made.path.name.startswith("scenes-24x40-")


def test_at_original_size_nothing_is_resampled(data, tmp_path):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    for pair, (image, label) in zip(data, rows(made), strict=True):
        np.testing.assert_array_equal(image, np.asarray(Image.open(pair.image)))
        np.testing.assert_array_equal(label, np.asarray(Image.open(pair.label)))
    labels = np.stack([np.asarray(Image.open(pair.label)) for pair in data])
    assert made.names == ["x", "y", "ä"]
    assert made.class_pixels.shape == (256,) and made.class_pixels.sum() == 3 * 4 * 6
    assert [made.class_pixels[i] for i in (0, 1, 255)] == [(labels == i).sum() for i in (0, 1, 255)]


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))), min_size=1, max_size=5))
def test_cached_at_original_size_is_bit_for_bit_equal(labels):
    with tempfile.TemporaryDirectory() as folder:
        found, photos = [], []
        for i, label in enumerate(labels):
            photos.append(np.stack([label, label[::-1], 255 - label], axis=-1))
            found.append(Pair(str(i), pathlib.Path(folder, f"{i}.png"), pathlib.Path(folder, f"{i}_.png")))
            Image.fromarray(photos[-1]).save(found[-1].image)
            Image.fromarray(label).save(found[-1].label)
        made = cache.prepare(found, DatasetSpec(), None, f"{folder}/c", "t",
                             BuildOptions(shapes=[a.shape for a in labels]))
        assert made.shapes.tolist() == [list(label.shape) for label in labels]
        for (image, label), photo, wanted in zip(rows(made), photos, labels, strict=True):
            np.testing.assert_array_equal(image, photo)
            np.testing.assert_array_equal(label, wanted)
        assert made.class_pixels.tolist() == np.bincount(np.concatenate([a.ravel() for a in labels]),
                                                         minlength=256).tolist()
        assert cache.verify(made) == []


def test_images_and_labels_are_views_of_a_read_only_memory_map(data, tmp_path):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    for array in rows(made)[1]:
        assert isinstance(array, np.memmap) and not array.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_second_call_reads_the_file_and_does_not_rebuild_it(data, tmp_path, monkeypatch):
    first = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    stamp = first.path.stat().st_mtime_ns
    monkeypatch.setattr(builder, "build_cache", None)
    second = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert second.path == first.path and second.fingerprint == first.fingerprint
    assert second.path.stat().st_mtime_ns == stamp


def test_other_listing_size_class_or_ignored_id_is_another_file(data, tmp_path):
    def name(pairs=data, spec=TWO, size=(4, 6)):
        return cache.prepare(pairs, spec, size, tmp_path / "c", "t").path.name

    seen = {name(), name(size=(6, 4)), name(pairs=data[:2]), name(spec=dataclasses.replace(TWO, ignored_ids=(2, 255))),
            name(spec=dataclasses.replace(TWO, class_names=("a", "b", "c")))}
    assert len(seen) == 5 and set(files(tmp_path / "c")) == seen


def test_cache_at_original_size_has_its_old_name(data, tmp_path):
    files = [[pair.name, str(pair.image), str(pair.label)] for pair in data]
    options = {"size": [0, 0], "class_names": ["a", "b"], "ignored_ids": [255], "encoding": "ids",
               "mask_threshold": 127}
    key = hashlib.sha256(json.dumps([options, files]).encode()).hexdigest()[:8]
    assert cache.path_of(data, TWO, None, tmp_path, "t").name == f"t-native-{key}.h5"


def test_edited_file_replaces_the_cache_after_the_new_is_built(data, tmp_path):
    old = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    before = old.label(0).copy()
    save(data[0].label, 1 - np.minimum(before, 1))
    os.utime(data[0].label, ns=(0, 12345))

    def look(done, begun_with):
        assert cache.open_cache(old.path).fingerprint == old.fingerprint

    new = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(progress=look))
    assert new.path == old.path and new.fingerprint != old.fingerprint and files(tmp_path / "c") == [new.path.name]
    np.testing.assert_array_equal(new.label(0), 1 - np.minimum(before, 1))
    np.testing.assert_array_equal(old.label(0), before)  # who had it open goes on with what it had


def test_all_bad_pairs_are_in_one_error_and_the_old_cache_stays(data, tmp_path):
    old = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    before = old.path.read_bytes()
    data[0].image.write_bytes(data[0].image.read_bytes()[:60])
    save(data[2].label, np.full((4, 6), 9, np.uint8))
    with pytest.raises(errors.DataError) as problem:
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    text = str(problem.value)
    assert "2 problems in 3 pairs" in text and str(data[0].image) in text and str(data[2].label) in text
    assert "--skip-bad" in text and old.path.read_bytes() == before


def test_skip_bad_leaves_out_bad_pairs_and_lists_the_reasons(data, tmp_path):
    save(data[1].label, np.full((4, 6), 9, np.uint8))
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(skip_bad=True))
    assert made.names == ["x", "ä"] and made.left_out == ["y"]
    np.testing.assert_array_equal(made.label(1), np.asarray(Image.open(data[2].label)))
    assert made.class_pixels.sum() == 2 * 4 * 6
    assert f"{data[1].label}: label id 9 is out of range" in builder.left_out(made.path).read_text()
    assert cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(skip_bad=True)).left_out == ["y"]
    with pytest.raises(errors.DataError, match=r"1 bad pairs were left out.*: y") as problem:
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert str(builder.left_out(made.path)) in str(problem.value)


def test_no_good_pair_is_an_error_even_with_skip_bad(data, tmp_path):
    for pair in data:
        save(pair.label, np.full((4, 6), 9, np.uint8))
    with pytest.raises(errors.DataError, match="no usable pairs"):
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(skip_bad=True))


def interrupt(data, tmp_path, after):
    """A build that Ctrl-C ends after so many rows."""
    def stop(done, begun_with):
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(progress=stop))


def test_interrupted_build_is_continued(data, tmp_path):
    interrupt(data, tmp_path, after=2)
    assert [name.endswith(".partial") for name in files(tmp_path / "c")] == [True]
    seen = []
    again = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(progress=lambda *d: seen.append(d)))
    assert seen == [(3, 2)] and files(tmp_path / "c") == [again.path.name]
    whole = cache.prepare(data, TWO, (4, 6), tmp_path / "other", "t")
    assert again.path.read_bytes() == whole.path.read_bytes()


def test_partial_row_with_a_wrong_checksum_is_read_again(data, tmp_path):
    interrupt(data, tmp_path, after=3)
    partial, = (tmp_path / "c").glob("*.partial")
    whole = cache.prepare(data, TWO, (4, 6), tmp_path / "other", "t")
    place = whole.path.read_bytes().index(whole.image(1).tobytes())
    with partial.open("r+b") as file:
        file.seek(place)
        file.write(b"?")
    seen = []
    again = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(progress=lambda *d: seen.append(d)))
    assert seen == [(3, 2)] and again.path.read_bytes() == whole.path.read_bytes()


def test_second_builder_is_refused_and_the_first_named(data, tmp_path):
    def another(done, begun_with):
        with pytest.raises(errors.MachineError, match=f"is being built by process {os.getpid()} on ") as problem:
            cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
        assert problem.value.exit_code == 5

    assert len(cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(progress=another))) == 3


def test_verify_names_the_changed_rows(data, tmp_path):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    content = bytearray(made.path.read_bytes())
    content[content.index(made.label(2).tobytes()) + 5] ^= 1
    made.path.write_bytes(content)
    seen = []
    assert cache.verify(cache.open_cache(made.path), seen.append) == [(2, cache.LABEL)] and seen == [1, 2, 3]


def test_changed_bit_in_the_tables_is_detected_at_once(data, tmp_path):
    path = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t").path
    content = bytearray(path.read_bytes())
    content[content.index("ä".encode())] ^= 1
    path.write_bytes(content)
    with pytest.raises(errors.DataError, match="checksum of its tables"):
        cache.open_cache(path)


def test_invalid_id_is_reported_with_its_file(data, tmp_path):
    save(data[1].label, np.array([[0, 1, 7, 8, 255, 2]] * 4, np.uint8))
    with pytest.raises(errors.DataError) as problem:
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert f"{data[1].label}: label id 2, 7, 8 is out of range; classes are 0 to 1, ignored: 255" in str(problem.value)


def test_ignored_id_beyond_the_classes_is_cached(data):
    for spec in (TWO, DatasetSpec()):
        label_files.check_ids(np.array([[0, 1, 255]]), spec, data[0].label)
    label_files.check_ids(np.array([[77]]), DatasetSpec(), data[0].label)


def test_a_label_of_another_size_than_its_photo_is_refused(data, tmp_path):
    save(data[1].label, np.zeros((6, 4), np.uint8))
    with pytest.raises(errors.DataError) as problem:
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert f"{data[1].label}: is 6x4, its image is 4x6" in str(problem.value)


@pytest.mark.parametrize("damage", ["no cache at all", "empty", "cut off"])
def test_file_that_is_not_a_whole_cache_is_refused_and_kept(data, tmp_path, damage):
    path = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t").path
    whole = path.read_bytes()
    path.write_bytes({"no cache at all": b"<html>" * 99, "empty": b"", "cut off": whole[:-100]}[damage])
    left = path.read_bytes()
    for attempt in (lambda: cache.open_cache(path), lambda: cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")):
        with pytest.raises(errors.DataError) as problem:
            attempt()
        assert str(path) in str(problem.value) and "can be deleted" in str(problem.value)
    assert path.read_bytes() == left
    path.unlink()  # as it says
    assert cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t").path.read_bytes() == whole


def test_a_newer_cache_is_refused_with_the_fix(data, tmp_path, monkeypatch):
    path = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t").path
    monkeypatch.setattr(file_format, "SCHEMA_VERSION", 1)
    with pytest.raises(errors.DataError, match=r"newer version.*schema 2, expected 1") as problem:
        cache.open_cache(path)
    assert "update this program" in str(problem.value)


def test_colours_that_define_ids_are_part_of_the_fingerprint(data, tmp_path):
    def name(**changes):
        spec = dataclasses.replace(TWO, **changes)
        return cache.path_of(data, spec, (4, 6), tmp_path, "t").name, cache.fingerprint(data, spec, (4, 6), Stamps())

    one, other = ((0, 0, 0), (9, 9, 9)), ((9, 9, 9), (0, 0, 0))
    assert name(colours=one) == name(colours=other)
    assert name(colours=one, encoding="colours") != name(colours=other, encoding="colours")


def test_cache_built_while_waiting_for_the_lock_is_used(data, tmp_path, monkeypatch):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    answers = iter([None, made, made])  # not there when it was looked for, there when the lock was held
    monkeypatch.setattr(cache, "find", lambda path, print_: next(answers))
    monkeypatch.setattr(builder, "read_row", None)
    assert len(cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")) == 3


def test_large_rows_are_marked_early(data, tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "BYTES_PER_SYNC", 4 * 24 + 1)  # a row has 4 x 24
    marked = []
    mark = builder.PartialFile.mark
    monkeypatch.setattr(builder.PartialFile, "mark", lambda self, *rows: (marked.append(rows), mark(self, *rows)))
    cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert marked == [(0, 2), (2, 3)]


def test_no_pair_is_listed_as_left_out_once_all_are_good(data, tmp_path):
    good = data[1].label.read_bytes()
    save(data[1].label, np.full((4, 6), 9, np.uint8))
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(skip_bad=True))
    assert builder.left_out(made.path).exists()
    data[1].label.write_bytes(good)
    assert len(cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")) == 3
    assert not builder.left_out(made.path).exists()


def test_disk_that_is_too_small_is_reported_before_reading(data, tmp_path, monkeypatch):
    def full(file, offset, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(builder, "read_row", None)
    with pytest.raises(errors.MachineError, match=r"needs 6\.\d+ kB, the disk has .* free") as problem:
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert problem.value.exit_code == 5 and files(tmp_path / "c") == []


def test_file_system_without_preallocation_works(data, tmp_path, monkeypatch):
    def unknown(file, offset, size):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unknown)
    assert len(cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")) == 3


def test_disk_failure_is_a_machine_error_and_rows_are_kept(data, tmp_path, monkeypatch):
    real = os.pwrite
    calls = iter(range(10**6))

    def failing(*arguments):
        if next(calls) >= 13:
            raise OSError(errno.EIO, "Input/output error")
        return real(*arguments)

    with monkeypatch.context() as broken, pytest.raises(errors.MachineError, match="Input/output error"):
        broken.setattr(builder, "ROWS_PER_SYNC", 1)
        broken.setattr(os, "pwrite", failing)
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    seen = []
    cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(progress=lambda *d: seen.append(d)))
    assert seen and seen[0][1] > 0


def test_more_pairs_than_are_decoded_at_once_keep_their_order(data, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    many = [dataclasses.replace(data[i % 3], name=f"{i:02}") for i in range(20)]
    made = cache.prepare(many, TWO, (4, 6), tmp_path / "c", "t")
    for i in range(20):
        np.testing.assert_array_equal(made.image(i), made.image(i % 3))
    assert (made.image(0) != made.image(1)).any() and (made.image(1) != made.image(2)).any()


def test_broken_link_is_a_data_error(tmp_path):
    (tmp_path / "a.jpg").symlink_to("nowhere")
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(errors.DataError, match=r"a\.jpg"):
        cache.prepare([Pair("a", tmp_path / "a.jpg", tmp_path / "a.png")], DatasetSpec(), (4, 4), tmp_path / "c", "t")


def test_cache_folder_that_is_a_file_is_an_error(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "c").touch()
    with pytest.raises(errors.FcnError):
        cache.prepare([Pair("a", tmp_path / "a.png", tmp_path / "a.png")], DatasetSpec(), (4, 4), tmp_path / "c", "t")


def test_any_hdf5_reader_reads_the_same_arrays(data, tmp_path):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    with h5py.File(made.path) as file:
        assert file["images"].shape == (3, 4, 6, 3) and file["labels"].shape == (3, 4, 6)
        for i, (image, label) in enumerate(rows(made)):
            np.testing.assert_array_equal(file["images"][i], image)
            np.testing.assert_array_equal(file["labels"][i], label)
        assert file["names"][:].tolist() == [pair.name.encode() for pair in data]
        assert file["class_pixels"][:].sum() == file["labels"].size


def test_two_builds_of_the_same_files_are_the_same_bytes(data, tmp_path):
    one, other = (cache.prepare(data, TWO, (3, 5), tmp_path / name, "t").path for name in ("c", "d"))
    assert one.read_bytes() == other.read_bytes()


def test_file_time_changed_by_under_a_second_rebuilds(data):
    os.utime(data[0].label, ns=(0, 5_000_000_001))
    one = cache.fingerprint(data, TWO, (4, 6), Stamps())
    os.utime(data[0].label, ns=(0, 5_000_000_002))
    assert cache.fingerprint(data, TWO, (4, 6), Stamps()) != one
    assert cache.listing_digest(data, Stamps()) == cache.listing_digest(data, Stamps())


def test_photo_resized_between_check_and_reading_is_refused(data, tmp_path):
    with pytest.raises(errors.DataError, match="its size has changed since it was checked"):
        cache.prepare(data, TWO, None, tmp_path / "c", "t", BuildOptions(shapes=[(4, 6), (5, 6), (4, 6)]))


def test_pixel_limit_applies_when_pairs_are_read(data, tmp_path):
    with pytest.raises(errors.DataError, match="--max-pixels"):
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(max_pixels=23))


def test_pixels_read_ahead_are_bounded_by_memory(data, tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "PIXELS_AHEAD", 24)  # one row a core
    started = []
    real = builder.read_row
    monkeypatch.setattr(builder, "read_row", lambda plan, index: (started.append(index), real(plan, index))[1])
    many = [dataclasses.replace(data[i % 3], name=f"{i:02}") for i in range(12)]
    cores = machine.cores()

    def check(done, _):
        assert not started[done + cores:]
    cache.prepare(many, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(progress=check))
    assert sorted(started) == list(range(12))


# ---- which file is whose

def at(data, root):
    """The pairs of `data`, whose files lie in images/ and labels/ of another folder."""
    return [Pair(p.name, root / "images" / p.image.name, root / "labels" / p.label.name) for p in data]


@pytest.fixture
def second(data, tmp_path):
    """The pairs of a copy of `data` whose labels are other ones and whose files are of another time."""
    for kind in ("images", "labels"):
        shutil.copytree(tmp_path / kind, tmp_path / "second" / kind)
    copy = at(data, tmp_path / "second")
    for pair in copy:
        save(pair.label, np.ones((4, 6), np.uint8))
        os.utime(pair.label, ns=(0, 77))
    return copy


def earlier_name(made, spec=TWO, size=(4, 6)):
    """Give a cache the name that it had before names carried the folder of the data; its path."""
    options = {"size": list(size), "class_names": list(spec.class_names), "ignored_ids": list(spec.ignored_ids),
               "encoding": spec.encoding, "mask_threshold": spec.mask_threshold}
    key = hashlib.sha256(json.dumps([options, made.names]).encode()).hexdigest()[:8]
    return made.path.rename(made.path.with_name(f"t-4x6-{key}.h5"))


def test_two_copies_of_a_dataset_have_their_own_caches(data, second, tmp_path, monkeypatch):
    one, other = (cache.prepare(copy, TWO, (4, 6), tmp_path / "c", "t") for copy in (data, second))
    assert one.path != other.path and (other.label(0) == 1).all() and not (one.label(0) == 1).all()
    monkeypatch.setattr(builder, "build_cache", None)
    for _ in range(2):
        for copy, made in ((data, one), (second, other)):
            assert cache.prepare(copy, TWO, (4, 6), tmp_path / "c", "t").path == made.path


def test_two_copies_can_be_built_at_the_same_time(data, second, tmp_path):
    built = []

    def another(done, begun_with):
        built.append(cache.prepare(second, TWO, (4, 6), tmp_path / "c", "t").path)

    path = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t", BuildOptions(progress=another)).path
    assert len({path, *built}) == 2 and files(tmp_path / "c") == sorted(p.name for p in {path, *built})


def test_lists_with_other_labels_have_their_own_caches(data, tmp_path):
    reversed_ = [dataclasses.replace(p, label=other.label) for p, other in zip(data, data[::-1], strict=True)]
    one, other = (cache.prepare(listed, TWO, (4, 6), tmp_path / "c", "t") for listed in (data, reversed_))
    assert one.path != other.path and files(tmp_path / "c") == sorted([one.path.name, other.path.name])
    np.testing.assert_array_equal(other.label(0), one.label(2))


def test_moved_dataset_keeps_its_cache(data, tmp_path, monkeypatch):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    (tmp_path / "new").mkdir()
    for kind in ("images", "labels"):
        (tmp_path / kind).rename(tmp_path / "new" / kind)
    moved = at(data, tmp_path / "new")
    assert cache.path_of(moved, TWO, (4, 6), tmp_path / "c", "t") != made.path
    monkeypatch.setattr(builder, "build_cache", None)
    assert cache.prepare(moved, TWO, (4, 6), tmp_path / "c", "t").path == made.path
    assert files(tmp_path / "c") == [made.path.name]


def test_cache_used_by_another_path_is_not_replaced(data, tmp_path):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    shutil.copytree(tmp_path, tmp_path / "second", ignore=shutil.ignore_patterns("c"))  # with the times
    copy = at(data, tmp_path / "second")
    assert cache.prepare(copy, TWO, (4, 6), tmp_path / "c", "t").path == made.path
    before = made.path.read_bytes()
    os.utime(copy[0].label, ns=(0, 5))
    assert cache.prepare(copy, TWO, (4, 6), tmp_path / "c", "t").path != made.path
    assert made.path.read_bytes() == before


def test_cache_named_by_an_earlier_version_is_used_and_kept(data, second, tmp_path, monkeypatch):
    old = earlier_name(cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t"))
    before = old.read_bytes(), old.stat().st_mtime_ns
    with monkeypatch.context() as without:
        without.setattr(builder, "build_cache", None)
        assert cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t").path == old
    copy = cache.prepare(second, TWO, (4, 6), tmp_path / "c", "t").path  # was built over the old one until then
    os.utime(data[0].label, ns=(0, 5))
    edited = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t").path
    assert len({old, copy, edited}) == 3 and (old.read_bytes(), old.stat().st_mtime_ns) == before


@pytest.mark.parametrize("other", [pathlib.Path, lambda root: root / "images/..", os.path.relpath,
                                   lambda root: f"{root}//", lambda root: root / "link"])
def test_folder_is_equal_however_its_path_is_written(data, tmp_path, other):
    (tmp_path / "link").symlink_to(tmp_path)
    written = at(data, pathlib.Path(other(tmp_path)))
    assert cache.path_of(written, TWO, (4, 6), tmp_path, "t") == cache.path_of(data, TWO, (4, 6), tmp_path, "t")


def test_files_that_are_not_caches_are_ignored_and_kept(data, tmp_path):
    made = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    damaged = made.path.rename(made.path.with_name("t-4x6-00000000.h5"))
    content = bytearray(damaged.read_bytes())
    content[content.index("ä".encode())] ^= 1  # the fingerprint is right, the tables are not
    damaged.write_bytes(content)
    (tmp_path / "c/t-4x6-thesis.h5").write_bytes(b"\x89HDF\r\n\x1a\n the thesis")
    (tmp_path / "c/t-4x6-folder.h5").mkdir()
    os.mkfifo(tmp_path / "c/t-4x6-pipe.h5")
    before = {p: p.read_bytes() for p in (damaged, tmp_path / "c/t-4x6-thesis.h5")}
    again = cache.prepare(data, TWO, (4, 6), tmp_path / "c", "t")
    assert again.path == made.path and cache.verify(again) == []
    assert all(p.read_bytes() == content for p, content in before.items()) and len(files(tmp_path / "c")) == 5


def test_only_fingerprints_of_other_caches_are_read(data, second, tmp_path, monkeypatch):
    opened = []
    cache.prepare(second, TWO, (4, 6), tmp_path / "c", "t")
    for other in ("other", "t-and-more"):
        cache.prepare(data, TWO, (4, 6), tmp_path / "c", other)
    cache.prepare(data, TWO, (6, 4), tmp_path / "c", "t")
    real, read = cache.file_format.fingerprint, cache.file_format.open_file
    monkeypatch.setattr(cache.file_format, "fingerprint", lambda path: (opened.append(path), real(path))[1])
    monkeypatch.setattr(cache.file_format, "open_file", lambda path: (opened.append("whole"), read(path))[1])
    path, print_ = cache.path_of(data, TWO, (4, 6), tmp_path / "c", "t"), cache.fingerprint(data, TWO, (4, 6), Stamps())
    assert cache.find(path, print_) is None
    assert opened == [cache.path_of(second, TWO, (4, 6), tmp_path / "c", "t")]


def test_left_out_pairs_return_when_repaired_as_the_fix_says(data, tmp_path):
    save(data[0].image, np.zeros((8, 8, 3), np.uint8))
    save(data[0].label, np.zeros((8, 8), np.uint8))
    folder = tmp_path / "c d"
    assert len(cache.prepare(data, TWO, (4, 6), folder, "t", BuildOptions(skip_bad=True, max_pixels=24))) == 2
    with pytest.raises(errors.DataError, match="1 bad pairs were left out") as problem:
        cache.prepare(data, TWO, (4, 6), folder, "t")
    advice, = [part for part in str(problem.value).split(": ") if part.startswith("rm ")]
    subprocess.run(advice.partition(" and the same command")[0], shell=True, check=True)
    assert len(cache.prepare(data, TWO, (4, 6), folder, "t")) == 3
