"""Matrices of single images: what is counted, what is kept on the disk, and what a damaged file is answered with."""

import gc
import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from fcn.core import errors
from fcn.metrics import confusion

LAW = settings(max_examples=50, deadline=None)
MAPS = st.lists(st.integers(0, 30).flatmap(lambda n: st.tuples(
    arrays.arrays(np.uint8, n, elements=st.sampled_from([0, 1, 2, 3, 4, 255])),
    arrays.arrays(np.uint8, n, elements=st.integers(0, 4)))), max_size=5)


def counted(maps, num_classes=5):
    counting = confusion.Counting(num_classes)
    for number, (label, prediction) in enumerate(maps):
        counting.add(f"image {number}", label, prediction)
    return counting.done()


def by_loop(label, prediction, num_classes=5):
    """The matrix of one image, pixel by pixel."""
    matrix = np.zeros((num_classes, num_classes), np.int64)
    for i, j in zip(label.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if i < num_classes:
            matrix[i, j] += 1
    return matrix


@pytest.mark.slow
@given(MAPS)
@LAW
def test_matrices_of_images_sum_to_the_total(maps):
    made, expected = counted(maps), [by_loop(*pair) for pair in maps]
    for index, matrix in enumerate(expected):
        np.testing.assert_array_equal(made.of_image(index), matrix)
    np.testing.assert_array_equal(made.total(), sum(expected, np.zeros((5, 5), np.int64)))
    assert made.total().dtype == np.int64


@pytest.mark.slow
@given(MAPS, st.sets(st.sampled_from([0, 1, 2, 3, 255])))
@LAW
def test_sums_leave_out_ignored_rows(maps, ignored):
    made = counted(maps)
    sums = made.sums(ignored)
    ids = [i for i in range(5) if i not in ignored]
    assert sums.ids == tuple(ids) and sums.true_positives.dtype == np.float64
    assert sums.true_positives.shape == (len(maps), len(ids))
    for index in range(len(maps)):
        matrix = made.of_image(index)
        matrix[[i for i in ignored if i < 5]] = 0
        np.testing.assert_array_equal(sums.true_positives[index], np.diag(matrix)[ids])
        np.testing.assert_array_equal(sums.target_pixels[index], matrix.sum(axis=1)[ids])
        np.testing.assert_array_equal(sums.predicted_pixels[index], matrix.sum(axis=0)[ids])


@given(MAPS, st.randoms(use_true_random=False))
@LAW
def test_selection_has_the_matrices_of_its_images(maps, random):
    made = counted(maps)
    chosen = [i for i in range(len(maps)) if random.random() < 0.6]
    random.shuffle(chosen)
    some = made.select(chosen)
    assert some.names == tuple(f"image {i}" for i in chosen)
    for place, index in enumerate(chosen):
        np.testing.assert_array_equal(some.of_image(place), made.of_image(index))


def test_image_weights_count_repetitions():
    sums = counted([(np.array([0, 1]), np.array([0, 0])), (np.array([1]), np.array([1]))], 2).sums(())
    hits, labelled, called = sums.weighted(np.array([[1.0, 1.0], [0.0, 3.0]]))
    assert (hits.tolist(), labelled.tolist(), called.tolist()) == ([[1, 1], [0, 3]], [[1, 2], [0, 3]], [[2, 1], [0, 3]])
    assert sums.weighted(np.ones((1, 2)), (1,))[1].tolist() == [[2]]


@pytest.mark.slow
@given(MAPS)
@LAW
def test_saved_matrices_are_read_back(tmp_path_factory, maps):
    path, made = tmp_path_factory.mktemp("npz") / "confusion.npz", counted(maps)
    made.save(path)
    again = confusion.load(path)
    assert (again.num_classes, again.names) == (made.num_classes, made.names)
    assert (again.counts != made.counts).nnz == 0 and again.counts.dtype == np.uint32
    assert [p.name for p in path.parent.iterdir()] == ["confusion.npz"]


def test_file_has_the_entries_of_earlier_versions(tmp_path):
    counted([(np.array([0, 1, 1]), np.array([0, 2, 2])), (np.array([2]), np.array([1]))], 3).save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        assert {name: (file[name].dtype.str, file[name].tolist()) for name in file} == {
            "num_classes": ("<i8", 3), "names": ("<U7", ["image 0", "image 1"]), "ends": ("<i8", [2, 3]),
            "cells": ("<u4", [0, 5, 7]), "counts": ("<u4", [1, 2, 1])}


def test_cell_indices_and_counts_beyond_32_bits_are_refused(tmp_path):
    good = {"num_classes": 5, "names": np.array(["a"]), "ends": np.array([1]), "cells": np.array([3], np.uint32),
            "counts": np.array([1], np.uint32)}
    for name in ("cells", "counts"):
        np.savez(tmp_path / "bad.npz", **good | {name: np.array([2 ** 32 + 3], np.uint64)})
        with pytest.raises(errors.DataError, match=f"{name} has more than 32 bits"):
            confusion.load(tmp_path / "bad.npz")


def test_a_page_larger_than_a_strip_is_counted_whole(monkeypatch):
    random = np.random.default_rng(0)
    label, prediction = random.integers(0, 5, (2, 37, 41)).astype(np.uint8)
    monkeypatch.setattr(confusion, "STRIP", 100)
    np.testing.assert_array_equal(confusion.matrix(label, prediction, 5), by_loop(label, prediction))


def test_prediction_outside_the_classes_is_refused_where_scored():
    with pytest.raises(ValueError, match="predicted id 7, expected 0 to 4"):
        counted([(np.array([1]), np.array([7]))])
    assert counted([(np.array([255]), np.array([7]))]).total().sum() == 0


def test_a_validation_set_of_ade20k_takes_a_few_megabytes(tmp_path):
    """2,000 images of 200 filled cells each."""
    random = np.random.default_rng(0)
    cells = [np.sort(random.choice(151 ** 2, 200, replace=False)) for _ in range(2000)]
    made = confusion.ConfusionMatrices(151, tuple(f"ADE_val_{i:08d}" for i in range(1, 2001)), sparse.csr_array(
        (random.geometric(1e-3, 400_000).astype(np.uint32), np.concatenate(cells), np.arange(0, 400_001, 200)),
        (2000, 151 ** 2)))
    made.save(tmp_path / "confusion.npz")
    assert (tmp_path / "confusion.npz").stat().st_size < 3_000_000
    assert confusion.load(tmp_path / "confusion.npz").total().sum() == made.counts.data.sum()


def test_file_of_an_older_version_is_named_as_such(tmp_path):
    np.savez_compressed(tmp_path / "confusion.npz", confusion=np.eye(3, dtype=np.int64))
    with pytest.raises(errors.DataError, match="older version") as raised:
        confusion.load(tmp_path / "confusion.npz")
    assert raised.value.exit_code == 3 and "evaluate again" in raised.value.fix
    with pytest.raises(errors.DataError, match="missing"):
        confusion.load(tmp_path / "none.npz")


def test_damaged_file_is_one_error_or_the_same_matrices(tmp_path):
    path = tmp_path / "confusion.npz"
    counted([(np.arange(30) % 5, np.arange(30) % 3), (np.arange(9) % 2, np.arange(9) % 4)]).save(path)
    whole, refused = path.read_bytes(), 0
    for place in range(0, len(whole), 7):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1:]):
            path.write_bytes(damaged)
            try:
                assert confusion.load(path).total().sum() == 39
            except errors.DataError as error:
                refused += 1
                assert error.where == path
    assert refused > len(whole) // 7


@pytest.mark.parametrize("change", [
    {"num_classes": 0}, {"num_classes": 2.0}, {"num_classes": [5, 5]}, {"ends": np.array([2.0, 3.0])},
    {"ends": np.array([2, 4])}, {"ends": np.array([3, 2])}, {"ends": np.array([3])}, {"cells": np.array([0, 7, 25])},
    {"cells": np.array([7, 0, 8])}, {"cells": np.array([7, 7, 8])}, {"cells": np.array([[0, 7, 8]])},
    {"counts": np.array([1, 2])}, {"ends": np.array([2, 2])}, {"ends": np.array([4, 3])},
    {"names": np.array([1, 2])}, {"names": np.array(["a"])}])
def test_arrays_that_cannot_be_matrices_are_refused(tmp_path, change):
    good = {"num_classes": 5, "names": np.array(["a", "b"]), "ends": np.array([2, 3]),
            "cells": np.array([0, 7, 8], np.uint32), "counts": np.array([1, 2, 3], np.uint32)}
    change = {key: value.astype(np.uint32) if key in ("cells", "counts") else value for key, value in change.items()}
    np.savez(tmp_path / "good.npz", **good)
    confusion.load(tmp_path / "good.npz")
    np.savez(tmp_path / "bad.npz", **good | change)
    with pytest.raises(errors.DataError, match="damaged"):
        confusion.load(tmp_path / "bad.npz")


def bomb(path, **shapes):
    """A compressed file of zeros that claims these shapes and dtypes; a thousandth of the size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, (shape, dtype) in {"num_classes": ((), "<i8"), "names": ((1,), "<U4"), "ends": ((1,), "<i8"),
                                     "cells": ((1,), "<u4"), "counts": ((1,), "<u4"), **shapes}.items():
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"shape": shape, "descr": dtype, "fortran_order": False})
            with archive.open(f"{name}.npy", "w") as file:
                file.write(header.getvalue())
                if name == "num_classes":
                    file.write(np.int64(3).tobytes())
                    continue
                left = int(np.prod(shape)) * np.dtype(dtype).itemsize
                while left > 0:
                    left -= file.write(bytes(min(left, 1 << 20)))


@pytest.mark.slow
@pytest.mark.parametrize(("shapes", "said"), [
    ({"names": ((1,), "<U50000000")}, "claims 5 arrays of 200,0"),
    ({"cells": ((25_000_000,), "<u4"), "counts": ((25_000_000,), "<u4")}, "claims 5 arrays of 200,0"),
    ({"cells": ((8_000_000,), "<u4"), "counts": ((8_000_000,), "<u4")}, "8,000,000 nonzero cells; 1 images of 3"),
    ({"names": ((3_000_000,), "<U1")}, "do not fit together"),
    ({"cells": ((3_000_000,), "<c16")}, "cells has a wrong shape or dtype")])
def test_small_file_that_unpacks_to_much_is_refused_first(tmp_path, shapes, said):
    path = tmp_path / "confusion.npz"
    bomb(path, **shapes)
    with pytest.raises(errors.DataError):
        confusion.load(path)  # what a first call imports is not counted
    gc.collect()
    tracemalloc.start()
    try:
        with pytest.raises(errors.DataError, match=said):
            confusion.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_file_with_pickles_is_not_opened(tmp_path):
    content = io.BytesIO()
    np.savez(content, num_classes=5, names=np.array([{}], object), ends=[0], cells=[], counts=[])
    (tmp_path / "confusion.npz").write_bytes(content.getvalue())
    with pytest.raises(errors.DataError, match="damaged"):
        confusion.load(tmp_path / "confusion.npz")
