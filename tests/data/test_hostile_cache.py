"""A cache file that is damaged, foreign or made to do harm is refused by name; damaged pixels when they are read."""

import errno
import os
import subprocess
import zlib

import h5py
import numpy as np
import pytest
from conftest import save
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.core import errors
from fcn.data import batch_loader, class_weights, dataset
from fcn.data.cache import cache, file_format
from fcn.data.csail import writer
from fcn.data.label_policy import LabelPolicy
from fcn.data.layouts import ade20k
from fcn.data.spec import DatasetSpec, Pair

ARRAYS = ("images", "labels", "shapes", "names", "crc", "state", "class_pixels", "made_from", "summary")
PARTS = {"images": cache.IMAGE, "labels": cache.LABEL}
CANARY = b"secret of another file "


@pytest.fixture(scope="module")
def good(tiny_ade, tmp_path_factory):
    """The path of a whole cache of six images. Do not change it."""
    pairs = ade20k.listing(tiny_ade, "training").pairs
    return cache.prepare(pairs, ade20k.spec(tiny_ade), (8, 12), tmp_path_factory.mktemp("c"), "good").path


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """The path of a whole cache of three images that keep their sizes, one of them a single pixel."""
    root, shapes = tmp_path_factory.mktemp("native"), [(5, 4), (1, 1), (3, 7)]
    pairs = [Pair(f"{i}", save(root / f"images/{i}.png", np.full((*shape, 3), 40 * i, np.uint8)),
                  save(root / f"labels/{i}.png", np.full(shape, i, np.uint8))) for i, shape in enumerate(shapes)]
    spec = DatasetSpec(class_names=("a", "b", "c"))
    return cache.prepare(pairs, spec, None, root / "c", "native", cache.BuildOptions(shapes=shapes)).path


def rewritten(good, folder, change):
    """A copy made with plain h5py, after change(arrays, attributes, open new file): what it leaves is then written.

    The file lies in `folder`, beside a file of canaries and a true cache under the name other.h5.
    """
    (folder / "canary").write_bytes(CANARY * 1000)
    (folder / "other.h5").write_bytes(good.read_bytes())
    with h5py.File(good) as source:
        arrays, attributes = {name: source[name][()] for name in source}, dict(source.attrs)
    with h5py.File(folder / "cache.h5", "w") as file:
        change(arrays, attributes, file)
        for name, array in arrays.items():
            file[name] = array
        file.attrs.update(attributes)
    return folder / "cache.h5"


def refused(path, said=""):
    with pytest.raises(errors.DataError) as problem:
        cache.open_cache(path)
    text = str(problem.value)
    assert str(path) in text and said in text and "Fix: " in text, text
    assert CANARY.decode() not in text


def summed(arrays):
    """Give changed tables the checksum that belongs to them, so that something else must find the fault."""
    arrays["summary"] = np.array([file_format.summary(arrays)], "<u4")


def test_cache_written_by_another_program_is_read(good, tmp_path):
    mine, other = cache.open_cache(good), cache.open_cache(rewritten(good, tmp_path, lambda arrays, attributes,
                                                                     file: None))
    assert other.names == mine.names and other.fingerprint == mine.fingerprint and cache.verify(other) == []
    for i in range(len(mine)):
        np.testing.assert_array_equal(other.image(i), mine.image(i))
        np.testing.assert_array_equal(other.label(i), mine.label(i))


# ---- pixels

@pytest.mark.parametrize("row", range(6))
@pytest.mark.parametrize("array", ["images", "labels"])
def test_flipped_bit_in_a_pixel_is_found_in_its_row(good, tmp_path, array, row):
    with h5py.File(good) as file:
        place = file[array].id.get_offset() + row * file[array][0].size + 17
    content = bytearray(good.read_bytes())
    content[place] ^= 1
    (tmp_path / "cache.h5").write_bytes(content)
    made = cache.open_cache(tmp_path / "cache.h5")
    assert cache.verify(made) == [(row, PARTS[array])] and cache.verify(cache.open_cache(good)) == []


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bit_never_changes_data_unnoticed(good, tmp_path_factory, data):
    content = bytearray(good.read_bytes())
    pixels = h5py.File(good)["images"].id.get_offset()
    place = data.draw(st.one_of(st.integers(0, len(content) - 1), st.integers(0, min(pixels, len(content)) - 1)))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flip") / "cache.h5"
    path.write_bytes(content)
    assert is_noticed(path, cache.open_cache(good))


def is_noticed(path, true):
    """Whether a changed file is refused, is of another version or fingerprint, fails verify, or is as good as the true
    one."""
    try:
        made = cache.open_cache(path)
    except errors.DataError as problem:
        return str(path) in str(problem)
    if made is None or made.fingerprint != true.fingerprint or cache.verify(made):
        return True
    return made.names == true.names and all(
        np.array_equal(made.image(i), true.image(i)) and np.array_equal(made.label(i), true.label(i))
        for i in range(len(true))) and np.array_equal(made.class_pixels, true.class_pixels)


def flipped(path, folder, part, row, byte=5):
    """An open copy of a cache in which one bit of the image or label of a row is another."""
    made = cache.open_cache(path)
    content = bytearray(path.read_bytes())
    content[int(made._offsets[part][row]) + byte] ^= 0x80
    folder.mkdir(exist_ok=True)
    (folder / "cache.h5").write_bytes(content)
    return cache.open_cache(folder / "cache.h5")


@pytest.mark.parametrize("part, name", [(cache.IMAGE, "image"), (cache.LABEL, "label")])
def test_damaged_row_is_refused_and_named_when_read(good, tmp_path, part, name):
    made, whole = flipped(good, tmp_path, part, 2), cache.open_cache(good)
    for i in (0, 1, 3, 4, 5):
        np.testing.assert_array_equal(made.image(i), whole.image(i))
        np.testing.assert_array_equal(made.label(i), whole.label(i))
    np.testing.assert_array_equal(*((m.label if part == cache.IMAGE else m.image)(2) for m in (made, whole)))
    for _ in range(2):
        with pytest.raises(errors.DataError) as problem:
            getattr(made, name)(2)
        assert f"{made.path}: is damaged: {name} of row 2 ('{made.names[2]}')\n" in str(problem.value)
        assert f"Fix: rm {made.path} and the same command again" in str(problem.value)


READERS = {
    "training": lambda made: [batch_loader.training_batch(made, i, batch_loader.Sampling(1, 0))
                              for i in range(len(made))],
    "crops": lambda made: batch_loader.training_batch(made, 0, batch_loader.Sampling(len(made), 0, crop_size=(2, 2))),
    "drawn with replacement": lambda made: batch_loader.training_batch(made, 0,
                                                                 batch_loader.Sampling(40, 0, (2, 2), replace=True)),
    "validation": lambda made: list(batch_loader.validation_batches(made, 2)),
    "validation in windows": lambda made: list(batch_loader.validation_batches(made, 2, crop_size=(3, 3))),
    "frequencies of classes": lambda made: class_weights.resolve("median", made, ["a", "b", "c"], 3, LabelPolicy()),
    "CSAIL's file": lambda made: writer._fill(None, (0, 0), [("", made, i) for i in range(len(made))], print),
    "--verify-cache": dataset.verified,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["good", "native"])
def test_every_reader_refuses_a_damaged_row(good, native, tmp_path, monkeypatch, reader, kind):
    monkeypatch.setattr(writer.atomic_io, "write_at", lambda *_: None)
    path, row = (good, 4) if kind == "good" else (native, 2)
    READERS[reader](cache.open_cache(path))
    with pytest.raises(errors.DataError, match=f"is damaged: label of row {row} "):
        READERS[reader](flipped(path, tmp_path, cache.LABEL, row))


def test_row_checksum_is_compared_once(good, monkeypatch):
    compared = []
    real = cache.zlib.crc32
    monkeypatch.setattr(cache.zlib, "crc32", lambda *a: (compared.append(len(a[0])), real(*a))[1])
    made = cache.open_cache(good)
    opened = len(compared)  # the tables
    assert made.label(1).size == 96
    assert compared[opened:] == [96]  # of the label alone
    for _ in range(3):
        made.image(1), made.label(1)
    assert compared[opened:] == [96, 288]
    assert cache.verify(made) == []
    done = len(compared)
    for i in range(len(made)):
        made.image(i), made.label(i)
    assert len(compared) == done


def test_row_checksum_is_computed_in_fixed_blocks(native, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "CHECKED_AT_ONCE", 7)
    assert cache.verify(cache.open_cache(native)) == []
    assert cache.verify(flipped(native, tmp_path, cache.IMAGE, 2, byte=62)) == [(2, cache.IMAGE)]


def test_row_number_is_that_of_the_file_with_left_out_pairs(tmp_path):
    pairs = [Pair(f"{i}", save(tmp_path / f"i/{i}.png", np.full((5, 4, 3), i, np.uint8)),
                  save(tmp_path / f"l/{i}.png", np.full((5, 4), 9 if i == 1 else 0, np.uint8))) for i in range(4)]
    made = cache.prepare(pairs, DatasetSpec(("a", "b")), (5, 4), tmp_path / "c", "t", cache.BuildOptions(skip_bad=True))
    with pytest.raises(errors.DataError, match=r"image of row 2 \('2'\)"):
        flipped(made.path, tmp_path, cache.IMAGE, 1).image(1)


def test_fix_of_the_error_restores_a_damaged_cache(tiny_ade, tmp_path):
    pairs, spec = ade20k.listing(tiny_ade, "training").pairs, ade20k.spec(tiny_ade)
    folder = tmp_path / "it's a folder"
    whole = cache.prepare(pairs, spec, (8, 12), folder, "mine")
    right, place = whole.path.read_bytes(), int(whole._offsets[cache.IMAGE][3])
    with whole.path.open("r+b") as file:
        file.seek(place)
        file.write(bytes([right[place] ^ 1]))
    with pytest.raises(errors.DataError) as problem:
        cache.prepare(pairs, spec, (8, 12), folder, "mine").image(3)
    command = str(problem.value).partition("Fix: ")[2].partition(" and the same command again")[0]
    subprocess.run(command, shell=True, check=True)
    again = cache.prepare(pairs, spec, (8, 12), folder, "mine")
    assert cache.verify(again) == [] and again.path.read_bytes() == right


def test_disk_error_at_a_row_names_the_row(good, monkeypatch):
    def failing(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    made = cache.open_cache(good)
    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(errors.MachineError, match=r"image of row 4 \(.*\) cannot be read: Input/output error"):
        made.image(4)


def test_file_truncated_while_open_does_not_end_the_process(good, tmp_path):
    (tmp_path / "cache.h5").write_bytes(good.read_bytes())
    made = cache.open_cache(tmp_path / "cache.h5")
    os.truncate(made.path, 0)
    with pytest.raises(errors.DataError, match="is damaged: image of row 0"):
        made.image(0)


def test_foreign_attributes_are_named_shortly_and_escaped(tmp_path, good):
    def change(arrays, attributes, file):
        arrays.clear()
        arrays.update({f"\x1b[2J{i}" + "x" * 10_000: np.arange(3) for i in range(50)})
    path = rewritten(good, tmp_path, change)
    with pytest.raises(errors.DataError) as problem:
        cache.open_cache(path)
    assert "\x1b" not in str(problem.value) and len(str(problem.value)) < 1500


# ---- arrays that are not what they should be

def with_array(name, make):
    def change(arrays, attributes, file):
        arrays[name] = make(arrays[name])
    return change


def with_table(name, make):
    def change(arrays, attributes, file):
        arrays[name] = make(arrays[name])
        summed(arrays)
    return change


WRONG = {
    "images as float64": with_array("images", lambda a: a.astype(np.float64)),
    "images as int8": with_array("images", lambda a: a.view(np.int8)),
    "labels as uint16": with_array("labels", lambda a: a.astype(np.uint16)),
    "one channel": with_array("images", lambda a: a[..., :1]),
    "no channel": with_array("images", lambda a: a[..., 0]),
    "one image fewer": with_array("images", lambda a: a[:-1]),
    "one label fewer": with_array("labels", lambda a: a[:-1]),
    "labels one row of pixels shorter": with_array("labels", lambda a: a[:, :-1]),
    "images end to end, labels not": with_array("images", lambda a: a.ravel()),
    "no images at all": with_array("images", lambda a: a[:0]),
    "an image as a scalar": with_array("images", lambda a: a[0, 0, 0, 0]),
    "one name fewer": with_table("names", lambda a: a[:-1]),
    "names as numbers": with_table("names", lambda a: np.arange(len(a))),
    "sizes of another image": with_table("shapes", lambda a: a + 1),
    "sizes that differ": with_table("shapes", lambda a: a + np.eye(len(a), 2, dtype=a.dtype)),
    "sizes turned": with_table("shapes", lambda a: a[:, ::-1]),
    "negative sizes": with_table("shapes", lambda a: -a),
    "sizes of 2**31": with_table("shapes", lambda a: np.full_like(a, 2 ** 31 - 1)),
    "sizes as one column": with_table("shapes", lambda a: a[:, :1]),
    "sizes as int64": with_table("shapes", lambda a: a.astype(np.int64)),
    "rows that never came": with_table("state", lambda a: a * 0),
    "rows of an unknown state": with_table("state", lambda a: a + 7),
    "counts of another file": with_array("class_pixels", lambda a: a[::-1]),
    "counts of 255 ids": with_table("class_pixels", lambda a: a[:-1]),
    "checksums of another file": with_array("crc", lambda a: a + np.uint32(1)),
    "names of another file": with_array("names", lambda a: a[::-1]),
    "made from something else": with_array("made_from", lambda a: np.bytes_(a.tobytes()[:-1] + b"?")),
    "no sum": with_array("summary", lambda a: a * 0),
}


@pytest.mark.parametrize("what", WRONG)
def test_array_of_other_type_size_or_content_is_refused(good, tmp_path, what):
    refused(rewritten(good, tmp_path, WRONG[what]))


@pytest.mark.parametrize("name", ARRAYS)
def test_a_missing_array_is_refused(good, tmp_path, name):
    refused(rewritten(good, tmp_path, lambda arrays, attributes, file: arrays.pop(name)))


def test_extra_array_is_refused(good, tmp_path):
    refused(rewritten(good, tmp_path, lambda arrays, attributes, file: arrays.update(more=np.arange(3))))


@pytest.mark.parametrize("sizes", [
    [(5, 4), (1, 1), (3, 8)], [(5, 4), (0, 1), (3, 7)], [(5, 4), (-1, -1), (3, 7)], [(2 ** 31 - 1,) * 2] * 3,
    [(65536, 65536), (1, 21), (4, 5)], [(42, 1)]], ids=["more", "none", "negative", "huge", "2**32", "one"])
def test_sizes_that_do_not_sum_to_the_pixels_are_refused(native, tmp_path, sizes):
    refused(rewritten(native, tmp_path, with_table("shapes", lambda a: np.array(sizes, a.dtype))))


@pytest.mark.slow
@pytest.mark.parametrize("pixel", range(3 * (20 + 1 + 21)))
def test_a_flipped_bit_is_found_in_its_row_at_any_size(native, tmp_path, pixel):
    def change(arrays, attributes, file):
        arrays["images"][pixel] ^= 128
    row = 0 if pixel < 60 else 1 if pixel < 63 else 2
    assert cache.verify(cache.open_cache(rewritten(native, tmp_path, change))) == [(row, cache.IMAGE)]


# ---- attributes

@pytest.mark.parametrize("changed", [
    {"schema_version": None, "fingerprint": None}, {"schema_version": None}, {"fingerprint": None},
    {"schema_version": "two"}, {"schema_version": np.arange(9)}, {"schema_version": np.nan},
    {"schema_version": np.zeros(10_000, np.int8)}, {"fingerprint": 1.5},
    {"fingerprint": np.bytes_(b"f" * 20_000)}, {"fingerprint": np.bytes_(b"\xff\xfe")}],
    ids=["none", "no version", "no fingerprint", "word", "nine versions", "nan", "10000 versions", "float", "20 kB",
         "no UTF-8"])
def test_missing_attributes_or_other_types_are_refused(good, tmp_path, changed):
    def change(arrays, attributes, file):
        for name, value in changed.items():
            attributes.pop(name)
            attributes.update({} if value is None else {name: value})
    refused(rewritten(good, tmp_path, change))


def test_newer_cache_asks_for_a_newer_program(good, tmp_path):
    refused(rewritten(good, tmp_path, lambda arrays, attributes, file: attributes.update(schema_version=999)),
            "was made by a newer version of this program (schema 999")


def test_old_version_with_other_arrays_is_refused_and_kept(good, tmp_path):
    refused(rewritten(good, tmp_path, lambda arrays, attributes, file: attributes.update(schema_version=1)))


# ---- arrays that lie elsewhere

def elsewhere(name, make):
    """A change that puts make(file, array) in the place of an array."""
    def change(arrays, attributes, file):
        make(file, name, np.asarray(arrays.pop(name)))
    return change


def external(file, name, array):
    canary = file.filename.replace("cache.h5", "canary")
    file.create_dataset(name, array.shape, array.dtype, external=[(canary, 0, array.nbytes)])


def virtual(file, name, array):
    layout = h5py.VirtualLayout(array.shape, array.dtype)
    layout[...] = h5py.VirtualSource("other.h5", name, array.shape)
    file.create_virtual_dataset(name, layout)


ELSEWHERE = {
    "external storage": external,
    "virtual": virtual,
    "external link": lambda file, name, array: file.__setitem__(name, h5py.ExternalLink("other.h5", name)),
    "soft link": lambda file, name, array: file.update({f"hidden/{name}": array}) or file.__setitem__(
        name, h5py.SoftLink(f"/hidden/{name}")),
    "soft link to itself": lambda file, name, array: file.__setitem__(name, h5py.SoftLink(f"/{name}")),
    "dangling link": lambda file, name, array: file.__setitem__(name, h5py.SoftLink("/nowhere")),
    "group": lambda file, name, array: file.create_group(f"{name}/{name}"),
    "type": lambda file, name, array: file.__setitem__(name, np.dtype("u1")),
}


@pytest.mark.parametrize("how", ELSEWHERE)
@pytest.mark.parametrize("name", ["images", "labels", "shapes", "names", "crc"])
def test_external_array_is_refused_and_never_read(good, tmp_path, name, how):
    refused(rewritten(good, tmp_path, elsewhere(name, ELSEWHERE[how])))


def test_canary_would_detect_a_reader_of_external_files(good, tmp_path):
    path = rewritten(good, tmp_path, elsewhere("images", external))
    with h5py.File(path) as file:
        assert file["images"][0].tobytes().startswith(CANARY)


# ---- arrays that are not there, and bombs

def bomb(file, name, array):
    """1 MB in the place of one chunk of a few hundred bytes; HDF5 would unpack it all."""
    packed = file.create_dataset(name, array.shape, array.dtype, chunks=array.shape, compression="gzip")
    packed.id.write_direct_chunk((0,) * array.ndim, zlib.compress(bytes(1_000_000), 9))


BOMBS = {
    "gzip bomb": bomb,
    "chunks": lambda file, name, array: file.create_dataset(name, data=array, chunks=array.shape),
    "never written": lambda file, name, array: file.create_dataset(name, array.shape, array.dtype),
    "compact": lambda file, name, array: compact(file, name, array),
    "a trillion rows": lambda file, name, array: file.create_dataset(
        name, (10 ** 12, *array.shape[1:]), array.dtype, chunks=(1, *array.shape[1:])),
    "a trillion rows never written": lambda file, name, array: file.create_dataset(
        name, (10 ** 12, *array.shape[1:]), array.dtype),
    "strings of any length": lambda file, name, array: file.create_dataset(
        name, data=["x"] * len(array), dtype=h5py.string_dtype()),
    "rows of any length": lambda file, name, array: file.create_dataset(name, len(array), h5py.vlen_dtype(np.uint8)),
    "records": lambda file, name, array: file.create_dataset(name, data=np.zeros(len(array), [("a", "u1"), ("b", "S9")]
                                                                                 )),
    "references": lambda file, name, array: file.create_dataset(name, len(array), h5py.ref_dtype),
    "nothing": lambda file, name, array: file.create_dataset(name, data=h5py.Empty(array.dtype)),
}


def compact(file, name, array):
    """The bytes in the header of the array: there is no place in the file to map."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.COMPACT)
    space, kind = h5py.h5s.create_simple(array.shape), h5py.h5t.py_create(array.dtype)
    h5py.Dataset(h5py.h5d.create(file.id, name.encode(), kind, space, plan))[...] = array


@pytest.mark.parametrize("how", BOMBS)
@pytest.mark.parametrize("name", ["images", "labels", "shapes", "names"])
def test_array_that_is_not_contiguous_is_refused(good, tmp_path, name, how):
    refused(rewritten(good, tmp_path, elsewhere(name, BOMBS[how])))


# ---- files

@pytest.mark.parametrize("kept", [0, 1, 8, 100, 512, 2000, -5000, -1000, -1], ids=lambda kept: f"{kept} bytes")
def test_a_cut_file_is_refused(good, tmp_path, kept):
    (tmp_path / "cache.h5").write_bytes(good.read_bytes()[:kept])
    refused(tmp_path / "cache.h5")


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>" * 99, b"\x89HDF\r\n\x1a\n" + bytes(4000), bytes(4000)],
                         ids=["web page", "signature alone", "zeros"])
def test_other_file_is_refused(tmp_path, content):
    (tmp_path / "cache.h5").write_bytes(content)
    refused(tmp_path / "cache.h5")


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    refused(tmp_path)
    refused(tmp_path / "cache.h5")


def test_a_fifo_is_refused_before_it_is_read(tmp_path):
    os.mkfifo(tmp_path / "cache.h5")
    both_ends = os.open(tmp_path / "cache.h5", os.O_RDWR)  # or a reader that opens it would wait for ever
    try:
        os.write(both_ends, b"\x89HDF\r\n\x1a\n")
        refused(tmp_path / "cache.h5", "regular file")
    finally:
        os.close(both_ends)


def test_foreign_file_named_like_a_cache_is_never_overwritten(tiny_ade, tmp_path):
    pairs, spec = ade20k.listing(tiny_ade, "training").pairs, ade20k.spec(tiny_ade)
    path = cache.prepare(pairs, spec, (8, 12), tmp_path, "mine").path
    path.write_bytes(b"the thesis")
    with pytest.raises(errors.DataError, match="is not a complete cache of this program"):
        cache.prepare(pairs, spec, (8, 12), tmp_path, "mine")
    assert path.read_bytes() == b"the thesis"
