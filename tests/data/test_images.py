"""Photos become RGB, and whatever is none is refused by name; resizing invents nothing."""

import io

import numpy as np
import odd_files
import psutil
import pytest
from conftest import save
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageOps

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _channels, ids
from fcn.data.spec import DatasetSpec

LAW = settings(max_examples=50, deadline=None)
RED, GREY = (255, 0, 0), (100, 100, 100)
MAPS = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9))
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))
WAYS = {"header": images.image_header, "pixels": images.read_image}


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
    photo = images.read_image(save(tmp_path / name, image))
    assert photo.dtype == np.uint8
    np.testing.assert_array_equal(photo, [rgb])


def test_transparent_palette_colour_becomes_white(tmp_path):
    path = save(tmp_path / "a.png", palette_image([[0, 1]], GREY, RED), transparency=1)
    np.testing.assert_array_equal(images.read_image(path), [[GREY, (255, 255, 255)]])


def test_a_cmyk_jpeg_becomes_rgb(tmp_path):
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    photo = images.read_image(save(tmp_path / "a.jpg", cyan, quality=95)).astype(int)
    assert photo.shape == (16, 16, 3)
    assert np.abs(photo - [0, 255, 255]).max() <= 3


def test_scaled_16_bit_photo_keeps_its_order_up_to_white(tmp_path):
    grey = np.arange(0, 65536, 37, np.uint16)[None]
    found = images.read_image(save(tmp_path / "a.png", grey))[0, :, 0]
    np.testing.assert_array_equal(found, grey[0] // 256)  # all 256 values; clipping would leave two


@pytest.mark.parametrize("name", odd_files.READ)
def test_unusual_photo_is_read_and_its_header_describes_it(tmp_path, name):
    content, kinds = odd_files.READ[name]
    (tmp_path / name).write_bytes(content)
    header = WAYS["header"](tmp_path / name)
    photo = images.read_image(tmp_path / name)
    assert (header.height, header.width) == odd_files.SIZE and photo.shape == (*odd_files.SIZE, 3)
    assert images.conversions(header) == kinds
    assert photo.any() or name == "sixteen bits RGB.png"  # of animations, the first frame: the other is black


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", odd_files.REFUSED)
def test_file_that_is_not_a_photo_is_refused_before_decoding(tmp_path, name, way):
    content, said = odd_files.REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(errors.DataError) as problem:
        WAYS[way](tmp_path / name)
    assert problem.value.where == tmp_path / name and said in str(problem.value) and problem.value.fix


@pytest.mark.parametrize("name", odd_files.CUT)
def test_truncated_photo_is_refused_with_name_and_size(tmp_path, name):
    content, said = odd_files.CUT[name]
    (tmp_path / name).write_bytes(content)
    for size_px in (None, (8, 8)):
        with pytest.raises(errors.DataError) as problem, images.image_file(tmp_path / name) as (image, header):
            images.decoded(image, header, size_px=size_px)
        assert problem.value.where == tmp_path / name and said in str(problem.value)
        assert "download" in problem.value.fix


@pytest.mark.parametrize("mistake", [ValueError, OSError, SyntaxError, EOFError])
@pytest.mark.parametrize("reading", [lambda path: images.opened(path, ("PNG",), "label"), images.image_file])
def test_error_of_the_caller_is_not_reported_as_a_damaged_file(tmp_path, reading, mistake):
    path = save(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(mistake, match="ours"), reading(path):
        raise mistake("ours")


def test_own_error_while_reading_a_label_is_reported_as_a_bug(tmp_path, monkeypatch, capsys):
    path = save(tmp_path / "a.png", np.zeros((2, 2), np.uint8))

    def mistaken(image, path):
        raise ValueError("operands could not be broadcast")
    monkeypatch.setattr(_channels, "stored", mistaken)
    monkeypatch.chdir(tmp_path)
    assert errors.run_command(lambda argv: ids.read(path, DatasetSpec()), []) == 70
    assert "A bug: ValueError: operands could not be broadcast" in capsys.readouterr().err


@pytest.mark.parametrize("way", WAYS)
def test_special_file_is_never_opened(tmp_path, way):
    for path, said in odd_files.special(tmp_path).values():
        with pytest.raises(errors.DataError) as problem:
            WAYS[way](path)
        assert str(path) in str(problem.value) and said in str(problem.value)


def test_every_reader_applies_the_pixel_limit(tmp_path):
    path = save(tmp_path / "a.png", np.zeros((4, 3), np.uint8))
    for read in (images.read_image, lambda path, max_pixels: images.header(path, ("PNG",), "image", max_pixels)):
        read(path, max_pixels=12)
        with pytest.raises(errors.DataError, match=r"4x3 pixels .* limit of 11\n  Fix: .*--max-pixels"):
            read(path, max_pixels=11)


def test_limit_above_that_of_pillow_works(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(odd_files.png(20_000, 20_000, 8, 0, b"\0"))
    assert images.header(path, ("PNG",), "image", 400_000_000).width == 20_000


@given(place=st.integers(0, 3000), value=st.integers(0, 255), kind=st.sampled_from(["JPEG", "PNG"]))
@LAW
def test_damaged_file_gives_a_photo_or_a_data_error(tmp_path_factory, place, value, kind):
    buffer = io.BytesIO()
    Image.fromarray(np.arange(3072, dtype=np.uint8).reshape(32, 32, 3)).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    content[place % len(content)] = value
    path = tmp_path_factory.mktemp("damaged") / "a.jpg"
    path.write_bytes(content)
    try:
        assert images.read_image(path).shape[2] == 3
    except errors.DataError as problem:
        assert "a.jpg" in str(problem)


@given(MAPS, SIZES)
@LAW
def test_resizing_a_label_creates_no_new_ids(label, size_px):
    resized = images.resize_label(label, size_px)
    assert resized.shape == size_px and resized.dtype == np.uint8
    assert set(np.unique(resized)) <= set(np.unique(label))


@given(st.integers(1, 255), st.integers(1, 600))
@LAW
def test_resized_label_takes_the_id_under_each_pixel_centre(old, new):
    label = np.arange(old, dtype=np.uint8)[:, None]  # so that the result tells which row was taken
    taken = images.resize_label(label, (new, 1))[:, 0].astype(int)
    # |taken + 1/2 - (i + 1/2) old / new| <= 1/2, in whole numbers; on a tie either neighbour will do
    assert (np.abs((2 * taken + 1) * new - (2 * np.arange(new) + 1) * old) <= new).all()
    columns = images.resize_label(label.T.copy(), (1, new))[0]
    np.testing.assert_array_equal(columns, taken)


def test_doubled_label_repeats_ids_and_halved_takes_every_other():
    label = np.array([[1, 2], [3, 4]], np.uint8)
    np.testing.assert_array_equal(images.resize_label(label, (2, 4)), [[1, 1, 2, 2], [3, 3, 4, 4]])
    # centres of two new pixels over four old ones: 1.0 and 3.0, the left edges of old pixels 1 and 3
    np.testing.assert_array_equal(images.resize_label(np.array([[5, 6, 7, 8]], np.uint8), (1, 2)), [[6, 8]])
    np.testing.assert_array_equal(images.resize_label(np.array([[5, 6, 7]], np.uint8), (1, 1)), [[6]])


@given(st.tuples(*3 * [st.integers(0, 255)]), SIZES, SIZES)
@LAW
def test_a_photo_of_one_colour_keeps_it_at_any_size(colour, size_px, new_size_px):
    photo = np.full((*size_px, 3), colour, np.uint8)
    np.testing.assert_array_equal(images.resize_image(photo, new_size_px), np.full((*new_size_px, 3), colour))


def test_a_checkerboard_shrinks_to_its_mean():
    checker = np.array([[0, 200], [200, 0]], np.uint8)[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(images.resize_image(checker, (1, 1)), [[GREY]])


def test_doubling_a_photo_is_bilinear_between_pixel_centres():
    photo = np.array([[0, 200]], np.uint8)[..., None].repeat(3, axis=2)
    # new centres at -1/4, 1/4, 3/4, 5/4 of an old pixel's step: beyond the outer centres the edge goes on
    np.testing.assert_array_equal(images.resize_image(photo, (1, 4))[0, :, 0], [0, 50, 150, 200])


@given(MAPS)
@LAW
def test_resizing_to_its_own_size_changes_nothing(label):
    np.testing.assert_array_equal(images.resize_label(label, label.shape), label)
    photo = np.stack([label, 255 - label, label // 2], axis=2)
    np.testing.assert_array_equal(images.resize_image(photo, label.shape), photo)


@given(st.tuples(st.integers(64, 150), st.integers(64, 150)), st.integers(1, 9), st.sampled_from([1, 3, 6, 8]),
       st.sampled_from(["JPEG", "PNG"]))
@LAW
def test_resizing_while_decoding_matches_resizing_afterwards(size, divisor, orientation, kind):
    down, right = np.mgrid[:size[0], :size[1]]
    photo = np.stack([down, right, 255 - down], axis=2).astype(np.uint8)  # so that a shift by a pixel is seen
    file = io.BytesIO(odd_files.encoded(photo, kind, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {})))
    header = images.Header(size[1], size[0], "RGB", kind, orientation)
    wanted = size[0] // divisor, size[1] // divisor
    with Image.open(file) as image, Image.open(file) as again:
        found = images.decoded(image, header, True, wanted)
        afterwards = images.resize_image(images.decoded(again, header, True), wanted)
    np.testing.assert_allclose(found.astype(int), afterwards, atol=2 if kind == "JPEG" or orientation > 1 else 0)


@pytest.mark.parametrize("size_px", [(48, 64), (30, 40), (24, 32), (25, 31), (12, 70), (5, 7), None])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_photo_read_at_both_sizes_equals_two_reads(tmp_path, kind, orientation, size_px):
    path = tmp_path / "a.jpg"
    path.write_bytes(odd_files.encoded(odd_files.NOISE, kind, exif=odd_files.exif(orientation)))
    with images.image_file(path) as (image, header):
        photo, resized = images.decoded_at_both(image, header, True, size_px)
    np.testing.assert_array_equal(photo, images.read_image(path, True))
    np.testing.assert_array_equal(resized, images.read_image(path, True, size_px=size_px))


@pytest.mark.parametrize("name", odd_files.READ)
def test_unusual_photo_at_both_sizes_equals_two_reads(tmp_path, name):
    path = tmp_path / "a.jpg"
    path.write_bytes(odd_files.READ[name][0])
    with images.image_file(path) as (image, header):
        photo, resized = images.decoded_at_both(image, header, False, (20, 30))
    np.testing.assert_array_equal(photo, images.read_image(path))
    np.testing.assert_array_equal(resized, images.read_image(path, size_px=(20, 30)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(10))
def test_photo_is_turned_by_exif_only_on_request(tmp_path, kind, orientation):
    path = tmp_path / "a.jpg"
    path.write_bytes(odd_files.encoded(odd_files.NOISE, kind, exif=odd_files.exif(orientation)))
    with Image.open(path) as image:
        raw, upright = np.asarray(image.convert("RGB")), np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(images.read_image(path), raw)
    np.testing.assert_array_equal(images.read_image(path, upright=True), upright)
    with images.image_file(path) as (image, header):
        assert images.decoded(image, header, upright=True, size_px=(10, 20)).shape == (10, 20, 3)


def test_label_of_the_turned_size_turns_its_photo():
    for (orientation, label_size), turned in odd_files.ORIENTED.items():
        header = images.Header(64, 48, "RGB", "JPEG", orientation)
        assert images.is_turned(header, label_size) == bool(turned)
    assert not images.is_turned(images.Header(48, 48, "RGB", "JPEG", 6), (48, 48))  # a square does not tell


@given(st.binary(max_size=60))
@LAW
def test_photo_with_damaged_exif_is_read(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("exif") / "a.png"
    path.write_bytes(odd_files.encoded(odd_files.NOISE, "PNG", exif=b"Exif\0\0" + content))
    np.testing.assert_array_equal(images.read_image(path), odd_files.NOISE)


@given(arrays.arrays(np.uint8, st.sampled_from([(3, 5), (3, 5, 3)])))
@LAW
def test_written_png_reads_back_and_leaves_no_other_file(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("png") / "a.png"
    images.write_png(path, array)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), array)
    assert list(path.parent.iterdir()) == [path]


def test_a_refused_file_is_closed(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    before = psutil.Process().num_fds()
    held = []
    for _ in range(5):
        try:
            images.read_image(tmp_path / "a.png", max_pixels=3)
        except errors.DataError as error:
            held.append(error)  # the cache keeps the errors, and they keep the frames with the open files
    assert psutil.Process().num_fds() == before
