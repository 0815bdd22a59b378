"""What a PNG stores is read to the last bit, for files written by hand."""

import itertools
import struct

import numpy as np
import odd_files
import pytest
from conftest import save
from PIL import Image

from fcn.data import images, png_values

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # of a PNG's colour types
VALUES = [0, 1, 255, 256, 300, 65534, 65535, 4095]


def stored(path):
    with images.opened(path, ("PNG", "BMP"), "label") as image:
        return png_values.stored(image)


def sixteen_bits(path, pixels, colour_type, filter_type=0, *chunks):
    """A PNG of uint16 (h, w, channels), its rows filtered by "none" or "sub"."""
    rows = b""
    for row in np.asarray(pixels, ">u2"):
        raw = np.frombuffer(row.tobytes(), np.uint8)
        step = row[0].nbytes
        rows += bytes([filter_type]) + (raw - filter_type * np.concatenate([raw[:0], [0] * step, raw[:-step]])).astype(
            np.uint8).tobytes()
    path.write_bytes(odd_files.png(pixels.shape[1], pixels.shape[0], 16, colour_type, rows, *chunks))
    return path


@pytest.mark.parametrize("filter_type", [0, 1])
@pytest.mark.parametrize("colour_type", CHANNELS)
def test_channels_of_16_bits_keep_both_bytes(tmp_path, colour_type, filter_type):
    cycle = itertools.cycle(VALUES)
    pixels = np.array([next(cycle) for _ in range(2 * 5 * CHANNELS[colour_type])]).reshape(2, 5, -1)
    found = stored(sixteen_bits(tmp_path / "a.png", pixels, colour_type, filter_type))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found.reshape(pixels.shape), pixels)


@pytest.mark.parametrize("array", [np.array([[0, 200]], np.uint8), np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8),
                                   np.array([[False, True]]), np.array([[[7, 255]]], np.uint8)])
def test_8_bit_and_1_bit_images_are_read_like_pillow(tmp_path, array):
    np.testing.assert_array_equal(stored(save(tmp_path / "a.png", array)), array)


def test_other_formats_are_read_like_pillow(tmp_path):
    np.testing.assert_array_equal(stored(save(tmp_path / "a.bmp", np.array([[0, 200]], np.uint8))), [[0, 200]])


def transparent(*values):
    return odd_files.chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


def test_transparent_colour_of_a_photo_is_compared_exactly(tmp_path):
    grey = np.array([[[300], [301], [0x3000]]])
    path = sixteen_bits(tmp_path / "grey.png", grey, 0, 0, transparent(300))
    np.testing.assert_array_equal(images.read_image(path)[0, :, 0], [255, 1, 0x30])
    rgb = np.array([[[300, 400, 500], [300, 400, 501], [0x4000, 0x5000, 0x6000]]])
    path = sixteen_bits(tmp_path / "rgb.png", rgb, 2, 0, transparent(300, 400, 500))
    np.testing.assert_array_equal(images.read_image(path)[0], [(255, 255, 255), (1, 1, 1), (0x40, 0x50, 0x60)])
    assert "transparent pixels blended with white" in images.conversions(images.header(path, ("PNG",), "image"))


def test_half_transparent_16_bit_pixels_blend_with_white(tmp_path):
    path = sixteen_bits(tmp_path / "la.png", np.array([[[0, 0], [0, 65535], [0, 51 * 257]]]), 4)
    np.testing.assert_array_equal(images.read_image(path)[0, :, 0], [255, 0, 204])
    path = sixteen_bits(tmp_path / "rgba.png", np.array([[[0, 0, 0, 0], [65535, 0, 0, 65535]]]), 6)
    np.testing.assert_array_equal(images.read_image(path)[0], [(255, 255, 255), (255, 0, 0)])


@pytest.mark.parametrize(("bits", "row"), [(2, 0b00011000), (4, 0x12)])
def test_transparent_grey_of_2_or_4_bits_is_exact(tmp_path, bits, row):
    width = 2 if bits == 4 else 3  # 0, 1, 2 of 2 bits; 1, 2 of 4
    (tmp_path / "a.png").write_bytes(odd_files.png(width, 1, bits, 0, bytes([0, row]), transparent(1)))
    step = 255 // (2 ** bits - 1)
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png")[0, -2:, 0], [255, 2 * step])


@pytest.mark.parametrize(("bits", "key"), [(8, 7), (1, 1)])
def test_transparent_grey_of_8_or_1_bit_becomes_white(tmp_path, bits, key):
    row = bytes([0, 7, 8]) if bits == 8 else bytes([0, 0b10000000])
    (tmp_path / "a.png").write_bytes(odd_files.png(2, 1, bits, 0, row, transparent(key)))
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png")[0, :, 0], [255, 8 if bits == 8 else 0])
    assert Image.open(tmp_path / "a.png").info["transparency"] is not None
