"""A cache in several files: the same images as in one file, built and opened file by file."""

import numpy as np
import pytest

from fcn.config.training_config import Config
from fcn.core import errors
from fcn.data import dataset
from fcn.data.cache import cache, shards


def settings(root, tmp_path, count):
    return Config(data=str(root), layout="ade20k", size=(24, 32), cache_dir=str(tmp_path / "cache"), cache_shards=count)


def prepared(root, tmp_path, count):
    asked = settings(root, tmp_path, count)
    return dataset.prepare_caches(asked, dataset.find_data(asked))


def test_shards_hold_the_pixels_of_every_pair_once(tiny_ade, tmp_path):
    spec, one, validation = prepared(tiny_ade, tmp_path, 1)
    same, several, same_validation = prepared(tiny_ade, tmp_path, 4)  # of 6 pairs: 2, 2, 1 and 1
    assert several.sizes == (2, 2, 1, 1) and len(several) == len(one) == 6
    assert several.names == [one.names[i] for i in (0, 4, 1, 5, 2, 3)]
    for i, name in enumerate(several.names):
        own = one.names.index(name)
        np.testing.assert_array_equal(several.image(i), one.image(own))
        np.testing.assert_array_equal(several.label(i), one.label(own))
    np.testing.assert_array_equal(several.class_pixels, one.class_pixels)
    assert same == spec and same_validation.path == validation.path and several.uniform
    assert several.digest != one.digest


def test_each_shard_is_a_cache_of_its_own(tiny_ade, tmp_path):
    prepared(tiny_ade, tmp_path, 3)
    names = sorted(path.name.rpartition("-24x32")[0] for path in (tmp_path / "cache").glob("*.h5"))
    assert names == ["ade20k-training-1of3", "ade20k-training-2of3", "ade20k-training-3of3", "ade20k-validation"]


def test_workers_build_their_own_shards_only(tiny_ade, tmp_path):
    asked = settings(tiny_ade, tmp_path, 3)
    data = dataset.find_data(asked)
    built = list(dataset.prepared(asked, data, "training", wanted=lambda number: number == 1))
    assert [number for number, _ in built] == [1] and len(list((tmp_path / "cache").glob("*.h5"))) == 1
    before = built[0][1].path.stat().st_mtime_ns
    assert dataset.prepare_caches(asked, data)[1].parts[1].path.stat().st_mtime_ns == before


def test_a_damaged_shard_is_named(tiny_ade, tmp_path):
    _, several, _ = prepared(tiny_ade, tmp_path, 2)
    content = bytearray(several.parts[1].path.read_bytes())
    content[int(several.parts[1]._offsets[0][0])] ^= 1
    several.parts[1].path.write_bytes(content)
    again = shards.Shards([cache.open_cache(part.path) for part in several.parts])
    with pytest.raises(Exception, match=r"2of2.*is damaged: image of row 0"):
        again.image(3)
    assert again.image(0).shape == (24, 32, 3)


@pytest.mark.parametrize("count", [7, 1000])
def test_more_shards_than_images_are_refused(tiny_ade, tmp_path, count):
    with pytest.raises(errors.UsageError, match=f"--cache-shards {count}: there are 6 training images"):
        dataset.find_data(settings(tiny_ade, tmp_path, count))
