"""Labels that are TIFF files, NumPy arrays or GIFs hold the ids that were saved, or are refused by name."""

import io
import re
import zipfile

import numpy as np
import pytest
import tifffile
from conftest import save
from PIL import Image

from fcn.cli import inspect
from fcn.core import errors
from fcn.data import label_files
from fcn.data.label_formats import binary, blue, colours, ids
from fcn.data.layouts import _auto, paired
from fcn.data.spec import DatasetSpec

SPEC = DatasetSpec()
IDS = np.array([[0, 1, 2], [2, 255, 1]], np.uint8)
MASK = np.array([[0, 255], [255, 0]], np.uint8)
COLOURS = DatasetSpec(("a", "b"), (), ((200, 0, 10), (0, 99, 5)), "colours")


def put(path, array):
    """Write an array as the format of the suffix; tifffile and NumPy write what Pillow cannot."""
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix in (".tif", ".tiff"):
        options = {"photometric": "rgb" if array.shape[2:] > (2,) else "minisblack"}
        tifffile.imwrite(path, array, **options, **({"planarconfig": "contig"} if array.ndim == 3 else {}))
    else:
        save(path, array)
    return path


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "i4", "<i8", ">i8", "u8", "f4", "f8", "?"])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
def test_array_of_any_width_holds_its_ids(tmp_path, dtype, shape):
    values = IDS.astype(dtype)
    path = put(tmp_path / "a.npy", values.reshape(shape))
    label = ids.read(path, SPEC)
    np.testing.assert_array_equal(label, values)
    assert label.dtype == np.uint8 and ids.size(path) == (2, 3)


def test_array_in_fortran_order_is_not_transposed(tmp_path):
    np.testing.assert_array_equal(ids.read(put(tmp_path / "a.npy", np.asfortranarray(IDS)), SPEC), IDS)


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.tiff"])
@pytest.mark.parametrize("largest", [255, 256, 65535])
def test_16_bits_stay_16_bits(tmp_path, name, largest):
    values = np.array([[0, largest]], np.uint16)
    label = ids.read(put(tmp_path / name, values), SPEC)
    np.testing.assert_array_equal(label, values)
    assert label.dtype == (np.uint8 if largest == 255 else np.uint16)


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_equal_channels_and_opaque_alpha_count_as_one(tmp_path, suffix, channels):
    planes = [IDS] * 3 if channels == 3 else [IDS] * (channels - 1) + [np.full_like(IDS, 255)]
    path = put(tmp_path / f"a{suffix}", np.dstack(planes))
    np.testing.assert_array_equal(ids.read(path, SPEC), IDS)
    planes[-1] = planes[-1] // 2 + 1
    with pytest.raises(errors.DataError, match=r"transparent|differ"):
        ids.read(put(tmp_path / f"b{suffix}", np.dstack(planes)), SPEC)


def test_palette_of_a_tiff_holds_indices_and_shows_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 1]], np.uint8))
    image.putpalette([200, 0, 10, 0, 99, 5])
    path = save(tmp_path / "a.tif", image)
    np.testing.assert_array_equal(ids.read(path, SPEC), [[0, 1, 1]])
    np.testing.assert_array_equal(colours.read(path, COLOURS), [[0, 1, 1]])


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".gif"])
def test_colours_are_read_from_any_lossless_file(tmp_path, suffix):
    pixels = np.array([[[200, 0, 10], [0, 99, 5]]], np.uint8)
    path = put(tmp_path / f"a{suffix}", pixels)
    np.testing.assert_array_equal(colours.read(path, COLOURS), [[0, 1]])
    np.testing.assert_array_equal(blue.read(path, SPEC), [[10, 5]])
    with pytest.raises(errors.DataError, match="--label-encoding colours --classes"):
        label_files.read_label(path, SPEC)


@pytest.mark.parametrize("values", [(0, 2), (38, 75), (0, 255)])
def test_a_gif_holds_grey_values_not_renumbered_indices(tmp_path, values):
    path = put(tmp_path / "a.gif", np.array([values], np.uint8))
    with Image.open(path) as image:
        assert values == (0, 255) or np.asarray(image).max() < max(values)  # the writer renumbers them
    np.testing.assert_array_equal(ids.read(path, SPEC), [values])


MASKS = {"a.gif": MASK, "b.tif": MASK, "c.tif": MASK.astype(np.uint16) * 257, "d.tif": MASK.astype(np.uint16),
         "e.npy": MASK, "f.npy": MASK.astype(np.int64), "g.npy": MASK > 0, "h.npy": MASK.astype(np.int32) * 257,
         "i.tif": np.dstack([MASK] * 3), "j.npy": MASK.astype(float)}


@pytest.mark.parametrize("name", MASKS)
def test_black_and_white_masks_of_any_format(tmp_path, name):
    path = put(tmp_path / name, MASKS[name])
    np.testing.assert_array_equal(binary.read(path, SPEC), MASK // 255)
    assert binary.size(path) == (2, 2)


def test_a_mask_of_0_and_1_is_read_with_the_advised_threshold(tmp_path):
    path = put(tmp_path / "a.npy", MASK // 255)
    with pytest.raises(errors.DataError, match="--mask-threshold below 1"):
        binary.read(path, SPEC)
    np.testing.assert_array_equal(binary.read(path, DatasetSpec(mask_threshold=0)), MASK // 255)


def npz(folder):
    with zipfile.ZipFile(folder / "a.npy", "w") as archive:
        archive.writestr("x.npy", b"")
    return folder / "a.npy"


def cut(folder, end):
    path = put(folder / "a.npy", IDS)
    path.write_bytes(path.read_bytes()[:end])
    return path


def pages(folder):
    tifffile.imwrite(folder / "a.tif", np.zeros((3, 4, 5), np.uint8), photometric="minisblack")
    return folder / "a.tif"


def frames(folder):
    first, *others = [Image.fromarray(np.full((4, 4), n, np.uint8)) for n in (0, 1, 2)]
    first.save(folder / "a.gif", save_all=True, append_images=others)
    return folder / "a.gif"


def clear_gif(folder):
    return save(folder / "a.gif", np.array([[0, 9]], np.uint8), transparency=9)


REFUSED = {  # what makes the file: what the message says
    "halves": (lambda folder: put(folder / "a.npy", IDS / 2), "contains 0.5"),
    "nan": (lambda folder: put(folder / "a.npy", np.full((2, 2), np.nan)), "contains nan"),
    "negative": (lambda folder: put(folder / "a.npy", np.array([[-1, 0]])), "contains -1"),
    "65536": (lambda folder: put(folder / "a.npy", np.array([[65536, 0]])), "contains 65536"),
    "huge": (lambda folder: put(folder / "a.npy", np.array([[1e300, 0]])), "contains 1e+300"),
    "complex": (lambda folder: put(folder / "a.npy", np.array([[1j]])), "of complex128"),
    "text": (lambda folder: put(folder / "a.npy", np.array([["a"]])), "of <U1"),
    "a row": (lambda folder: put(folder / "a.npy", np.arange(4)), "is an array (4,)"),
    "a batch": (lambda folder: put(folder / "a.npy", np.zeros((1, 8, 9))), "is an array (1, 8, 9)"),
    "empty": (lambda folder: put(folder / "a.npy", np.zeros((0, 4))), "is an array (0, 4)"),
    "objects": (lambda folder: put(folder / "a.npy", np.array([[None]])), "of object"),
    "npz": (npz, "ZIP archive"), "truncated": (lambda folder: cut(folder, -1), "it claims (2, 3)"),
    "truncated header": (lambda folder: cut(folder, 40), "not a usable .npy file"),
    "pages": (pages, "has 3 pages"), "frames": (frames, "has 3 frames, expected one"),
    "transparent gif": (clear_gif, "transparent pixels"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("encoding", ["ids", "binary"])
def test_other_arrays_are_refused_by_name(tmp_path, kind, encoding):
    make, said = REFUSED[kind]
    path = make(tmp_path)
    with pytest.raises(errors.DataError) as problem:
        label_files.read_label(path, DatasetSpec(encoding=encoding))
    assert problem.value.where == path and said in str(problem.value)


def test_a_lying_header_allocates_nothing(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": (5000, 5000), "descr": "<i8", "fortran_order": False})
    (tmp_path / "a.npy").write_bytes(header.getvalue())
    for function in (ids.size, lambda path: ids.read(path, SPEC)):
        with pytest.raises(errors.DataError, match=r"it claims \(5000, 5000\)"):
            function(tmp_path / "a.npy")


def data_set(root, folder, arrays, suffix, end=""):
    for n, array in enumerate(arrays):
        save(root / f"images/p{n}.png", np.full((*array.shape[:2], 3), 50 * n, np.uint8))
        (root / folder).mkdir(exist_ok=True)
        put(root / f"{folder}/p{n}{end}{suffix}", array)
    return root


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".npy"])
def test_folders_of_masks_are_recognised(tmp_path, suffix):
    root = data_set(tmp_path, "masks", [MASK.repeat(8, 0).repeat(8, 1)] * 4, suffix, "_mask")
    assert _auto.choose(root).layout == "binary_masks"


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_inspection_counts_the_ids(tmp_path, capsys, suffix):
    root = data_set(tmp_path, "targets", [IDS] * 4, suffix)
    assert errors.run_command(inspect.main, [str(root)]) == 0
    said = capsys.readouterr().out
    assert "255  (ignored)" in said and "problems: none" in said
    assert re.findall(r"class \d +(\d+)", said) == ["4", "8", "8"]


def test_an_array_beside_a_png_is_ignored(tmp_path):
    root = data_set(tmp_path, "targets", [IDS] * 3, ".png")
    put(root / "targets/p0.npy", IDS)
    assert _auto.choose(root).layout == "paired"
    listing = paired.listing(root, "training")
    assert not listing.problems and {pair.label.suffix for pair in listing.pairs} == {".png"}
