"""Images of other channels than RGB: read, resized, checked, cached, augmented and shown, each channel by itself."""

import dataclasses

import numpy as np
import pytest
import tifffile
from conftest import save
from PIL import Image

from fcn.config.training_config import Config
from fcn.core import errors
from fcn.data import augment, batch_loader, file_checks, images, label_files, npy, render
from fcn.data.cache import cache
from fcn.data.cache.cache import BuildOptions, Stamps
from fcn.data.spec import DatasetSpec, Pair
from fcn.training import setup

RNG = np.random.default_rng(0)
BANDS = RNG.integers(0, 256, (6, 8, 12), np.uint8)
FOUR = DatasetSpec(("a", "b"), (255,), channels=4)


def tif(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="minisblack", planarconfig="contig")
    return path


def read(path, channels, **options):
    return images.read_image(path, channels=channels, **options)


def test_alpha_is_the_fourth_band_and_not_blended(tmp_path):
    path = save(tmp_path / "a.png", BANDS[..., :4])
    np.testing.assert_array_equal(read(path, 4), BANDS[..., :4])
    assert (read(path, 3) != BANDS[..., :3]).any()  # blended with white
    half = read(path, 4, size_px=(3, 4))
    expected = [np.asarray(Image.fromarray(BANDS[..., i]).resize((4, 3), Image.Resampling.BILINEAR)) for i in range(4)]
    np.testing.assert_array_equal(half, np.dstack(expected))


def test_files_of_any_number_of_bands(tmp_path):
    np.testing.assert_array_equal(read(tif(tmp_path / "a.tif", BANDS), 12), BANDS)
    np.save(tmp_path / "a.npy", BANDS[..., :5])
    np.testing.assert_array_equal(read(tmp_path / "a.npy", 5), BANDS[..., :5])
    grey_alpha = save(tmp_path / "la.png", Image.fromarray(BANDS[..., :2], "LA"))
    np.testing.assert_array_equal(read(grey_alpha, 2), BANDS[..., :2])


@pytest.mark.parametrize("name", ["g.png", "g.jpg", "g.tif", "g.npy"])
def test_grey_files_have_one_channel_or_are_repeated(tmp_path, name):
    if name.endswith("npy"):
        np.save(tmp_path / name, BANDS[..., 0])
    else:
        save(tmp_path / name, BANDS[..., 0])
    grey, rgb = read(tmp_path / name, 1), read(tmp_path / name, 3)
    assert grey.shape == (6, 8, 1) and (rgb == grey).all() and rgb.shape == (6, 8, 3)
    if not name.endswith("jpg"):
        np.testing.assert_array_equal(grey[..., 0], BANDS[..., 0])


def test_sixteen_bits_are_scaled_and_small_values_warned(tmp_path):
    path = tif(tmp_path / "a.tif", BANDS.astype(np.uint16) * 16 + 15)
    np.testing.assert_array_equal(read(path, 12), BANDS // 16)
    said = file_checks.lines(file_checks.kinds_of([path], 12))
    assert said[0].startswith("converted: 16-bit image scaled to 8 bits") and len(said) == 2
    assert f"is {int(BANDS.max()) * 16 + 15:,} of 65,535" in said[1] and "multiply their values by 16" in said[1]


@pytest.mark.parametrize("bands, channels, words", [
    (12, 3, ["has 12 bands, expected 3", "--channels 12"]), (4, 3, ["has 4 bands, expected 3", "--channels 4"]),
    (3, 12, ["has 3 bands, expected 12", "--channels 3"]), (3, 1, ["has 3 bands, expected 1", "--channels 3"]),
    (1, 4, ["has 1 band, expected 4", "--channels 1"])])
def test_other_number_of_bands_is_one_message(tmp_path, bands, channels, words):
    path = tif(tmp_path / "a.tif", BANDS[..., :bands] if bands > 1 else BANDS[..., 0])
    for reading in (read, lambda path, channels: images.image_header(path, channels=channels)):
        with pytest.raises(errors.DataError) as error:
            reading(path, channels)
        assert words[0] in error.value.what and words[1] in error.value.fix


@pytest.mark.parametrize("picture", ["RGB", "RGBA", "L"])
def test_png_of_other_bands_is_refused(tmp_path, picture):
    path, bands = save(tmp_path / "a.png", Image.fromarray(BANDS[..., :3]).convert(picture)), len(picture)
    for channels in {1, 2, 4, 12} - {bands}:
        with pytest.raises(errors.DataError, match=f"has {bands} bands?, expected {channels}"):
            read(path, channels)


def test_array_of_the_other_byte_order_is_read(tmp_path):
    np.save(tmp_path / "a.npy", BANDS[..., :1].astype(">u2") * 256)
    assert npy.read(tmp_path / "a.npy").dtype.isnative and npy.read(tmp_path / "a.npy").shape == (6, 8)
    np.testing.assert_array_equal(read(tmp_path / "a.npy", 1), BANDS[..., :1])


def test_array_files_are_checked_by_header(tmp_path):
    for array, words in ((BANDS.astype(np.float64), "of float64, expected"), (BANDS[0, 0], r"array \(12,\) of uint8"),
                         (np.zeros((0, 4), np.uint8), "of uint8"), (np.array([{}]), "a pickle")):
        np.save(tmp_path / "a.npy", array, allow_pickle=True)
        with pytest.raises(errors.DataError, match=words):
            npy.header(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", BANDS)
    with pytest.raises(errors.DataError, match="6x8 pixels of 12 bands are more than the limit of 143"):
        npy.read(tmp_path / "a.npy", 143)
    np.savez(tmp_path / "b.npz", BANDS)
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    with pytest.raises(errors.DataError):
        npy.read(tmp_path / "b.npy")


@pytest.fixture
def pairs(tmp_path):
    """Two pairs of four bands, of 6 x 8 and 4 x 6 pixels."""
    return [Pair(str(i), save(tmp_path / f"images/{i}.png", RNG.integers(0, 256, (*size, 4), np.uint8)),
                 save(tmp_path / f"labels/{i}.png", RNG.integers(0, 2, size, np.uint8)))
            for i, size in enumerate([(6, 8), (4, 6)])]


@pytest.mark.parametrize("size_px", [None, (4, 4)])
def test_cache_holds_all_channels(pairs, tmp_path, size_px):
    made = cache.prepare(pairs, FOUR, size_px, tmp_path / "c", "four")
    assert made.channels == 4 and not cache.verify(made)
    for i, pair in enumerate(pairs):
        np.testing.assert_array_equal(made.image(i), label_files.read_pair(pair, FOUR, size_px)[0])
        np.testing.assert_array_equal(made.label(i), label_files.read_pair(pair, FOUR, size_px)[1])
    assert cache.prepare(pairs, FOUR, size_px, tmp_path / "c", "four").path == made.path
    rgb = cache.prepare(pairs, dataclasses.replace(FOUR, channels=3), size_px, tmp_path / "c", "four")
    assert rgb.path != made.path and rgb.channels == 3 and rgb.image(0).shape[2] == 3


def test_interrupted_cache_of_four_channels_is_resumed(pairs, tmp_path):
    def stop(done, begun_with):
        counted.append((done, begun_with))
        if not begun_with:
            raise KeyboardInterrupt

    counted: list = []
    with pytest.raises(KeyboardInterrupt):
        cache.prepare(pairs, FOUR, None, tmp_path / "c", "four", BuildOptions(progress=stop))
    made = cache.prepare(pairs, FOUR, None, tmp_path / "c", "four", BuildOptions(progress=stop))
    assert counted == [(1, 0), (2, 1)] and made.image(0).shape == (6, 8, 4) and not cache.verify(made)


def test_fingerprint_names_only_other_channels(pairs):
    three, stamps = dataclasses.replace(FOUR, channels=3), Stamps()
    assert "channels" not in cache._options(three, None) and cache._options(FOUR, None)["channels"] == 4
    assert cache.fingerprint(pairs, three, None, stamps) != cache.fingerprint(pairs, FOUR, None, stamps)


def test_samples_keep_and_fill_each_channel(pairs, tmp_path):
    made = cache.prepare(pairs, FOUR, None, tmp_path / "c", "four")
    names = ("scale", "turn", "hflip", "vflip", "brightness", "gamma")
    sampling = batch_loader.Sampling(4, 0, (9, 9), names, fill_rgb=(1, 2, 3, 4))
    photos, _ = batch_loader.training_batch(made, 0, sampling)
    assert photos.shape == (4, 9, 9, 4) and photos.dtype == np.uint8
    photo, label = augment.sample(made.image(0), made.label(0), (9, 9), augment.Augmentation(fill_rgb=(1, 2, 3, 4)), 0)
    assert (photo[label == 255] == (1, 2, 3, 4)).all() and (label == 255).sum() == 81 - 48


def test_brightness_changes_every_channel_alike():
    augmentation = augment.Augmentation(("brightness",), seed=1)
    photo, _ = augment.sample(np.full((4, 4, 5), 100, np.uint8), np.zeros((4, 4), np.uint8), None, augmentation, 3)
    assert len(set(photo.ravel().tolist())) == 1 and photo[0, 0, 0] != 100


def test_hue_needs_rgb():
    with pytest.raises(errors.UsageError, match="--augment hue needs RGB images, these have --channels 4") as error:
        Config.create(channels=4, augment="hflip,hue")
    assert error.value.fix == "give --augment hflip."
    assert Config.create(channels=3, augment="hflip,hue").augment == ("hflip", "hue")


def test_mean_has_a_number_for_each_channel():
    with pytest.raises(errors.UsageError, match="--mean-rgb has 3 numbers, images have --channels 4"):
        Config.create(channels=4, mean_rgb="1,2,3")
    assert Config.create(channels=4, mean_rgb="1,2,3,4").mean_rgb == (1, 2, 3, 4)


def test_means_of_further_channels_are_of_the_training(pairs, tmp_path):
    made, mean = cache.prepare(pairs, FOUR, None, tmp_path / "c", "four"), (100.0, 110.0, 120.0)
    expected = np.mean([made.image(i)[..., 3].mean() for i in range(2)])
    assert setup.means(Config(channels=4), mean, made) == [*mean, pytest.approx(expected, abs=1e-3)]
    assert setup.means(Config(channels=4, mean_rgb=(1, 2, 3, 4)), mean, made) == [1, 2, 3, 4]
    assert setup.means(Config(channels=1), mean, made) == [110]
    assert setup.means(Config(), mean, made) == list(mean)


def test_weights_of_other_images_are_refused():
    weights = setup.Weights({}, np.zeros(4, np.float32), ())
    setup.check_channels(Config(channels=4, weights="x"), weights)
    with pytest.raises(errors.UsageError, match="is a net for images of 4 channels, these have 12"):
        setup.check_channels(Config(channels=12, weights="x"), weights)


@pytest.mark.parametrize("channels, shown", [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (12, [0, 1, 2])])
def test_pictures_show_the_first_bands(channels, shown):
    photo = BANDS[..., :channels]
    np.testing.assert_array_equal(images.as_rgb(photo), BANDS[..., shown])
    label = np.zeros((1, 6, 8), np.uint8)
    np.testing.assert_array_equal(render.batch_panel(photo[None], label, FOUR)[:6, :8], BANDS[..., shown])
