"""The page of `fcn inspect --html`: its numbers, its example pictures, and what it never does."""

import io
import os
import re

import browser
import numpy as np
import pytest
from conftest import save
from page_help import Parsed
from PIL import Image

from fcn.cli import inspect
from fcn.core import errors
from fcn.data.spec import DatasetSpec, Listing, Pair
from fcn.reporting import data_report
from fcn.reporting.survey import ALL_IGNORED, ONE_CLASS, PER_CLASS, Survey

SPEC = DatasetSpec(("sky", "road", "pole"), (255,), ((0, 0, 200), (90, 90, 90), (200, 0, 0)))


def write(root, split, name, label):
    label = np.asarray(label, np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    save(root / split / f"images/{name}.png", np.full((*label.shape, 3), 90, np.uint8))
    save(root / split / f"targets/{name}.png", label)


@pytest.fixture
def scenes(tmp_path):
    """Three training pairs and one validation pair with 16 blocks of pixels: 20 sky, 8 road, 4 pole, 32 ignored."""
    root = tmp_path / "scenes"
    write(root, "train", "a", [[0, 0, 0, 0], [0, 0, 0, 0], [2, 2, 1, 1], [2, 2, 1, 1]])
    write(root, "train", "b<script>alert(1)", [[0] * 4] * 2 + [[255] * 4] * 2)
    write(root, "train", os.fsdecode(b"c\xff"), [[255] * 4] * 4)
    write(root, "val", "d", [[0] * 4] + [[1] * 4] + [[255] * 4] * 2)
    (root / "classes.txt").write_text("sky\nroad\npole\n<b>bus</b>\n")
    return root


def page_of(root, path, *flags, code=0):
    words = [root, "--html", path, *flags]
    assert errors.run_command(inspect.main, [str(word) for word in words]) == code
    return Parsed(path.read_text())


def test_counts_of_each_class_and_split_are_shown(scenes, tmp_path, capsys):
    text = page_of(scenes, tmp_path / "data.html").text
    assert "training 3 pairs validation 1 pairs classes 3 of 4 occur ignored 50.0 % of all pixels" in text
    assert "0 sky 31.2 % 3 33.3 % 25.0 %" in text  # 20 of 64 blocks, in three labels; 16 of 48; 4 of 16
    assert "1 road 12.5 % 2 8.3 % 25.0 %" in text
    assert "2 pole 6.2 % 1 8.3 % none" in text and "1 of 4 classes do not occur <b>bus</b>" in text
    assert "255 id 255 (ignored) 50.0 % 3" in text
    assert "1 class is not in validation, and get no score there: pole" in text
    assert "1 label is ignored entirely" in text and f"1 {ALL_IGNORED} c" in text
    assert f"1 {ONE_CLASS} b<script>alert(1)" in text
    assert "32x32 4 100.0 %" in text and "No file has a problem." in text
    assert f"the page is {tmp_path / 'data.html'}" in capsys.readouterr().out


def test_page_shows_the_command_that_is_printed(scenes, tmp_path, capsys):
    text = page_of(scenes, tmp_path / "data.html", "--ignore-label", "255,2").text
    printed = re.search(r"train on it with\n  (.*)", capsys.readouterr().out)[1]
    assert f"Train on it with {printed}" in text and "--ignore-label 255,2" in printed


def test_names_are_escaped_and_nothing_is_loaded(scenes, tmp_path):
    found = page_of(scenes, tmp_path / "data.html")
    assert found.faults == [] and sum(tag == "script" for tag, _ in found.tags) == 2
    assert "<b>bus" not in (tmp_path / "data.html").read_text() and "<b>bus</b>" in found.text
    for _, attributes in found.tags:
        for key in ("src", "href", "srcset", "data"):
            assert re.match(r"#|data:image/", attributes.get(key) or "#")


def test_problems_are_listed(scenes, tmp_path):
    save(scenes / "val/images/lonely.png", np.zeros((4, 4, 3), np.uint8))
    text = page_of(scenes, tmp_path / "data.html", code=3).text
    assert "1 file cannot be used: see below" in text and "lonely.png: has no label" in text


def test_only_earlier_pages_are_replaced(scenes, tmp_path, capsys):
    page = tmp_path / "data.html"
    page_of(scenes, page)
    before = page.read_bytes()
    page_of(scenes, page)
    assert page.read_bytes() == before
    page.write_text("mine")
    capsys.readouterr()
    for path, words in ((page, "exists already"), (tmp_path / "no/data.html", "no such folder")):
        assert errors.run_command(inspect.main, [str(scenes), "--html", str(path)]) == 2
        said = capsys.readouterr()
        assert words in said.err and not said.out  # before the data set is read
    assert page.read_text() == "mine"


def pair(tmp_path, name):
    return Pair(name, tmp_path / f"{name}.png", tmp_path / f"{name}-label.png")


def surveyed(tmp_path, labels, spec=SPEC, channels=3):
    """A Survey that has taken these labels {name: array}, all of the split training."""
    pairs = {pair(tmp_path, name): label for name, label in labels.items()}
    found = Survey(spec, dict.fromkeys(pairs, "training"))
    for one, label in pairs.items():
        found.take(one, np.full((*label.shape, channels), 90, np.uint8), label)
    return found


def mask_of(thumbnail):
    return np.asarray(Image.open(io.BytesIO(thumbnail.mask)))


@pytest.mark.parametrize("pixels", [(slice(700, 703), slice(1900, 1903)), (slice(0, 1), slice(0, 1)),
                                    (slice(5, 6), slice(None))])
def test_rare_class_is_in_the_middle_of_its_example(tmp_path, pixels):
    label = np.ones((1500, 2000), np.uint8)
    label[pixels] = 2
    [example] = surveyed(tmp_path, {"a": label}).examples(2)
    assert example.share == np.count_nonzero(label == 2) / label.size
    assert mask_of(example).any() and max(example.width, example.height) <= 200
    photo = Image.open(io.BytesIO(example.photo))
    assert photo.size == mask_of(example).shape[::-1] == (example.width, example.height)


def test_example_marks_one_class_with_a_bright_edge(tmp_path):
    label = np.zeros((96, 128), np.uint8)
    label[40:50, 60:70] = 2
    label[40:50, 70:80] = 1
    mask = mask_of(surveyed(tmp_path, {"a": label}).examples(2)[0])
    expected = np.zeros((96, 128), np.uint8)
    expected[40:50, 60:70] = 2  # edge
    expected[41:49, 61:69] = 1  # inside
    np.testing.assert_array_equal(mask, expected)


def test_examples_do_not_depend_on_the_order_of_reading(tmp_path):
    rng = np.random.default_rng(0)
    labels = {f"{number:02}": rng.integers(0, 3, (12, 16), np.uint8) for number in range(30)}
    one, other = surveyed(tmp_path, labels), surveyed(tmp_path, dict(reversed(labels.items())))
    for i in range(3):
        assert len(one.examples(i)) == PER_CLASS and one.examples(i) == other.examples(i)
    assert one.samples("training") == other.samples("training") and one.sizes == other.sizes


def test_large_areas_are_preferred_as_examples(tmp_path):
    small, large = np.zeros((2, 100, 100), np.uint8)
    small[0, 0], large[:50] = 1, 1
    labels = {f"small {number}": small for number in range(20)} | {f"large {number}": large for number in range(4)}
    found = surveyed(tmp_path, labels).examples(1)
    assert {example.name for example in found} == {f"large {number}" for number in range(4)}


@pytest.mark.parametrize("channels", [1, 2, 4, 12])
def test_images_of_any_number_of_channels_are_shown(tmp_path, channels):
    found = surveyed(tmp_path, {"a": np.ones((9, 9), np.uint8)}, channels=channels)
    assert Image.open(io.BytesIO(found.samples("training")[0].photo)).mode == "RGB"


@pytest.mark.slow
def test_page_of_150_classes_is_small(tmp_path):
    spec = DatasetSpec(tuple(f"class {i}" for i in range(150)))
    down, right = np.indices((300, 400))
    photo = np.stack([down % 256, right % 256, (down + right) % 256], axis=2).astype(np.uint8)
    labels = {f"{number:02}": ((down // 30 * 15 + right // 27 + number) % 150).astype(np.uint8) for number in range(2)}
    pairs = {pair(tmp_path, name): label for name, label in labels.items()}
    found = Survey(spec, dict.fromkeys(pairs, "training"))
    for one, label in pairs.items():
        found.take(one, photo, label)
    listings = {"training": Listing(list(pairs)), "validation": Listing([])}
    page = data_report.build_page(found, data_report.Inspection(tmp_path, "", listings, [], [], [], "fcn train"))
    assert Parsed(page).faults == [] and len(page) < 3_000_000
    assert "there are no pairs for validation" in page
    assert page.count('class="example"') == 150


@pytest.mark.slow
@pytest.mark.skipif(browser.chromium() is None, reason="Chromium is neither on PATH nor in CHROME")
@pytest.mark.parametrize("size", [(390, 844), (1280, 800)])
def test_page_fits_its_window_without_messages(scenes, tmp_path, size):
    page_of(scenes, tmp_path / "data.html")
    answer, console = browser.told(tmp_path / "data.html", "return document.documentElement.scrollWidth <= innerWidth",
                                   size)
    assert (answer, console) == ("true", [])
