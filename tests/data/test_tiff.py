"""TIFF files: values, bands, and one clear message for every file that cannot be used."""

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from PIL import Image

from fcn.core import errors
from fcn.data import tiff

BANDS = np.arange(5 * 7 * 12, dtype=np.uint8).reshape(5, 7, 12)
GREY = BANDS[..., 0]


def written(tmp_path, array, **options):
    tifffile.imwrite(tmp_path / "a.tif", array, **{"photometric": "minisblack", **options})
    return tmp_path / "a.tif"


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_bands_are_last_however_stored(tmp_path, compression, tile):
    for array, config in ((BANDS, "contig"), (BANDS.transpose(2, 0, 1), "separate")):
        path = written(tmp_path, array, planarconfig=config, compression=compression, tile=tile)
        assert (tiff.read(path) == BANDS).all()
        found = tiff.header(path)
        assert (found.height, found.width, found.bands, found.bits) == (5, 7, 12, 8)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_sixteen_bits_keep_their_values(tmp_path, byteorder):
    path = written(tmp_path, GREY.astype(np.uint16) * 250, byteorder=byteorder)
    assert tiff.read(path).tolist() == (GREY.astype(int) * 250).tolist()
    assert tiff.read(path).dtype == np.uint16 and tiff.read(path).dtype.isnative
    assert tiff.header(path).bits == 16


def test_white_zero_is_inverted(tmp_path):
    assert (tiff.read(written(tmp_path, GREY, photometric="miniswhite")) == 255 - GREY).all()


def test_palette_is_in_the_header(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    image = Image.fromarray(GREY, "P")
    image.putpalette(colours.tobytes())
    image.save(tmp_path / "p.tif")
    assert (tiff.read(tmp_path / "p.tif") == GREY).all()
    assert (tiff.header(tmp_path / "p.tif").palette == colours).all()


def test_jpeg_in_tiff_is_rgb(tmp_path):
    imageio.imwrite(tmp_path / "a.tif", np.full((16, 16, 3), (200, 100, 50), np.uint8), compression="jpeg",
                    plugin="pillow")
    assert np.abs(tiff.read(tmp_path / "a.tif").astype(int) - (200, 100, 50)).max() <= 3


def test_overviews_are_not_pages(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY, photometric="minisblack", metadata=None)
        file.write(GREY[::2, ::2], photometric="minisblack", subfiletype=1, metadata=None)
    assert (tiff.read(tmp_path / "a.tif") == GREY).all()


@pytest.mark.parametrize("array, options, words", [
    (BANDS.transpose(2, 0, 1), {}, "has 12 pages, expected one image"),
    (GREY.astype(np.float32), {}, "has values of float32, expected 8 or 16 bits"),
    (GREY.astype(np.int16), {}, "has values of int16, expected 8 or 16 bits"),
    (GREY > 5, {}, "has values of 1 bits, expected 8 or 16 bits"),
    (BANDS[..., :3], {"photometric": "cielab"}, "has the colours CIELAB, expected"),
])
def test_other_files_are_refused(tmp_path, array, options, words):
    refused(written(tmp_path, array, **options), words)


def refused(path, words):
    for read in (tiff.header, tiff.read):
        with pytest.raises(errors.DataError, match=words) as error:
            read(path)
        assert error.value.fix


def test_unknown_compression_is_refused(tmp_path):
    path = written(tmp_path, GREY)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(34713)  # Nikon's
    refused(path, "has the compression NIKON_NEF, expected")


def test_damaged_files_are_data_errors(tmp_path):
    content = written(tmp_path, BANDS, planarconfig="contig", compression="zlib").read_bytes()
    for end in (0, 4, 8, 100, len(content) - 20):
        (tmp_path / "a.tif").write_bytes(content[:end])
        with pytest.raises(errors.DataError) as error:
            tiff.read(tmp_path / "a.tif")
        assert error.value.fix
    (tmp_path / "a.tif").write_bytes(content[:-60] + bytes(40) + content[-20:])
    with pytest.raises(errors.DataError, match="cannot be decoded"):
        tiff.read(tmp_path / "a.tif")


def test_limit_comes_before_decoding(tmp_path, monkeypatch):
    path = written(tmp_path, BANDS, planarconfig="contig")
    assert tiff.read(path, max_pixels=5 * 7 * 3).shape == BANDS.shape  # 12 bands count as three times 4
    monkeypatch.setattr(tifffile.TiffPage, "asarray", None)
    with pytest.raises(errors.DataError, match="5x7 pixels of 12 bands are more than the limit of 104"):
        tiff.read(path, max_pixels=5 * 7 * 3 - 1)


def test_missing_file_is_said(tmp_path):
    with pytest.raises(errors.DataError, match="is missing"):
        tiff.read(tmp_path / "none.tif")
