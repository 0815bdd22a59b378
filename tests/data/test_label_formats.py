"""Label files of every encoding become ids, ids become label files again, and whatever else is refused by name."""

import os
import struct
import zlib

import numpy as np
import odd_files
import pytest
import scipy.io
from conftest import save
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from fcn.core import errors, registry
from fcn.data import label_files
from fcn.data.label_formats import _mat5, ade20k_full, binary, blue, blue_bits, colours, ids, mat, mat_groundtruth
from fcn.data.spec import DatasetSpec

LAW = settings(max_examples=50, deadline=None)
SPEC = DatasetSpec()
TRAFFIC = DatasetSpec(("sky", "road"), (2,), ((128, 128, 128), (128, 64, 128), (0, 0, 0)), "colours")
IDS_OF = {"ids": tuple(range(256)), "binary": (0, 1), "colours": (0, 1, 2), "blue": tuple(range(256)),
          "blue_bits": (*blue_bits.IDS, 255), "mat_groundtruth": tuple(range(256)), "mat": tuple(range(256)),
          "ade20k_full": tuple(range(151))}
LOSSLESS = sorted(set(IDS_OF) - {"ade20k_full"})  # the full data set's 3,000 classes are not among the benchmark's 150
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
RED, GREY, BLACK, WHITE = (255, 0, 0), (100, 100, 100), (0, 0, 0), (255, 255, 255)


def test_every_label_format_is_tested_here():
    assert sorted(IDS_OF) == registry.names("label_formats")


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSLESS)
@given(data=st.data())
@LAW
def test_label_format_reads_what_it_writes(tmp_path_factory, name, data):
    encoding = registry.load("label_formats", name)
    label = data.draw(arrays.arrays(np.uint8, SIZES, elements=st.sampled_from(IDS_OF[name])))
    path = tmp_path_factory.mktemp("label") / f"a{encoding.SUFFIX}"
    encoding.write(path, label, TRAFFIC)
    found = encoding.read(path, TRAFFIC)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, label)
    assert encoding.size(path) == label.shape
    assert list(path.parent.iterdir()) == [path]  # nothing is left beside it


@pytest.mark.parametrize("name", IDS_OF)
@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"version https://git-lfs", b"\x89PNG"])
def test_a_file_of_something_else_is_refused_by_name(tmp_path, name, content):
    encoding = registry.load("label_formats", name)
    path = tmp_path / f"label{encoding.SUFFIX}"
    path.write_bytes(content)
    for function in (lambda: encoding.read(path, TRAFFIC), lambda: encoding.size(path)):
        with pytest.raises(errors.DataError, match="label"):
            function()


@pytest.mark.parametrize("name", IDS_OF)
def test_pipe_and_missing_label_are_refused_without_waiting(tmp_path, name):
    encoding = registry.load("label_formats", name)
    os.mkfifo(tmp_path / f"label{encoding.SUFFIX}")
    for path in (tmp_path / f"label{encoding.SUFFIX}", tmp_path / f"nowhere{encoding.SUFFIX}"):
        for function in (encoding.size, lambda path: encoding.read(path, TRAFFIC)):
            with pytest.raises(errors.DataError, match=path.stem):
                function(path)


@pytest.mark.parametrize("name", IDS_OF)
def test_more_pixels_than_the_limit_are_refused(tmp_path, name):
    encoding = registry.load("label_formats", name)
    path = tmp_path / f"label{encoding.SUFFIX}"
    encoding.write(path, np.full((4, 3), 1, np.uint8), TRAFFIC)
    for function in (lambda: encoding.read(path, TRAFFIC, 11), lambda: encoding.size(path, 11)):
        with pytest.raises(errors.DataError, match="4x3 pixels"):
            function()
    assert encoding.size(path, 12) == (4, 3)


# ids

def palette_image(indices, *colours_):
    image = Image.fromarray(np.asarray(indices, np.uint8)).convert("L")
    image.putpalette(sum(colours_, ()))
    return image


def test_palette_label_holds_indices_not_colours(tmp_path):
    path = save(tmp_path / "a.png", palette_image([[0, 2], [1, 2]], RED, GREY, RED))
    np.testing.assert_array_equal(ids.read(path, SPEC), [[0, 2], [1, 2]])


BITS, SOME = np.array([[False, True]]), np.array([[0, 150, 255]], np.uint8)


@pytest.mark.parametrize(("name", "values"), [("a.png", BITS), ("a.bmp", BITS), ("b.png", SOME), ("b.bmp", SOME),
                                              ("c.png", SOME.astype(np.uint16))])
def test_a_label_of_1_8_or_16_bits_holds_the_stored_ids(tmp_path, name, values):
    label = ids.read(save(tmp_path / name, values), SPEC)
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, values)


def packed_png(path, bits, row, width):
    """A grey PNG of one row of fewer than 8 bits a pixel, which Pillow cannot write."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", width, 1, bits, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" + bytes(row)))
                     + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize(("bits", "row", "stored"), [(4, [0x01, 0x2F], [0, 1, 2, 15]), (2, [0b00011011], [0, 1, 2, 3])])
def test_a_grey_label_of_2_or_4_bits_holds_the_stored_ids(tmp_path, bits, row, stored):
    path = packed_png(tmp_path / "a.png", bits, row, 4)
    np.testing.assert_array_equal(ids.read(path, SPEC), [stored])  # Pillow scales them to 0..255


NO_IDS = {
    "jpeg": ("label.jpg", np.zeros((8, 8), np.uint8), "has the format JPEG"),
    "rgb": ("label.png", np.array([[RED, GREY, RED]], np.uint8), "(255, 0, 0) at x 0, y 0"),
    "one pixel in colour": ("label.bmp", np.array([[BLACK, GREY], [RED, GREY]], np.uint8), "(255, 0, 0) at x 0, y 1"),
    "transparent": ("label.png", np.array([[[1, 255], [1, 0]]], np.uint8), "x 1, y 0, with alpha 0"),
    "half transparent": ("label.png", np.array([[[1, 1, 1, 99]]], np.uint8), "x 0, y 0, with alpha 99"),
}


@pytest.mark.parametrize(("name", "channels"), [("a.png", 2), ("a.png", 3), ("a.png", 4), ("a.bmp", 3), ("a.bmp", 4)])
def test_ids_in_equal_channels_are_read_and_opaque_alpha_ignored(tmp_path, name, channels):
    planes = [SOME] * channels if channels == 3 else [SOME] * (channels - 1) + [np.full_like(SOME, 255)]
    path = save(tmp_path / name, np.dstack(planes))
    np.testing.assert_array_equal(ids.read(path, SPEC), SOME)
    assert ids.size(path) == SOME.shape


@pytest.mark.parametrize("value", [1, 255, 300, 65535])
@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
def test_ids_of_16_bits_are_not_cut_to_their_high_byte(tmp_path, colour_type, value):
    path = sixteen_bits(tmp_path / "a.png", colour_type, [0, value])
    label = ids.read(path, SPEC)
    np.testing.assert_array_equal(label, [[0, value]])
    assert label.dtype == (np.uint8 if value < 256 else np.uint16)


def sixteen_bits(path, colour_type, values):
    """A PNG of one row of 16 bits: grey (0), RGB (2), or these with an opaque alpha (4, 6)."""
    pixels = np.repeat(np.array(values, ">u2")[:, None], {0: 1, 2: 3, 4: 2, 6: 4}[colour_type], axis=1)
    if colour_type >= 4:
        pixels[:, -1] = 65535
    path.write_bytes(odd_files.png(len(values), 1, 16, colour_type, b"\0" + pixels.tobytes()))
    return path


@pytest.mark.parametrize("kind", NO_IDS)
def test_a_file_without_ids_is_refused_by_name(tmp_path, kind):
    name, array, said = NO_IDS[kind]
    path = save(tmp_path / name, array)
    with pytest.raises(errors.DataError) as problem:
        ids.read(path, SPEC)
    assert str(path) in str(problem.value) and said in str(problem.value)


def test_matlab_file_and_image_name_the_format_that_fits(tmp_path):
    mat_groundtruth.write(tmp_path / "label.mat", SOME, SPEC)
    for function in (label_files.label_size, label_files.read_label):
        with pytest.raises(errors.DataError, match="--label-encoding mat_groundtruth"):
            function(tmp_path / "label.mat", SPEC)
        with pytest.raises(errors.DataError, match="--label-encoding ids"):
            function(save(tmp_path / "label.png", SOME), DatasetSpec(encoding="mat_groundtruth"))


# binary

@pytest.mark.parametrize("values", [[[0, 127, 128, 255]], np.array([[0, 127, 128, 255]]).repeat(3, 0).T[None]],
                         ids=["grey", "rgb"])
def test_a_mask_is_foreground_above_its_threshold(tmp_path, values):
    path = save(tmp_path / "a.png", np.array(values, np.uint8))
    np.testing.assert_array_equal(binary.read(path, SPEC), [[0, 0, 1, 1]])
    np.testing.assert_array_equal(binary.read(path, DatasetSpec(mask_threshold=128)), [[0, 0, 0, 1]])


@pytest.mark.parametrize("image", [np.array([[False, True]]), np.array([[0, 65535]], np.uint16),
                                   palette_image([[1, 0]], WHITE, BLACK), palette_image([[0, 1]], BLACK, WHITE)],
                         ids=["1 bit", "16 bits", "palette", "palette the other way"])
def test_mask_of_any_mode_is_read_as_displayed(tmp_path, image):
    np.testing.assert_array_equal(binary.read(save(tmp_path / "a.png", image), SPEC), [[0, 1]])


def test_jpeg_mask_tolerates_noise_at_edges(tmp_path):
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 13:] = 255
    path = save(tmp_path / "a.jpg", Image.fromarray(mask).convert("RGB"), quality=60)
    assert len(np.unique(np.asarray(Image.open(path)))) > 2
    np.testing.assert_array_equal(binary.read(path, SPEC), mask > 0)


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
def test_16_bit_mask_has_its_foreground_at_white_255_or_65535(tmp_path, colour_type, white):
    path = sixteen_bits(tmp_path / "a.png", colour_type, [0, white, 0])
    np.testing.assert_array_equal(binary.read(path, SPEC), [[0, 1, 0]])


@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
@pytest.mark.parametrize(("white", "said"), [(1, "no value above 1, expected 255"),
                                             (254, "no value above 254, expected 255"),
                                             (4095, "no value above 15,")])
def test_other_16_bit_mask_is_refused_by_name(tmp_path, colour_type, white, said):
    with pytest.raises(errors.DataError, match=said) as problem:
        binary.read(sixteen_bits(tmp_path / "a.png", colour_type, [0, white]), SPEC)
    assert problem.value.where == tmp_path / "a.png" and "255" in problem.value.fix


@pytest.mark.parametrize("channels", [2, 4])
def test_a_mask_with_an_opaque_alpha_is_read(tmp_path, channels):
    mask = np.array([[0, 255]], np.uint8)
    path = save(tmp_path / "a.png", np.dstack([mask] * (channels - 1) + [np.full_like(mask, 255)]))
    np.testing.assert_array_equal(binary.read(path, SPEC), [[0, 1]])


@pytest.mark.parametrize(("array", "said"), [
    ([[[255, 0, 0], [0, 0, 0]]], r"in colour, \(255, 0, 0\) at x 0, y 0"), ([[0, 1]], "no value above 1,"),
    ([[0, 20]], "no value above 20,"), ([[0, 127]], "no value above 127,"),
    ([[[9, 9, 9, 0], [9, 9, 9, 255]]], "transparent pixels.* x 0, y 0, with alpha 0")])
def test_image_that_is_not_a_mask_is_refused(tmp_path, array, said):
    with pytest.raises(errors.DataError, match=said):
        binary.read(save(tmp_path / "a.png", np.array(array, np.uint8)), SPEC)
    with pytest.raises(errors.DataError, match="in colour"):
        binary.read(save(tmp_path / "a.jpg", Image.new("RGB", (16, 16), RED)), SPEC)
    with pytest.raises(errors.DataError, match="in colour"):
        binary.read(save(tmp_path / "b.jpg", Image.new("RGB", (16, 16), (220, 190, 190))), SPEC)


def test_jpeg_of_ids_is_refused_and_a_noisy_black_one_is_empty(tmp_path):
    with pytest.raises(errors.DataError, match="no value above 40"):
        binary.read(save(tmp_path / "a.jpg", np.full((16, 16), 40, np.uint8), quality=95), SPEC)
    assert not binary.read(save(tmp_path / "b.jpg", np.full((16, 16), 9, np.uint8), quality=95), SPEC).any()
    assert binary.read(save(tmp_path / "c.png", np.full((2, 2), 40, np.uint8)), DatasetSpec(mask_threshold=39)).all()


@pytest.mark.slow
def test_real_nail_masks_have_foreground(shared_file):
    for path in shared_file("data/nails/labels").iterdir():
        assert binary.read(path, SPEC).any()


def test_empty_mask_is_all_background(tmp_path):
    assert not binary.read(save(tmp_path / "a.png", np.zeros((3, 3), np.uint8)), SPEC).any()


# colours

def test_colours_become_ids_of_the_table_and_void_is_ignored(tmp_path):
    path = save(tmp_path / "a.png", np.array([[TRAFFIC.colours[1], TRAFFIC.colours[0], BLACK]], np.uint8))
    np.testing.assert_array_equal(colours.read(path, TRAFFIC), [[1, 0, 2]])


def test_grey_values_are_colours_too(tmp_path):
    table = DatasetSpec(("no", "yes"), (2,), (BLACK, (38, 38, 38), GREY), "colours")
    grey = np.array([[0, 38, 100]], np.uint8)
    for i, array in enumerate((grey, grey.astype(np.uint16), np.dstack([grey, np.full_like(grey, 255)]))):
        np.testing.assert_array_equal(colours.read(save(tmp_path / f"{i}.png", array), table), [[0, 1, 2]])
    bits = DatasetSpec(colours=(WHITE, BLACK))
    np.testing.assert_array_equal(colours.read(save(tmp_path / "bits.png", BITS), bits), [[1, 0]])


def test_16_bit_colours_that_repeat_8_bits_are_read(tmp_path):
    table = DatasetSpec(colours=(BLACK, GREY))
    path = sixteen_bits(tmp_path / "a.png", 2, [0, 100 * 257])
    np.testing.assert_array_equal(colours.read(path, table), [[0, 1]])
    with pytest.raises(errors.DataError, match="value 25701"):
        colours.read(sixteen_bits(tmp_path / "b.png", 2, [0, 100 * 257 + 1]), table)
    np.testing.assert_array_equal(blue.read(sixteen_bits(tmp_path / "c.png", 2, [0, 7]), SPEC), [[0, 7]])
    with pytest.raises(errors.DataError, match="value 257"):
        blue.read(sixteen_bits(tmp_path / "d.png", 6, [0, 257]), SPEC)


def test_unknown_colours_are_listed_most_frequent_first(tmp_path):
    path = save(tmp_path / "a.png", np.array([[RED, GREY, GREY, TRAFFIC.colours[0]]], np.uint8))
    with pytest.raises(errors.DataError) as problem:
        colours.read(path, TRAFFIC)
    assert "2 colour(s) without a class: (100, 100, 100) in 2 pixels, (255, 0, 0) in 1 pixels" in str(problem.value)


def test_a_palette_is_looked_up_and_transparency_refused(tmp_path):
    image = palette_image([[1, 0]], *TRAFFIC.colours[:2])
    np.testing.assert_array_equal(colours.read(save(tmp_path / "a.png", image), TRAFFIC), [[1, 0]])
    with pytest.raises(errors.DataError, match="transparent"):
        colours.read(save(tmp_path / "b.png", image, transparency=1), TRAFFIC)


@pytest.mark.parametrize(("table", "said"), [((), "colours of the classes are unknown"),
                                             ((RED, GREY, RED), "two classes")])
def test_unused_colour_table_is_refused(tmp_path, table, said):
    with pytest.raises(errors.DataError, match=said):
        colours.read(save(tmp_path / "a.png", np.zeros((1, 1, 3), np.uint8)), DatasetSpec(colours=table))


def test_an_id_without_colour_is_not_written(tmp_path):
    with pytest.raises(errors.DataError, match="id 3 has no colour"):
        colours.write(tmp_path / "a.png", [[3]], TRAFFIC)


# blue and blue_bits

def test_blue_is_the_id_and_red_128_the_rim(tmp_path):
    path = save(tmp_path / "a.png", np.array([[[0, 0, 1], [0, 0, 10], [128, 0, 8]]], np.uint8))
    np.testing.assert_array_equal(blue_bits.read(path, SPEC), [[1, 10, 255]])
    np.testing.assert_array_equal(blue.read(path, SPEC), [[1, 10, 8]])


def test_rim_is_written_as_background_rim(tmp_path):
    blue_bits.write(tmp_path / "a.png", [[255, 8]], SPEC)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), [[[128, 0, 1], [0, 0, 8]]])


def test_contradicting_flags_are_named(tmp_path):
    path = save(tmp_path / "a.png", np.array([[[0, 0, 3], [0, 0, 3], [0, 0, 200], [0, 0, 2]]], np.uint8))
    with pytest.raises(errors.DataError, match="3 in 2 pixels, 200 in 1 pixels"):
        blue_bits.read(path, SPEC)
    with pytest.raises(errors.DataError, match="has one channel"):
        blue_bits.read(save(tmp_path / "b.png", np.zeros((2, 2), np.uint8)), SPEC)


# mat_groundtruth

MAPS = {  # what MATLAB may have saved; all hold the same map
    "uint8": np.array([[0, 1, 58]], np.uint8), "double": np.array([[0, 1, 58]], float),
    "int16": np.array([[0, 1, 58]], np.int16), "single": np.array([[0, 1, 58]], np.float32)}


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("kind", MAPS)
def test_a_matlab_map_of_any_type_is_read_past_other_variables(tmp_path, kind, compressed):
    others = {"before": "text", "cell": np.array([np.eye(2), "a"], object), "groundtruth": MAPS[kind], "z": np.eye(3)}
    scipy.io.savemat(tmp_path / "a.mat", others, do_compression=compressed)
    np.testing.assert_array_equal(mat_groundtruth.read(tmp_path / "a.mat", SPEC), [[0, 1, 58]])
    assert mat_groundtruth.size(tmp_path / "a.mat") == (1, 3)


def test_scipy_reads_what_mat_groundtruth_writes(tmp_path):
    label = np.arange(6, dtype=np.uint8).reshape(2, 3)
    mat_groundtruth.write(tmp_path / "a.mat", label, SPEC)
    found = scipy.io.loadmat(tmp_path / "a.mat")["groundtruth"]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, label)


NO_MAPS = {  # variables of a .mat file, and what the message says
    "no map": ({"labels": np.eye(2)}, "holds 'labels' and no `groundtruth`"),
    "three axes": ({"groundtruth": np.zeros((2, 2, 2))}, "not a real 2-D array"),
    "complex": ({"groundtruth": np.array([[1j]])}, "not a real 2-D array"),
    "a cell": ({"groundtruth": np.array([1, "a"], object)}, "not a real 2-D array"),
    "a text": ({"groundtruth": "null"}, "not a real 2-D array"),
    "empty": ({"groundtruth": np.zeros((0, 3))}, "not a real 2-D array"),
    "halves": ({"groundtruth": np.array([[0.5]])}, "0.5"),
    "nan": ({"groundtruth": np.array([[np.nan]])}, "nan"),
    "id 65536": ({"groundtruth": np.array([[65536]], np.int32)}, "65536"),
    "id -1": ({"groundtruth": np.array([[-1]], np.int8)}, "-1"),
}


@pytest.mark.parametrize("kind", NO_MAPS)
def test_a_matlab_file_without_a_map_is_refused_by_name(tmp_path, kind):
    variables, said = NO_MAPS[kind]
    scipy.io.savemat(tmp_path / "a.mat", variables)
    with pytest.raises(errors.DataError) as problem:
        mat_groundtruth.read(tmp_path / "a.mat", SPEC)
    assert "a.mat" in str(problem.value) and said in str(problem.value)


def test_newer_or_truncated_matlab_file_is_reported(tmp_path):
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512))
    mat_groundtruth.write(tmp_path / "whole.mat", np.zeros((50, 50), np.uint8), SPEC)
    (tmp_path / "cut.mat").write_bytes((tmp_path / "whole.mat").read_bytes()[:-5])
    for name, said in (("new", "7.3"), ("cut", "truncated")):
        with pytest.raises(errors.DataError, match=said):
            mat_groundtruth.size(tmp_path / f"{name}.mat")


def matlab_file(tmp_path, body, compressed):
    """A MATLAB 5 file of these bytes as its only variable."""
    packed = zlib.compress(body)
    header = b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    path = tmp_path / "damaged.mat"
    path.write_bytes(header + (struct.pack("<II", 15, len(packed)) + packed if compressed else body))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("content", [{"groundtruth": np.zeros((4, 4), np.uint8)},
                                     {"GTcls": {"Other": 1, "Segmentation": np.zeros((4, 4), np.uint8)}}])
@given(changes=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=4),
       compressed=st.booleans())
@settings(max_examples=300, deadline=None)
def test_damaged_matlab_file_gives_a_label_or_a_data_error(tmp_path_factory, content, changes, compressed):
    folder = tmp_path_factory.mktemp("mat")
    scipy.io.savemat(folder / "whole.mat", content)
    body = bytearray((folder / "whole.mat").read_bytes()[128:])
    for place, value in changes:  # SciPy's own reader dies of some of these
        body[place % len(body)] = value
    path = matlab_file(folder, bytes(body), compressed)
    try:
        assert mat.read(path, SPEC).ndim == 2
    except errors.DataError as problem:
        assert "damaged.mat" in str(problem)


def test_matlab_file_is_not_unpacked_beyond_its_label_size(tmp_path, monkeypatch):
    scipy.io.savemat(tmp_path / "whole.mat", {"groundtruth": np.zeros((4, 4), np.uint8)})
    body = (tmp_path / "whole.mat").read_bytes()[128:]
    path = matlab_file(tmp_path, body + bytes(10_000_000), compressed=True)
    largest = []
    element = _mat5._element

    def watched(content, order):
        largest.append(len(content))
        return element(content, order)
    monkeypatch.setattr(_mat5, "_element", watched)
    assert not mat_groundtruth.read(path, SPEC).any()
    assert max(largest) < 10_000


def test_cell_strings_are_read_in_order(tmp_path):
    names = np.empty((1, 3), object)
    names[:] = [["null", "t-shirt", "Mütze"]]
    scipy.io.savemat(tmp_path / "a.mat", {"label_list": names}, do_compression=True)
    assert _mat5.read_texts(tmp_path / "a.mat", "label_list") == ["null", "t-shirt", "Mütze"]


# ade20k_full

def test_full_ade20k_classes_map_to_the_benchmark(tmp_path):
    # wall is 2978 = 11 * 256 + 162, door is 774 = 3 * 256 + 6 and 783; 1 is a class that the benchmark does not score
    pixels = np.array([[[110, 162, 7], [30, 6, 0], [30, 15, 0], [0, 1, 9], [0, 0, 0]]], np.uint8)
    path = save(tmp_path / "a_seg.png", pixels)
    np.testing.assert_array_equal(ade20k_full.read(path, SPEC), [[1, 15, 15, 0, 0]])


def test_each_benchmark_class_has_one_class_of_the_full_ade20k():
    table = ade20k_full.TABLE
    assert set(table.tolist()) == set(range(151))
    assert np.count_nonzero(table) == 153  # 15, 36 and 89 are two classes each of the full data set


def test_prediction_on_the_full_ade20k_is_a_benchmark_label(tmp_path):
    ade20k_full.write(tmp_path / "a.png", [[0, 150]], SPEC)
    np.testing.assert_array_equal(ids.read(tmp_path / "a.png", SPEC), [[0, 150]])


def test_other_red_values_are_not_the_full_ade20k(tmp_path):
    with pytest.raises(errors.DataError, match="multiples of 10"):
        ade20k_full.read(save(tmp_path / "a.png", np.full((1, 1, 3), 7, np.uint8)), SPEC)


def test_real_full_ade20k_label_resizes_to_that_of_the_benchmark(shared_file):
    folder = shared_file("data/ade20k_samples/convert_fixture")
    label = ade20k_full.read(folder / "ADE_train_00000970_raw.png", SPEC)
    with Image.open(folder / "ADE_train_00000970_challenge.png") as challenge:
        # the benchmark scaled its images; the conversion itself has to be the same at every pixel
        resized = Image.fromarray(label).resize(challenge.size, Image.Resampling.NEAREST)
        np.testing.assert_array_equal(np.asarray(resized), np.asarray(challenge))
    rows = [line.split() for line in (folder / "mapFromADE.txt").read_text().splitlines() if line.strip()]
    assert {int(full): int(benchmark) for benchmark, full in rows} == {
        int(full): int(ade20k_full.TABLE[full]) for full in np.flatnonzero(ade20k_full.TABLE)}
