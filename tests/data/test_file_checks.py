"""Every bad file of a data set is named at once, by its header, before anything is decoded."""

import numpy as np
import odd_files
import pytest
from conftest import save
from PIL import Image, ImageFile

from fcn.core import errors
from fcn.core.errors import Problem
from fcn.data import file_checks, images, label_files
from fcn.data.spec import DatasetSpec, Pair

SPEC = DatasetSpec()


@pytest.fixture
def pair(tmp_path):
    """pair(name, photo): a Pair of a photo, bytes or a path, and a label of its size or the given one."""
    def write(name, photo=odd_files.PLAIN, label_size=odd_files.SIZE):
        if isinstance(photo, bytes):
            content, photo = photo, tmp_path / name
            photo.write_bytes(content)
        return Pair(name, photo, save(tmp_path / f"labels/{name}.png", np.zeros(label_size, np.uint8)))
    return write


@pytest.mark.parametrize("name", odd_files.READ)
def test_unusual_photo_is_accepted_and_its_conversion_counted(pair, name):
    content, kinds = odd_files.READ[name]
    both = pair(name, content)
    report = file_checks.check_files([both], SPEC)
    assert report.good == [both] and report.sizes == [odd_files.SIZE] and not report.problems
    assert report.kinds == {f"converted: {kind}": [both.image] for kind in kinds}
    assert file_checks.kinds_of([both.image]) == report.kinds  # prediction says what training says


@pytest.mark.parametrize("name", odd_files.REFUSED)
def test_bad_photo_is_a_problem_with_reason_and_fix(pair, name):
    content, said = odd_files.REFUSED[name]
    bad = pair(name, content)
    report = file_checks.check_files([bad], SPEC)
    [problem] = report.problems
    assert problem.path == bad.image and said in str(problem) and problem.fix
    assert not report.good and not report.sizes and not report.kinds
    assert file_checks.kinds_of([bad.image]) == {}


def test_special_file_is_a_problem_and_not_waited_for(pair, tmp_path):
    special = odd_files.special(tmp_path)
    report = file_checks.check_files([pair(name, path) for name, (path, _) in special.items()], SPEC)
    assert [problem.path for problem in report.problems] == [path for path, _ in special.values()]
    for problem, (_, said) in zip(report.problems, special.values(), strict=True):
        assert said in problem.reason


@pytest.mark.parametrize(("orientation", "label_size"), odd_files.ORIENTED)
def test_sizes_are_those_after_reading(pair, orientation, label_size):
    turned = odd_files.ORIENTED[orientation, label_size]
    content = odd_files.encoded(odd_files.NOISE, "PNG", exif=odd_files.exif(orientation))
    both = pair("a.jpg", content, label_size)
    report = file_checks.check_files([both], SPEC)
    if turned is None:
        [problem] = report.problems
        assert problem.path == both.label and "its image is 48x64" in problem.reason
        return
    assert report.sizes == [label_size] == [label_files.read_pair(both, SPEC)[1].shape]
    assert (file_checks.TURNED_BY_LABEL in report.kinds) == turned
    assert (file_checks.LEFT_ALONE in report.kinds) == (orientation in (2, 3, 4))
    assert (file_checks.TURNED in file_checks.kinds_of([both.image])) == (orientation > 1)  # photos alone are turned


@pytest.mark.parametrize(("orientation", "warned"), [(1, False), (3, True), (6, True), (8, True)])
def test_square_photo_with_exif_orientation_is_only_warned_of(pair, orientation, warned):
    square = odd_files.encoded(odd_files.NOISE[:48, :48], exif=odd_files.exif(orientation))
    both = [pair("a.jpg", square, (48, 48)), pair("b.jpg", square, (48, 48))]
    report = file_checks.check_files(both, SPEC)
    assert report.kinds == ({file_checks.LEFT_ALONE: [one.image for one in both]} if warned else {})
    assert report.sizes == 2 * [(48, 48)]


LABELS = {
    "a JPEG": (odd_files.encoded(odd_files.NOISE[..., 0]), "has the format JPEG, expected PNG or BMP"),
    "of another size": (odd_files.encoded(np.zeros((9, 7), np.uint8), "PNG"), "is 9x7, its image is 48x64"),
    "empty": (b"", "is not an image but empty (0 bytes)"),
    "a lie": (odd_files.REFUSED["a lie.png"][0], "--max-pixels"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_bad_label_is_a_problem_with_reason_and_fix(pair, kind):
    content, said = LABELS[kind]
    bad = pair("a.jpg")
    bad.label.write_bytes(content)
    [problem] = file_checks.check_files([bad], SPEC).problems
    assert problem.path == bad.label and said in str(problem) and problem.fix


def test_photo_and_label_of_a_pair_are_both_named(pair):
    bad = pair("a.jpg", b"")
    bad.label.write_bytes(b"")
    assert [problem.path for problem in file_checks.check_files([bad], SPEC).problems] == [bad.image, bad.label]


def test_header_check_decodes_nothing(pair, monkeypatch):
    found = [pair(name, content) for name, (content, _) in odd_files.READ.items()]

    def load(image):
        raise AssertionError("decoded")
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert len(file_checks.check_files(found, SPEC).good) == len(found)


def test_note_counts_the_photos_and_names_the_first(pair):
    grey, alpha = odd_files.READ["grey.jpg"][0], odd_files.READ["alpha.png"][0]
    found = [pair("a.jpg"), pair("b.jpg", grey), pair("c.png", alpha), pair("d.jpg", grey)]
    assert file_checks.lines(file_checks.check_files(found, SPEC).kinds) == [
        f"converted: grey image repeated to RGB: 2 images, the first {found[1].image}",
        f"converted: transparent pixels blended with white: 1 image, the first {found[2].image}"]
    assert file_checks.lines({}) == []


def sixteen_bits(folder, largest, channels=1, name="a.png"):
    """A photo of 16 bits, of one row from 0 to `largest`; of 4 channels the last is an opaque alpha."""
    row = np.linspace(0, largest, 64).astype(">u2")
    values = row[:, None].repeat(channels, 1)
    values[:, 3:] = 65535
    content = odd_files.png(64, 1, 16, {1: 0, 3: 2, 4: 6}[channels], b"\0" + values.tobytes())
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("largest", "factor"), [(1023, 64), (4095, 16), (16383, 4), (16384, None), (65535, None)])
def test_dark_16_bit_photos_are_warned_of_and_the_factor_works(tmp_path, largest, factor, channels):
    path = sixteen_bits(tmp_path, largest, channels)
    said = [line for line in file_checks.lines(file_checks.kinds_of([path])) if line.startswith("warned")]
    assert len(said) == (factor is not None)
    if factor:
        assert str(path) in said[0] and f"{largest:,} of 65,535" in said[0] and f"by {factor} and" in said[0]
        assert f"becomes {images.read_image(path).max()} of 255" in said[0]
        mended = file_checks.lines(file_checks.kinds_of([sixteen_bits(tmp_path, largest * factor, channels)]))
        assert not any(line.startswith("warned") for line in mended) and images.read_image(path).max() >= 250


def test_some_of_many_16_bit_photos_are_decoded(tmp_path, monkeypatch):
    paths = [sixteen_bits(tmp_path, 4095, name=f"{i:02}.png") for i in range(90)]
    paths[0].write_bytes(paths[0].read_bytes()[:50])
    decoded, largest = [], images.largest_value

    def watched(path, max_pixels):
        decoded.append(path)
        return largest(path, max_pixels)
    monkeypatch.setattr(images, "largest_value", watched)
    assert "of 18 checked" in file_checks.lines({f"converted: {images.SIXTEEN_TO_EIGHT}": paths})[-1]
    assert decoded == paths[::5]


def test_black_16_bit_photo_is_not_warned_of(tmp_path):
    assert len(file_checks.lines(file_checks.kinds_of([sixteen_bits(tmp_path, 0)]))) == 2


def test_many_pairs_keep_order_and_bad_ones_are_listed(pair):
    bad, wide = pair("bad", b""), pair("wide", odd_files.encoded(odd_files.NOISE[:8]), (8, 64))
    plain, done = pair("plain"), []
    found = [bad if i % 7 == 3 else wide if i % 2 else plain for i in range(3 * file_checks.AT_ONCE + 5)]
    report = file_checks.check_files(found, SPEC, progress=done.append)
    assert report.good == [one for one in found if one is not bad]
    assert report.sizes == [(8, 64) if one is wide else odd_files.SIZE for one in report.good]
    assert len(report.problems) == found.count(bad) and done == list(range(1, len(found) + 1))


def test_empty_list_has_no_problems():
    assert file_checks.check_files([], SPEC) == file_checks.FileReport([], [], [], {})


def test_pixel_limit_is_the_given_one(pair):
    both = pair("a.jpg")
    assert file_checks.check_files([both], SPEC, max_pixels=48 * 64).good == [both]
    assert len(file_checks.check_files([both], SPEC, max_pixels=48 * 64 - 1).problems) == 2


def test_refusal_lists_the_first_problems_and_counts_the_rest(tmp_path):
    problems = [Problem(tmp_path / f"{i}.jpg", f"has {i} bytes", "download it again") for i in range(23)]
    with pytest.raises(errors.DataError) as refusal:
        file_checks.refuse(problems, 400)
    text = str(refusal.value)
    assert text.startswith("23 problems in 400 pairs") and "--skip-bad" in refusal.value.fix
    assert str(problems[19]) in text and str(problems[20].path) not in text and "and 3 more" in text


def test_real_dataset_passes_with_the_sizes_of_its_pixels(shared_file):
    folder = shared_file("data/camvid/val")
    labels = sorted((folder / "targets").iterdir())
    found = [Pair(path.stem, folder / f"images/{path.stem}.jpg", path) for path in labels]
    report = file_checks.check_files(found, SPEC)
    assert report.good == found and not report.problems and not report.kinds
    assert images.read_image(found[0].image).shape[:2] == report.sizes[0]
    with Image.open(found[0].label) as label:
        assert label.size[::-1] == report.sizes[0]
