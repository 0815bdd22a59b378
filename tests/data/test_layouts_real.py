"""Every layout on real pairs: their number, sizes and the pixels of each class, counted again without our readers."""

import collections
import pathlib
import shutil

import numpy as np
import pytest
import scipy.io
from PIL import Image

from fcn.cli import main
from fcn.core import registry
from fcn.data import label_files
from fcn.data.layouts import _auto


def ids(path):
    return np.asarray(Image.open(path))


def red_blue(path):
    """DIVA-HisDB by hand: the blue value, and 255 where red is 128."""
    pixels = np.asarray(Image.open(path))
    label = pixels[:, :, 2].copy()
    label[pixels[:, :, 0] == 128] = 255
    return label


def bright(path):
    return np.asarray(Image.open(path).convert("L")) > 127


def matlab(path):
    return scipy.io.loadmat(path)["groundtruth"]


DATA = {  # layout: folder, where its labels are, how to read one by hand, number of pairs by split
    "ade20k": ("data/ade20k_samples/ADEChallengeData2016", "annotations/*/*.png", ids, (4, 3)),
    "binary_masks": ("data/nails", "labels/*.jpg", bright, (23, 3)),
    "camvid": ("data/camvid", "*/targets/*.png", ids, (367, 101)),
    "clothing_co_parsing": ("data/clothing_co_parsing", "annotations/pixel-level/*.mat", matlab, (108, 12)),
    "nyudv2": ("data/nyudv2", "labels/*.png", ids, (381, 414)),
    "voc": ("data/voc_labelme", "SegmentationClass/*.png", ids, (2, 1)),
}


def by_hand(paths, read):
    """({id: pixels} over all labels, {stem: (height, width)})."""
    pixels, sizes = collections.Counter(), {}
    for path in paths:
        label = read(path)
        found, counts = np.unique(label, return_counts=True)
        pixels.update(dict(zip(found.astype(int).tolist(), counts.tolist(), strict=True)))
        sizes[path.stem] = label.shape
    return dict(pixels), sizes


def by_layout(name, root):
    """The same by the layout's own way, and the number of pairs by split; photos have their labels' size."""
    layout = registry.load("layouts", name)
    spec, pixels, sizes, numbers = layout.spec(root), np.zeros(256, np.int64), {}, []
    for split in ("training", "validation"):
        listing = layout.listing(root, split)
        assert listing.problems == []
        numbers.append(len(listing.pairs))
        for pair in listing.pairs:
            photo, label = label_files.read_pair(pair, spec)
            assert photo.shape == (*label.shape, 3)
            assert registry.load("label_formats", spec.encoding).size(pair.label) == label.shape
            pixels += np.bincount(label.ravel(), minlength=256)
            sizes[pair.name] = label.shape
    return {i: int(n) for i, n in enumerate(pixels) if n}, sizes, tuple(numbers)


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_real_pairs_match_and_hold_the_pixels_counted_by_hand(shared_file, name):
    folder, pattern, read, numbers = DATA[name]
    root = shared_file(folder)
    pixels, sizes, found = by_layout(name, root)
    assert found == numbers
    assert (pixels, sizes) == by_hand(sorted(root.glob(pattern)), read)
    assert _auto.choose(root).layout == name
    spec = registry.load("layouts", name).spec(root)
    assert set(pixels) <= {*range(spec.num_classes), *spec.ignored_ids}


@pytest.mark.slow
def test_real_page_of_diva_holds_the_pixels_counted_by_hand(shared_file, tmp_path):
    page = shared_file("data/diva_hisdb")
    for split in ("train", "val"):
        for kind, pattern in (("data", "*_max.jpg"), ("gt", "*_gt.png")):
            (tmp_path / split / kind).mkdir(parents=True)
            for path in page.glob(pattern):
                (tmp_path / split / kind / path.name).symlink_to(path)
    assert _auto.choose(tmp_path).layout == "diva_hisdb"
    pixels, sizes, numbers = by_layout("diva_hisdb", tmp_path)
    assert numbers == (1, 1) and list(sizes.values()) == [(4992, 3328)]
    assert pixels == by_hand(list(tmp_path.glob("*/gt/*.png")), red_blue)[0]
    assert set(pixels) == {1, 2, 4, 6, 8, 10, 12, 14, 255}


@pytest.mark.slow
def test_real_nails_are_equal_as_a_list(shared_file, tmp_path):
    root = shared_file("data/nails")
    for kind in ("images", "labels"):
        shutil.copytree(root / kind, tmp_path / kind)
    main.main(["csv_list", str(tmp_path)])
    assert _auto.choose(tmp_path).layout == "csv_list"
    assert by_layout("csv_list", tmp_path) == by_layout("binary_masks", root)


@pytest.mark.slow
def test_real_nails_are_equal_through_the_tutorial_list(shared_file, tmp_path):
    root = shared_file("data/nails")
    lines = ["images,train"]
    for i, path in enumerate(sorted((root / "images").iterdir())):
        split = ("valid", "train")[i < 20]
        for kind, source in (("images", path), ("masks", root / "labels" / path.name)):
            (tmp_path / split / kind).mkdir(parents=True, exist_ok=True)
            (tmp_path / split / kind / path.name).symlink_to(source)
        lines.append(f"{path.name},{int(split == 'train')}")
    (tmp_path / "data.csv").write_text("\n".join(lines))
    pixels, sizes, numbers = by_layout("csv_list", tmp_path)
    assert numbers == (20, 6)
    assert (pixels, sizes) == by_layout("binary_masks", root)[:2]


def test_real_ade20k_has_the_built_in_classes(shared_file):
    ade20k = registry.load("layouts", "ade20k")
    spec = ade20k.spec(shared_file("data/ade20k_samples/ADEChallengeData2016"))
    assert spec.class_names == ade20k.spec(pathlib.Path("without objectInfo")).class_names


def test_real_label_list_has_the_built_in_classes(shared_file):
    layout = registry.load("layouts", "clothing_co_parsing")
    root = shared_file("data/clothing_co_parsing")
    names = [str(text[0]) for text in scipy.io.loadmat(root / "label_list.mat")["label_list"].ravel()]
    assert layout.spec(root).class_names == layout.NAMES == tuple(names)


def test_real_full_ade20k_pair_is_the_benchmarks_when_resized(shared_file, tmp_path):
    folder = shared_file("data/ade20k_samples/convert_fixture")
    scene = tmp_path / "images/training/a/somewhere"
    scene.mkdir(parents=True)
    (scene / "ADE_train_00000970_seg.png").symlink_to(folder / "ADE_train_00000970_raw.png")
    Image.open(folder / "ADE_train_00000970_raw.png").save(scene / "ADE_train_00000970.jpg")  # for want of the photo
    layout = registry.load("layouts", _auto.choose(tmp_path).layout)
    (pair,) = layout.listing(tmp_path, "training").pairs
    challenge = ids(folder / "ADE_train_00000970_challenge.png")
    _, label = label_files.read_pair(pair, layout.spec(tmp_path), size_px=challenge.shape)
    np.testing.assert_array_equal(label, challenge)
