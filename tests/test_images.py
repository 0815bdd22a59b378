"""Photos become RGB, labels become ids, and whatever is neither is refused by name."""

import io
import os
import pathlib
import struct
import zlib

import numpy as np
import pytest
from conftest import save
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from fcn import errors, images

LAW = settings(max_examples=50, deadline=None)
RED, GREY = (255, 0, 0), (100, 100, 100)
MAPS = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9))
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def palette_image(indices, *colours):
    image = Image.fromarray(np.asarray(indices, np.uint8)).convert("L")
    image.putpalette(sum(colours, ()))
    return image


PHOTOS = {  # file name: (image of 1 x 2 pixels, what they are in RGB)
    "grey.png": (np.array([[0, 100]], np.uint8), [(0, 0, 0), GREY]),
    "one_bit.png": (np.array([[False, True]]), [(0, 0, 0), (255, 255, 255)]),
    "palette.png": (palette_image([[1, 0]], GREY, RED), [RED, GREY]),
    "grey_alpha.png": (np.array([[[100, 255], [100, 0]]], np.uint8), [GREY, (255, 255, 255)]),
    "alpha.png": (np.array([[[255, 0, 0, 255], [9, 9, 9, 0]]], np.uint8), [RED, (255, 255, 255)]),
    "half_alpha.png": (np.array([[[0, 0, 0, 51], [0, 0, 0, 204]]], np.uint8), [(204, 204, 204), (51, 51, 51)]),
    # v / 257 of 65535, 25700 and 300; clipping would make 255 of all of them
    "sixteen_bit.png": (np.array([[65535, 25700, 300]], np.uint16), [(255, 255, 255), GREY, (1, 1, 1)]),
    "plain.bmp": (np.array([[RED, GREY]], np.uint8), [RED, GREY]),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_a_photo_of_any_mode_becomes_rgb(tmp_path, name):
    image, rgb = PHOTOS[name]
    photo = images.read_photo(save(tmp_path / name, image))
    assert photo.dtype == np.uint8
    np.testing.assert_array_equal(photo, [rgb])


def test_a_transparent_palette_colour_lies_on_white(tmp_path):
    path = save(tmp_path / "a.png", palette_image([[0, 1]], GREY, RED), transparency=1)
    np.testing.assert_array_equal(images.read_photo(path), [[GREY, (255, 255, 255)]])


def test_a_cmyk_jpeg_becomes_rgb(tmp_path):
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    photo = images.read_photo(save(tmp_path / "a.jpg", cyan, quality=95)).astype(int)
    assert photo.shape == (16, 16, 3)
    assert np.abs(photo - [0, 255, 255]).max() <= 3


def test_exif_orientation_is_left_alone_as_labels_are_drawn_on_the_stored_raster(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees"
    path = save(tmp_path / "a.jpg", np.zeros((2, 5, 3), np.uint8), exif=exif)
    assert images.read_photo(path).shape == (2, 5, 3)


def test_a_palette_label_gives_indices_not_colours(tmp_path):
    path = save(tmp_path / "a.png", palette_image([[0, 2], [1, 2]], RED, GREY, RED))
    np.testing.assert_array_equal(images.read_label(path), [[0, 2], [1, 2]])


BITS, IDS = np.array([[False, True]]), np.array([[0, 150, 255]], np.uint8)


@pytest.mark.parametrize(("name", "values"), [("a.png", BITS), ("a.bmp", BITS), ("b.png", IDS), ("b.bmp", IDS),
                                              ("c.png", IDS.astype(np.uint16))])
def test_a_label_of_1_8_or_16_bits_holds_the_stored_ids(tmp_path, name, values):
    label = images.read_label(save(tmp_path / name, values))
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, values)


def jpeg(**options):
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def gif():
    buffer = io.BytesIO()
    Image.new("P", (4, 4)).save(buffer, "GIF")
    return buffer.getvalue()


NO_PHOTOS = {  # content of a file called photo.jpg, and what the message says of it
    "cut off": (jpeg()[:2000], "2,000 bytes"),
    "empty": (b"", "empty"),
    "a web page": (b"<!DOCTYPE html><html>404</html>", "<!DOCTYPE html>"),
    "a GIF": (gif(), "GIF8"),
}


@pytest.mark.parametrize("kind", NO_PHOTOS)
def test_a_file_that_is_no_photo_is_refused_by_name(tmp_path, kind):
    content, said = NO_PHOTOS[kind]
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(errors.DataError) as problem:
        images.read_photo(path)
    assert str(path) in str(problem.value) and said in str(problem.value)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "photo.jpg")
    with pytest.raises(errors.DataError, match=r"photo\.jpg: is not a regular file"):
        images.read_photo(tmp_path / "photo.jpg")


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(errors.DataError, match=r"nowhere\.jpg: this photo is missing"):
        images.read_photo(tmp_path / "nowhere.jpg")


def test_a_header_that_claims_too_many_pixels_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 11)
    with pytest.raises(errors.DataError, match="3 x 4 pixels"):
        images.read_photo(save(tmp_path / "a.png", np.zeros((4, 3), np.uint8)))


NO_LABELS = {
    "jpeg": ("label.jpg", np.zeros((8, 8), np.uint8), "PNG"),
    "rgb": ("label.png", np.zeros((2, 2, 3), np.uint8), "mode RGB"),
    "id 2012": ("label.png", np.array([[0, 2012]], np.uint16), "2012"),
}


@pytest.mark.parametrize("kind", NO_LABELS)
def test_a_file_that_is_no_label_is_refused_by_name(tmp_path, kind):
    name, array, said = NO_LABELS[kind]
    path = save(tmp_path / name, array)
    with pytest.raises(errors.DataError) as problem:
        images.read_label(path)
    assert str(path) in str(problem.value) and said in str(problem.value)


@given(place=st.integers(0, 3000), value=st.integers(0, 255), kind=st.sampled_from(["JPEG", "PNG"]))
@LAW
def test_a_damaged_file_gives_a_photo_or_a_data_error_and_nothing_else(tmp_path_factory, place, value, kind):
    buffer = io.BytesIO()
    Image.fromarray(np.arange(3072, dtype=np.uint8).reshape(32, 32, 3)).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    content[place % len(content)] = value
    path = tmp_path_factory.mktemp("damaged") / "a.jpg"
    path.write_bytes(content)
    try:
        assert images.read_photo(path).shape[2] == 3
    except errors.DataError as problem:
        assert "a.jpg" in str(problem)


@given(MAPS, SIZES)
@LAW
def test_resizing_a_label_invents_no_ids(label, size_px):
    resized = images.resize_label(label, size_px)
    assert resized.shape == size_px and resized.dtype == np.uint8
    assert set(np.unique(resized)) <= set(np.unique(label))


@given(st.integers(1, 255), st.integers(1, 600))
@LAW
def test_a_resized_label_takes_the_id_under_each_new_pixel_centre(old, new):
    label = np.arange(old, dtype=np.uint8)[:, None]  # so that the result tells which row was taken
    taken = images.resize_label(label, (new, 1))[:, 0].astype(int)
    # |taken + 1/2 - (i + 1/2) old / new| <= 1/2, in whole numbers; on a tie either neighbour will do
    assert (np.abs((2 * taken + 1) * new - (2 * np.arange(new) + 1) * old) <= new).all()
    columns = images.resize_label(label.T.copy(), (1, new))[0]
    np.testing.assert_array_equal(columns, taken)


def test_doubling_a_label_repeats_each_id_and_halving_it_takes_every_second():
    label = np.array([[1, 2], [3, 4]], np.uint8)
    np.testing.assert_array_equal(images.resize_label(label, (2, 4)), [[1, 1, 2, 2], [3, 3, 4, 4]])
    # centres of two new pixels over four old ones: 1.0 and 3.0, the left edges of old pixels 1 and 3
    np.testing.assert_array_equal(images.resize_label(np.array([[5, 6, 7, 8]], np.uint8), (1, 2)), [[6, 8]])
    np.testing.assert_array_equal(images.resize_label(np.array([[5, 6, 7]], np.uint8), (1, 1)), [[6]])


@given(st.tuples(*3 * [st.integers(0, 255)]), SIZES, SIZES)
@LAW
def test_a_photo_of_one_colour_keeps_it_at_any_size(colour, size_px, new_size_px):
    photo = np.full((*size_px, 3), colour, np.uint8)
    np.testing.assert_array_equal(images.resize_photo(photo, new_size_px), np.full((*new_size_px, 3), colour))


def test_a_checkerboard_shrinks_to_its_mean():
    checker = np.array([[0, 200], [200, 0]], np.uint8)[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(images.resize_photo(checker, (1, 1)), [[GREY]])


def test_doubling_a_photo_is_bilinear_between_pixel_centres():
    photo = np.array([[0, 200]], np.uint8)[..., None].repeat(3, axis=2)
    # new centres at -1/4, 1/4, 3/4, 5/4 of an old pixel's step: beyond the outer centres the edge goes on
    np.testing.assert_array_equal(images.resize_photo(photo, (1, 4))[0, :, 0], [0, 50, 150, 200])


@given(arrays.arrays(np.uint8, st.sampled_from([(3, 5), (3, 5, 3)])))
@LAW
def test_a_written_png_reads_back_the_same_and_leaves_nothing_beside_it(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("png") / "a.png"
    images.write_png(path, array)
    read = images.read_label if array.ndim == 2 else images.read_photo
    np.testing.assert_array_equal(read(path), array)
    assert list(path.parent.iterdir()) == [path]


def packed_png(path, bits, row, width):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", width, 1, bits, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" + bytes(row)))
                     + chunk(b"IEND", b""))


@pytest.mark.parametrize(("bits", "row", "ids"), [(4, [0x01, 0x2F], [0, 1, 2, 15]), (2, [0b00011011], [0, 1, 2, 3])])
def test_a_grey_label_of_2_or_4_bits_holds_the_stored_ids(tmp_path, bits, row, ids):
    packed_png(tmp_path / "a.png", bits, row, 4)
    np.testing.assert_array_equal(images.read_label(tmp_path / "a.png"), [ids])  # Pillow scales them to 0..255


def test_a_dark_photo_of_16_bits_is_scaled_too(tmp_path):
    Image.fromarray(np.array([[0, 200]], np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read_photo(tmp_path / "a.png")[0, :, 0], [0, 0])


def test_a_refused_file_is_closed(tmp_path, monkeypatch):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 3)
    before = len(list(pathlib.Path("/proc/self/fd").iterdir()))
    held = []
    for _ in range(5):
        try:
            images.read_photo(tmp_path / "a.png")
        except errors.DataError as error:
            held.append(error)  # cache.py keeps the errors, and they keep the frames with the open files
    assert len(list(pathlib.Path("/proc/self/fd").iterdir())) == before


def test_a_photo_is_taken_as_stored_and_turned_upright_only_when_asked(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn a quarter to the right
    Image.new("RGB", (6, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert images.read_photo(tmp_path / "a.jpg").shape == (4, 6, 3)
    assert images.read_photo(tmp_path / "a.jpg", upright=True).shape == (6, 4, 3)
