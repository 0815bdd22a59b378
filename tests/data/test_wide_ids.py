"""Data sets of more than 256 classes: labels are uint16 in caches, batches and files, and 255 is a class."""

import dataclasses

import numpy as np
import pytest
from conftest import save
from PIL import Image

from fcn.core import errors
from fcn.data import augment, class_weights, label_files, label_policy, render
from fcn.data.batch_loader import Sampling, training_batch
from fcn.data.cache import cache
from fcn.data.label_formats import ids, mat_groundtruth
from fcn.data.layouts import paired
from fcn.data.spec import DatasetSpec, Pair
from fcn.metrics import confusion, protocols
from fcn.reporting import gallery
from fcn.reporting.sections import images as images_section

WIDE = DatasetSpec(tuple(f"c{i}" for i in range(300)), (65535,))
SOME = np.array([0, 1, 255, 256, 299, 65535], np.uint16)


def coded(label):
    """An image that holds the label: red is its high byte, green its low byte."""
    return np.dstack([label >> 8, label & 255, label * 0]).astype(np.uint8)


@pytest.fixture
def data(tmp_path):
    """Three pairs of 8 x 12 pixels with the ids of SOME."""
    rng = np.random.default_rng(0)
    labels = [rng.choice(SOME, (8, 12)) for _ in range(3)]
    return [Pair(name, save(tmp_path / f"images/{name}.png", coded(label)),
                 save(tmp_path / f"labels/{name}.png", label)) for name, label in zip("abc", labels, strict=True)]


@pytest.mark.parametrize(("classes", "ignored", "dtype"), [
    (0, (), np.uint8), (256, (255,), np.uint8), (257, (), np.uint16), (3, (256,), np.uint16), (3, (255,), np.uint8)])
def test_ids_have_16_bits_only_where_an_id_needs_them(classes, ignored, dtype):
    spec = DatasetSpec(tuple(map(str, range(classes))), ignored)
    assert spec.id_dtype == dtype and spec.num_ids == (256 if dtype == np.uint8 else 65536)


@pytest.mark.parametrize(("names", "ignored"), [(3, 255), (256, 255), (257, 65535)])
def test_65535_is_ignored_where_255_is_a_class(tmp_path, names, ignored):
    (tmp_path / "classes.txt").write_text("".join(f"c{i}\n" for i in range(names)))
    assert paired.spec(tmp_path).ignored_ids == (ignored,)


@pytest.mark.parametrize("size_px", [None, (8, 12), (4, 6)])
def test_a_cache_holds_16_bits(data, tmp_path, size_px):
    made = cache.prepare(data, WIDE, size_px, tmp_path / "c", "t")
    for i, pair in enumerate(data):
        image, label = label_files.read_pair(pair, WIDE, size_px)
        assert made.label(i).dtype == label.dtype == np.uint16
        if size_px != (4, 6):
            np.testing.assert_array_equal(label, np.asarray(Image.open(pair.label)))
        np.testing.assert_array_equal(made.label(i), label)
        np.testing.assert_array_equal(made.image(i), image)
    total = np.bincount(np.concatenate([made.label(i).ravel() for i in range(3)]), minlength=65536)
    np.testing.assert_array_equal(made.class_pixels, total)
    assert cache.verify(made) == []


def test_a_stopped_build_is_resumed(data, tmp_path):
    def stop(done, _):
        if done == 2:
            raise KeyboardInterrupt
    whole = cache.prepare(data, WIDE, None, tmp_path / "whole", "t").path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        cache.prepare(data, WIDE, None, tmp_path / "c", "t", cache.BuildOptions(progress=stop))
    begun = []
    made = cache.prepare(data, WIDE, None, tmp_path / "c", "t",
                         cache.BuildOptions(progress=lambda _, before: begun.append(before)))
    assert begun == [2] and made.path.read_bytes() == whole


def test_a_damaged_row_of_a_cache_is_found(data, tmp_path):
    path = cache.prepare(data, WIDE, (8, 12), tmp_path / "c", "t").path
    content = bytearray(path.read_bytes())
    content[cache.open_cache(path)._offsets[1][2] + 8 * 12 * 2 - 1] ^= 1  # the last byte of the last label
    path.write_bytes(content)
    made = cache.open_cache(path)
    assert made.label(1).shape == (8, 12)
    with pytest.raises(errors.DataError, match="label of row 2"):
        made.label(2)


def test_a_sample_is_moved_and_padded_without_loss(data, tmp_path):
    made = cache.prepare(data, WIDE, None, tmp_path / "c", "t")
    sampling = Sampling(4, 0, (10, 10), ("hflip", "vflip", "turn"), fill_rgb=(255, 255, 0), padding_id=65535)
    images, labels = training_batch(made, 0, sampling)
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(images[..., 0].astype(int) << 8 | images[..., 1], labels)


def test_scaling_a_sample_makes_no_new_ids(data, tmp_path):
    made = cache.prepare(data, WIDE, None, tmp_path / "c", "t")
    scaled = augment.Augmentation(("scale",), 3, padding_id=7)
    _, label = augment.sample(made.image(0), made.label(0), (8, 8), scaled, 1)
    assert set(np.unique(label).tolist()) <= {*SOME.tolist(), 7}


def test_padding_is_never_a_class():
    unignored = dataclasses.replace(WIDE, ignored_ids=())
    assert label_policy.make(WIDE, False, True).padding_id == 65535
    policy = label_policy.make(unignored, False, True)
    assert (policy.padding_id, policy.ignored_in_loss, policy.id_dtype(300)) == (65535, (65535,), np.uint16)
    assert label_policy.of_net((), 256).padding_id == 255


def test_unnamed_ids_of_16_bits_are_refused_with_a_way_out(data, tmp_path):
    with pytest.raises(errors.DataError, match="contains the id 65535, expected 0 to 255 without") as problem:
        cache.prepare(data, DatasetSpec((), (255,)), None, tmp_path / "c", "t")
    assert "fcn inspect" in str(problem.value)


def test_ids_beyond_the_classes_are_refused(data):
    with pytest.raises(errors.DataError, match="label id 299 is out of range; classes are 0 to 298"):
        label_files.read_pair(data[0], dataclasses.replace(WIDE, class_names=WIDE.class_names[:299]))


@pytest.mark.parametrize("module", [ids, mat_groundtruth])
def test_labels_of_16_bits_are_written_and_read(tmp_path, module):
    module.write(tmp_path / "a", SOME[None], WIDE)
    found = module.read(tmp_path / "a", WIDE)
    np.testing.assert_array_equal(found, SOME[None])
    assert found.dtype == np.uint16


def test_weights_of_classes_above_255_by_hand():
    labels = np.array([[[299, 299], [299, 0]]], np.uint16)  # 4 pixels, 2 classes: 4 / (2 * 3) and 4 / (2 * 1)
    training = type("Cache", (), {"class_pixels": np.bincount(labels.ravel(), minlength=65536), "__len__": lambda _: 1,
                                  "label": lambda _, i: labels[i]})()
    for how in ("inverse", "median"):
        found = class_weights.resolve(how, training, WIDE.class_names, 300,
                                      label_policy.of_net((65535,), 300))
        assert found[299] / found[0] == pytest.approx(1 / 3) and set(found[1:299]) == {1.0}


def test_a_confusion_matrix_of_300_classes_is_stored(tmp_path):
    rng = np.random.default_rng(0)
    label, predicted = rng.choice(SOME, 500), rng.choice(SOME[:5], 500)
    counting = confusion.Counting(300)
    found, expected = counting.add("a", label, predicted), np.zeros((300, 300), int)
    for i, j in zip(label.tolist(), predicted.tolist(), strict=True):
        if i < 300:
            expected[i, j] += 1
    np.testing.assert_array_equal(found, expected)
    counting.done().save(tmp_path / "confusion.npz")
    np.testing.assert_array_equal(confusion.load(tmp_path / "confusion.npz").total(), expected)
    protocols.check(300, (65535,))


def test_ignored_ids_are_black_and_classes_have_their_own_colour():
    found = render.colour(SOME[None], WIDE.palette())[0].tolist()
    assert found[-1] == [0, 0, 0] and len({tuple(colour) for colour in found}) == len(SOME)


def shown(label):
    """(ids of a picture in report.html, table of its ids) of a label."""
    kept = gallery.Gallery(WIDE)
    kept.offer("a", 0.5, coded(label), label, label)
    stored = gallery.ids(kept.lists()["worst"][0].label)
    np.testing.assert_array_equal(stored, label)
    index, _, table, palette = images_section._indexed(stored, stored, WIDE)
    assert index.dtype == np.uint8 and len(table) == len(palette) <= 256
    return np.array(table)[index], table


def test_pictures_of_a_report_hold_ids_of_16_bits():
    found, table = shown(SOME.reshape(2, 3))
    np.testing.assert_array_equal(found, SOME.reshape(2, 3))
    assert table == SOME.tolist()


def test_ids_beyond_256_in_a_picture_are_called_rare():
    label = np.concatenate([np.arange(290), np.arange(60, 290)]).astype(np.uint16).reshape(2, -1)  # 0 to 59 occur once
    found, _ = shown(label)
    assert set(found[found != label].tolist()) == {images_section.RARE}
    assert len(np.unique(found)) == 256
