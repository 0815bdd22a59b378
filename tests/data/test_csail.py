"""CSAIL's HDF5 file: written as its Torch code reads it, read as plain h5py writes it, and refused where it lies."""

import json
import os
import types
import zlib

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fcn.cli import csail
from fcn.core import errors
from fcn.data import label_files
from fcn.data.csail import reader, writer
from fcn.data.layouts import ade20k
from fcn.data.spec import DatasetSpec

SPEC = DatasetSpec(class_names=("other", "wall", "sky"), ignored_ids=(0,))
RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (3, 4, 4, 3), np.uint8)
LABELS = RNG.integers(0, 3, (3, 4, 4), np.uint8)
ENTRIES = [{"split": "val", "file_path": "images/validation/b.jpg"}, {"split": "train", "file_path": "images/x/c.jpg"},
           {"split": "train", "file_path": "images/x/a.jpg"}]


def written(folder, entries=ENTRIES, photos=PHOTOS, annotations=LABELS + 1, **options):
    """A pair of files made by h5py and json alone, by the facts in fcn/cli/csail.py. Returns the .h5."""
    path = folder / "data.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=np.transpose(photos, (0, 3, 1, 2)), **options)
        file.create_dataset("annotations", data=annotations)
    path.with_suffix(".json").write_text(json.dumps({"images": entries, "class_names": SPEC.class_names}))
    return path


class Cache:
    """What export needs of a cache.Cache."""

    def __init__(self, names, photos, labels):
        self.names, self.photos, self.labels = names, photos, labels
        self.shapes = np.array([label.shape for label in labels], np.int32)

    def __len__(self):
        return len(self.names)

    def image(self, index):
        return self.photos[index]

    def label(self, index):
        return self.labels[index]


CACHES = {"training": Cache(["a", "ä \udce4"], PHOTOS[:2], LABELS[:2]),
          "validation": Cache(["a"], PHOTOS[2:], LABELS[2:])}


def refused(path, said, **options):
    with pytest.raises(errors.DataError) as problem:
        csail.open_file(path, **options)
    assert said in str(problem.value) and str(path.with_suffix("")) in str(problem.value), str(problem.value)
    return str(problem.value)


# ---- writing

def test_torch_reference_has_rgb_planes_and_classes_from_1(tmp_path):
    csail.export(CACHES, SPEC, tmp_path / "data.h5")
    with h5py.File(tmp_path / "data.h5") as file:
        assert set(file) == {"images", "annotations"}
        assert file["images"].dtype == file["annotations"].dtype == np.uint8
        for row in range(3):
            for channel in range(3):  # red, green, blue
                np.testing.assert_array_equal(file["images"][row, channel], PHOTOS[row, :, :, channel])
            np.testing.assert_array_equal(file["annotations"][row], LABELS[row] + 1)


def test_json_is_one_line_with_an_entry_per_row(tmp_path):
    csail.export(CACHES, SPEC, tmp_path / "data.h5")
    text = (tmp_path / "data.json").read_text("ascii")
    assert "\n" not in text
    assert json.loads(text)["images"] == [
        {"split": "train", "file_path": "training/a.jpg"}, {"split": "train", "file_path": "training/ä \\udce4.jpg"},
        {"split": "val", "file_path": "validation/a.jpg"}]


def test_exported_data_is_read_back(tmp_path):
    seen = []
    csail.export(CACHES, SPEC, tmp_path / "data.h5", seen.append)
    splits = csail.open_file(tmp_path / "data.h5")
    assert list(splits) == ["training", "validation"] and seen == [1, 2, 3]
    for split, part in splits.items():
        source = CACHES[split]
        np.testing.assert_array_equal([part.image(i) for i in range(len(part))], source.photos)
        np.testing.assert_array_equal([part.label(i) for i in range(len(part))], source.labels)
        np.testing.assert_array_equal(part.class_pixels, np.bincount(source.labels.ravel(), minlength=256))
        assert part.class_names == SPEC.class_names


def test_an_export_that_is_interrupted_leaves_nothing(tmp_path):
    def stop(done):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        csail.export(CACHES, SPEC, tmp_path / "data.h5", stop)
    assert not list(tmp_path.iterdir())


def test_disk_that_is_too_small_is_reported_before_writing(tmp_path, monkeypatch):
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=1000))
    with pytest.raises(errors.MachineError, match="this needs 1 MB, the disk has 1 kB free"):
        csail.export(CACHES, SPEC, tmp_path / "data.h5")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("taken", ["data.h5", "data.json"])
def test_existing_file_is_never_overwritten(tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    with pytest.raises(errors.UsageError, match="exists already"):
        csail.export(CACHES, SPEC, tmp_path / "data.h5")
    assert [path.name for path in tmp_path.iterdir()] == [taken] and (tmp_path / taken).read_text() == "mine"


@pytest.mark.parametrize("name", ["data.hdf5", "nowhere/data.h5"])
def test_invalid_output_place_is_reported_at_once(tmp_path, name):
    with pytest.raises(errors.UsageError, match=r"does not end in \.h5|no such folder"):
        csail.main(["export", "--data", "not looked at", "--out", str(tmp_path / name)])


@pytest.mark.parametrize("ignored", [(), (255,), (0, 255)], ids=str)
def test_only_datasets_that_ignore_0_can_be_exported(tmp_path, ignored):
    with pytest.raises(errors.DataError, match="with only 0 ignored"):
        csail.export(CACHES, DatasetSpec(("a", "b"), ignored), tmp_path / "data.h5")


def test_non_square_or_unequal_images_are_refused(tmp_path):
    wide = Cache(["w"], PHOTOS[:1, :2], LABELS[:1, :2])
    for caches in ({"training": wide}, {"training": CACHES["training"], "validation": wide}, {}):
        with pytest.raises(errors.DataError, match="one square size"):
            csail.export(caches, SPEC, tmp_path / "data.h5")


# ---- reading

@pytest.mark.parametrize("options", [{}, {"chunks": (2, 1, 3, 3)}, {"chunks": (1, 3, 4, 4), "compression": "gzip"}],
                         ids=["contiguous", "chunks", "gzip"])
def test_split_rows_are_in_file_order(tmp_path, options):
    splits = csail.open_file(written(tmp_path, **options))
    training = splits["training"]
    assert training.names == ["c", "a"] and splits["validation"].names == ["b"] and training.uniform
    np.testing.assert_array_equal(training.shapes, [[4, 4], [4, 4]])
    for i, row in enumerate((1, 2)):
        np.testing.assert_array_equal(training.image(i), PHOTOS[row])
        np.testing.assert_array_equal(training.label(i), LABELS[row])
    assert training.image(0).flags.c_contiguous and len(training) == 2
    np.testing.assert_array_equal(training.class_pixels, np.bincount(LABELS[1:].ravel(), minlength=256))


def test_labels_are_counted_completely_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "BLOCK_BYTES", 2 * 4 * 4)
    seen = []
    splits = csail.open_file(written(tmp_path), progress=seen.append)
    assert seen == [2, 3]
    assert sum(part.class_pixels for part in splits.values()).sum() == LABELS.size


def test_file_without_class_names_has_benchmark_classes(tmp_path):
    path = written(tmp_path, annotations=np.full((3, 4, 4), 151, np.uint8))
    path.with_suffix(".json").write_text(json.dumps({"images": ENTRIES}))
    training = csail.open_file(path)["training"]
    assert len(training.class_names) == 151 and training.class_names[:2] == ("other", "wall")
    assert training.class_pixels[150] == 2 * 16


def test_label_ids_are_read_on_request(tmp_path):
    path = written(tmp_path, annotations=LABELS)
    assert "--unshifted" in refused(path, "holds 0 in row")
    np.testing.assert_array_equal(csail.open_file(path, shift=0)["validation"].label(0), LABELS[0])


def test_file_without_any_0_is_not_read_as_label_ids(tmp_path):
    assert "leave --unshifted out" in refused(written(tmp_path, annotations=LABELS % 2 + 1), "holds no 0", shift=0)


@pytest.mark.parametrize("value", [0, 4, 255])
def test_invalid_annotation_is_reported_with_its_row(tmp_path, value):
    annotations = LABELS + 1
    annotations[1, 2, 3] = value
    refused(written(tmp_path, annotations=annotations), f"/annotations holds {value} in row 1")


def test_the_fingerprint_changes_with_split_and_content(tmp_path):
    prints = set()
    for i, entries in enumerate((ENTRIES, ENTRIES[::-1])):
        (tmp_path / str(i)).mkdir()
        splits = csail.open_file(written(tmp_path / str(i), entries))
        prints |= {part.fingerprint for part in splits.values()}
    assert len(prints) == 4


@pytest.mark.parametrize("names", [
    [None, None], ["same.jpg", "same.jpg"], ["x/A.jpg", "y/a.jpg"], ["..", "a.jpg"], ["a\0.jpg", "b.jpg"],
    ["/etc/.hidden", "b.jpg"], ["", "b.jpg"], ["x" * 300, "b.jpg"], ["ä" * 150, "b.jpg"],
    [7, {}]], ids=str)
def test_invalid_file_names_are_replaced_by_row_numbers(tmp_path, names):
    entries = [ENTRIES[0], *({"split": "train", "file_path": name} for name in names)]
    assert csail.open_file(written(tmp_path, entries))["training"].names == ["train_00000002", "train_00000003"]


def test_only_the_base_name_of_a_path_is_used(tmp_path):
    entries = [ENTRIES[0], *({"split": "train", "file_path": name} for name in ("../../etc/a.b.jpg", "C:\\x\\y.png"))]
    assert csail.open_file(written(tmp_path, entries))["training"].names == ["a.b", "y"]


# ---- files that are something else, or made to do harm

JSONS = {
    "no JSON": "<html>", "empty": "", "a list": "[]", "no images": "{}", "no entries": '{"images": []}',
    "no split": '{"images": [{}, {}, {}]}', "another split": json.dumps({"images": [{"split": "test"}] * 3}),
    "a split that is a list": json.dumps({"images": [{"split": []}] * 3}), "deep": "[" * 100_000,
    "entries that are words": '{"images": ["train", "train", "val"]}',
    "class names with tabs": json.dumps({"images": ENTRIES, "class_names": ["other", "a\tb"]}),
    "class names that are numbers": json.dumps({"images": ENTRIES, "class_names": [1, 2]}),
    "not UTF-8": b"\xff\xfe\xff",
}


@pytest.mark.parametrize("what", JSONS)
def test_other_json_is_refused(tmp_path, what):
    path, text = written(tmp_path), JSONS[what]
    path.with_suffix(".json").write_bytes(text.encode() if isinstance(text, str) else text)
    refused(path, "does not hold names and splits")


def test_a_missing_json_and_a_missing_h5_are_named(tmp_path):
    path = written(tmp_path)
    path.with_suffix(".json").rename(tmp_path / "kept.json")
    assert "beside the .h5" in refused(path, "data.json")
    (tmp_path / "kept.json").rename(path.with_suffix(".json"))
    path.unlink()
    refused(path, "No such file")


def test_json_with_another_image_count_is_refused(tmp_path):
    refused(written(tmp_path, ENTRIES * 2), "with N = 6, the images in the JSON")


@pytest.mark.parametrize("content", [b"", b"<html>" * 99, b"\x89HDF\r\n\x1a\n" + bytes(600)],
                         ids=["empty", "web", "broken"])
def test_file_that_is_not_hdf5_is_refused(tmp_path, content):
    path = written(tmp_path)
    path.write_bytes(content)
    refused(path, "cannot be read as HDF5")


def test_a_cut_file_is_refused(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    refused(path, "cannot be read as HDF5")


def replaced(path, make):
    """`path` with /images made anew by make(open file)."""
    with h5py.File(path, "r+") as file:
        del file["images"]
        make(file)
    return path


def external(file):
    secret = file.filename.replace("data.h5", "secret")
    file.create_dataset("images", (3, 3, 4, 4), np.uint8, external=[(secret, 0, 144)])


def virtual(file):
    layout = h5py.VirtualLayout((3, 3, 4, 4), np.uint8)
    layout[:] = h5py.VirtualSource(file.filename.replace("data.h5", "other.h5"), "images", (3, 3, 4, 4))
    file.create_virtual_dataset("images", layout)


HOSTILE = {
    "external storage": (external, "is stored in other files"),
    "virtual": (virtual, "is stored in other files"),
    "soft link": (lambda file: file.__setitem__("images", h5py.SoftLink("/annotations")), "not an array in this file"),
    "link to itself": (lambda file: file.__setitem__("images", h5py.SoftLink("/images")), "not an array in this file"),
    "external link": (lambda file: file.__setitem__("images", h5py.ExternalLink("other.h5", "images")),
                      "not an array in this file"),
    "group": (lambda file: file.create_group("images"), "not an array in this file"),
    "missing": (lambda file: None, "it has no /images"),
    "floats": (lambda file: file.create_dataset("images", (3, 3, 4, 4), "f4"), "float32, expected uint8"),
    "strings": (lambda file: file.create_dataset("images", (3, 3, 4, 4), h5py.string_dtype()),
                "object, expected uint8"),
    "last axis is colour": (lambda file: file.create_dataset("images", data=PHOTOS), "expected (N, 3, H, W)"),
    "one row fewer": (lambda file: file.create_dataset("images", data=np.zeros((2, 3, 4, 4), "u1")), "expected (N"),
    "nothing written": (lambda file: file.create_dataset("images", (3, 3, 4, 4), "u1"), "beyond the end"),
    "chunks not written": (lambda file: file.create_dataset("images", (3, 3, 4, 4), "u1", chunks=(1, 3, 4, 4)),
                           "0 of its 3 chunks"),
    "a trillion rows": (lambda file: file.create_dataset("images", (10 ** 12, 3, 4, 4), "u1", chunks=(1, 3, 4, 4)),
                        "chunks of 48 bytes"),
    "huge chunk": (lambda file: file.create_dataset("images", (3, 3, 9000, 9000), "u1", chunks=(1, 3, 9000, 9000)),
                   "chunks of 243,000,000 bytes"),
    "other filter": (lambda file: file.create_dataset("images", (3, 3, 4, 4), "u1", compression="lzf"),
                     "a filter other than gzip"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_external_or_virtual_array_is_refused(tmp_path, what):
    (tmp_path / "secret").write_bytes(b"canary" * 100)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["images"] = np.full((3, 3, 4, 4), 99, np.uint8)
    make, said = HOSTILE[what]
    assert "canary" not in refused(replaced(written(tmp_path), make), said)


def test_chunk_that_unpacks_to_much_more_is_refused_first(tmp_path):
    def bomb(file):
        array = file.create_dataset("images", (3, 3, 4, 4), "u1", chunks=(3, 3, 4, 4), compression="gzip")
        array.id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(1_000_000), 9))  # 1 kB where 144 bytes belong
    refused(replaced(written(tmp_path), bomb), "does not unpack to 144 bytes")


@pytest.mark.parametrize(("packed", "mask"), [
    (zlib.compress(bytes(144)) + bytes(5000), 0), (zlib.compress(bytes(144)), 1)], ids=["padded", "said to be plain"])
def test_chunk_with_odd_storage_is_refused(tmp_path, packed, mask):
    def odd(file):
        array = file.create_dataset("images", (3, 3, 4, 4), "u1", chunks=(3, 3, 4, 4), compression="gzip")
        array.id.write_direct_chunk((0, 0, 0, 0), packed, mask)
    refused(replaced(written(tmp_path), odd), "does not unpack to 144 bytes")


def test_array_beyond_the_end_of_the_file_is_refused(tmp_path):
    path = written(tmp_path)
    with h5py.File(path) as file:
        end = file["images"].id.get_offset() + file["images"].size
        reader._array(file, "images", end)
        with pytest.raises(ValueError, match="/images extends beyond the end"):  # HDF5 checks it too, of late
            reader._array(file, "images", end - 1)


def test_damage_after_opening_is_reported_with_file_and_row(tmp_path):
    path = written(tmp_path, chunks=(1, 3, 4, 4), compression="gzip")
    part = csail.open_file(path)["validation"]
    with path.open("r+b") as file:
        file.seek(part._images.id.get_chunk_info(0).byte_offset)
        file.write(b"\xff" * 20)
    with pytest.raises(errors.DataError, match=r"data\.h5: /images cannot be read at 0"):
        part.image(0)


def test_fifo_is_refused_without_waiting(tmp_path):
    path = written(tmp_path)
    path.unlink()
    os.mkfifo(path)
    refused(path, "is not a regular file")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10 ** 6), st.binary(min_size=1, max_size=8))
def test_changed_bytes_raise_only_data_errors(tmp_path_factory, place, patch):
    path = written(tmp_path_factory.mktemp("patched"), chunks=(1, 3, 4, 4), compression="gzip")
    content = bytearray(path.read_bytes())
    place %= len(content)
    content[place:place + len(patch)] = patch
    path.write_bytes(content)
    try:
        for part in csail.open_file(path).values():
            for i in range(len(part)):
                assert part.image(i).shape == (4, 4, 3) and part.label(i).shape == (4, 4)
    except errors.DataError as problem:
        assert "data.h5" in str(problem)


# ---- the commands

def test_export_info_and_import_restore_the_dataset(tiny_ade, tmp_path, capsys):
    flags = ["--data", str(tiny_ade), "--size", "32", "--cache-dir", str(tmp_path / "c")]
    csail.main(["export", *flags, "--out", str(tmp_path / "data.h5")])
    csail.main(["info", str(tmp_path / "data.h5")])
    said = capsys.readouterr().out
    assert "32x32 pixels" in said and "training: 6 images, ADE_train_00000001 to ADE_train_00000006" in said
    assert "validation: 2 images" in said
    csail.main(["import", str(tmp_path / "data.h5"), "--out", str(tmp_path / "tree")])
    for split in ("training", "validation"):
        sources, copies = (ade20k.listing(root, split).pairs for root in (tiny_ade, tmp_path / "tree"))
        assert [pair.name for pair in copies] == [pair.name for pair in sources]
        for source, copy in zip(sources, copies, strict=True):
            photo, label = label_files.read_pair(source, ade20k.spec(tiny_ade), (32, 32))
            np.testing.assert_array_equal(Image.open(copy.image), photo)
            np.testing.assert_array_equal(Image.open(copy.label), label)


def test_an_imported_tree_has_the_classes_of_the_file(tmp_path):
    csail.unpack(csail.open_file(written(tmp_path)), tmp_path / "tree")
    assert ade20k.spec(tmp_path / "tree").class_names == SPEC.class_names
    assert sorted(path.name for path in (tmp_path / "tree").iterdir()) == ["annotations", "images", "objectInfo2.txt"]
    held = [(LABELS[1:] == 1).any(axis=(1, 2)).sum(), (LABELS[:1] == 1).any(axis=(1, 2)).sum()]
    share = (LABELS == 1).sum() / (LABELS > 0).sum()
    first = (tmp_path / "tree/objectInfo2.txt").read_text().splitlines()[1]
    assert first == f"1\t{share:.4f}\t{held[0]}\t{held[1]}\twall\twall"


NAMES = ("other", "building, edifice", '"quoted"', "it's", 'half "', " spaced ", "a;b", "#1", "=1+1")


def test_every_class_name_survives_an_import(tmp_path):
    path = written(tmp_path)
    path.with_suffix(".json").write_text(json.dumps({"images": ENTRIES, "class_names": NAMES}))
    csail.unpack(csail.open_file(path), tmp_path / "tree")
    assert ade20k.spec(tmp_path / "tree").class_names == NAMES


def test_benchmark_table_gives_the_first_synonym(tmp_path):
    (tmp_path / "objectInfo2.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t1\t1\tbuilding, edifice\n"
                                              "2\t0.1\t1\t1\tsky\n")
    assert ade20k.spec(tmp_path).class_names == ("other", "building", "sky")


@pytest.mark.parametrize("name", ["data.h5.partial", ".data.h5.tmp", "tree.partial/mine"])
def test_lookalike_of_an_unfinished_file_is_left_alone(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    csail.export(CACHES, SPEC, tmp_path / "data.h5")
    csail.unpack(csail.open_file(tmp_path / "data.h5"), tmp_path / "tree")
    assert (tmp_path / name).read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"data.h5", "data.json", "tree", name.split("/")[0]}


def test_interrupted_import_leaves_nothing(tmp_path):
    splits = csail.open_file(written(tmp_path))

    def stop(done):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        csail.unpack(splits, tmp_path / "tree", stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.h5", "data.json"]
    with pytest.raises(errors.UsageError, match="exists already"):
        csail.unpack(splits, tmp_path)


def test_chunk_limit_is_far_above_one_image():
    assert reader.MAX_CHUNK_BYTES > 3 * 384 * 384 * 100
