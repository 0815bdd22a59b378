"""The gallery of an evaluation: which images it keeps, how small, and what becomes of a damaged one."""

import io
import json
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from fcn.core import errors
from fcn.data.spec import DatasetSpec
from fcn.reporting import gallery

SPEC = DatasetSpec(("other", "sky", "sea"), (0, 255), ((0, 0, 0), (10, 20, 30), (10, 20, 30)))  # two of one colour


def offered(scores, count=2, size=(8, 10)):
    """A Gallery that was offered an image of each score; the photo of the k-th is grey k, its label is k % 3."""
    kept = gallery.Gallery(SPEC, count)
    for k, score in enumerate(scores):
        ids = np.full(size, k % 3, np.uint8)
        kept.offer(f"image {k}", score, np.full((*size, 3), 3 * k, np.uint8), ids, 2 - ids)
    return kept


def names(found):
    return {key: [int(picture.name.split()[1]) for picture in found[key]] for key in found}


def unpacked(png):
    """uint8 (h, w) of an 8-bit PNG whose rows are not filtered: its data, unpacked, without the first byte of a row."""
    place, data = 8, b""
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place:place + 8])
        content = png[place + 8:place + 8 + length]
        if kind == b"IHDR":
            width, height, bits, colours = struct.unpack(">IIBB", content[:10])
        data += content if kind == b"IDAT" else b""
        place += 12 + length
    assert (bits, colours) == (8, 3)
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


def test_worst_and_best_images_are_kept_in_order():
    assert names(offered([0.5, 0.1, 0.9, 0.3, 0.7, 0.2, 0.8]).lists()) == {"worst": [1, 5], "best": [2, 6]}


@pytest.mark.parametrize("seed", range(5))
def test_kept_images_match_sorting_all(seed):
    scores = np.random.default_rng(seed).integers(0, 8, 30) / 8  # many are equal
    order = np.argsort(scores, kind="stable").tolist()
    assert names(offered(scores, 3).lists()) == {"worst": order[:3], "best": order[-3:][::-1]}


def test_few_images_are_shown_once():
    assert names(offered([0.5, 0.1, 0.9]).lists()) == {"worst": [1, 0], "best": [2]}
    assert names(offered([]).lists()) == {"worst": [], "best": []}


def test_image_without_a_score_is_skipped():
    assert names(offered([float("nan"), 0.2, 0.4]).lists()) == {"worst": [1], "best": [2]}


def test_gallery_is_read_back(tmp_path):
    kept = offered([0.5, 0.1, 0.9, 0.3])
    kept.write(tmp_path)
    found = gallery.read_pictures(tmp_path)
    assert found == kept.lists()
    worst = found["worst"][0]
    assert (worst.name, worst.score) == ("image 1", 0.1)
    np.testing.assert_array_equal(gallery.ids(worst.label), np.full((8, 10), 1))
    np.testing.assert_array_equal(gallery.ids(worst.prediction), np.full((8, 10), 1))
    photo = tmp_path / "gallery" / "00-photo.jpg"
    assert np.abs(np.asarray(Image.open(photo)).astype(int) - 3).max() <= 2


def test_gallery_overwrites_nothing(tmp_path):
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery/index.json").write_text("mine")
    with pytest.raises(FileExistsError):
        offered([0.5]).write(tmp_path)
    assert (tmp_path / "gallery/index.json").read_text() == "mine"


@pytest.mark.parametrize(("size", "small"), [((960, 1280), (360, 480)), ((4992, 3328), (480, 320)),
                                             ((40, 60), (40, 60)), ((480, 481), (479, 480)), ((2, 4000), (1, 480))])
def test_images_are_reduced_to_480_px_and_never_enlarged(size, small):
    kept = gallery.Gallery(SPEC, 1)
    kept.offer("a", 0.5, np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8), np.zeros(size, np.uint8))
    picture, = kept.lists()["worst"]
    shown = [np.asarray(Image.open(io.BytesIO(data))) for data in (picture.photo, picture.label, picture.prediction)]
    assert [array.shape[:2] for array in shown] == [small] * 3


def test_reduced_label_holds_ids_without_blending():
    label = np.zeros((960, 4), np.uint8)
    label[480:] = 2
    kept = gallery.Gallery(SPEC, 1)
    kept.offer("tall", 0.5, np.zeros((960, 4, 3), np.uint8), label, label)
    shown = gallery.ids(kept.lists()["worst"][0].label)
    assert shown.shape == (480, 2)
    assert (shown[:240] == 0).all()
    assert (shown[240:] == 2).all()


def test_png_holds_unfiltered_ids_and_their_palette():
    label = np.random.default_rng(0).integers(0, 256, (37, 53), dtype=np.uint8)
    for ids in (label, label % 3):
        png = gallery.id_png(ids, SPEC.palette())
        np.testing.assert_array_equal(unpacked(png), ids)
        np.testing.assert_array_equal(gallery.ids(png), ids)
    colours = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    np.testing.assert_array_equal(colours, np.array([(0, 0, 0), (10, 20, 30), (10, 20, 30)])[label % 3])


def test_missing_gallery_is_none(tmp_path):
    assert gallery.read_pictures(tmp_path) is None


@pytest.mark.parametrize("damage", ["no index", "half an index", "other index", "no photo", "half a label",
                                    "other size", "a photo for a label"])
def test_a_damaged_gallery_is_one_clear_error(tmp_path, damage):
    offered([0.5, 0.1, 0.9, 0.3], size=(40, 50)).write(tmp_path)
    folder = tmp_path / "gallery"
    index, photo, label = folder / "index.json", folder / "00-photo.jpg", folder / "00-label.png"
    if damage == "no index":
        index.unlink()
    elif damage == "half an index":
        index.write_bytes(index.read_bytes()[:40])
    elif damage == "other index":
        index.write_text(json.dumps({"worst": [3], "best": []}))
    elif damage == "no photo":
        photo.unlink()
    elif damage == "half a label":
        label.write_bytes(label.read_bytes()[:-40])
    elif damage == "other size":
        label.write_bytes(gallery.id_png(np.zeros((3, 4), np.uint8), SPEC.palette()))
    else:
        label.write_bytes(photo.read_bytes())
    with pytest.raises(errors.DataError, match=r"gallery|00-"):
        gallery.read_pictures(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["00-label.png", "00-prediction.png", "00-photo.jpg"])
def test_oversized_gallery_picture_is_refused_before_decoding(tmp_path, name):
    offered([0.5, 0.1], size=(40, 50)).write(tmp_path)
    Image.new("L", (12_000, 12_000)).save(tmp_path / "gallery" / name)
    tracemalloc.start()
    try:
        with pytest.raises(errors.DataError, match=rf"{name}: .*12000x12000 pixels"):
            gallery.read_pictures(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["00-label.png", "00-photo.jpg", "index.json"])
def test_gallery_file_with_trailing_megabytes_is_not_read(tmp_path, name):
    offered([0.5, 0.1], size=(40, 50)).write(tmp_path)
    with (tmp_path / "gallery" / name).open("ab") as file:
        file.truncate(gallery.MOST_BYTES + 1)
    with pytest.raises(errors.DataError, match="has more than 4,000,000 bytes"):
        gallery.read_pictures(tmp_path)
