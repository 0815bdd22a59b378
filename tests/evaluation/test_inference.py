"""Windows give what the whole image gives; scales, mirrored images, strips and memory by hand and by other means."""

import dataclasses
import itertools
import tracemalloc
import types

import numpy as np
import pytest
from nets_help import THIN16, fresh, put, randomise, start
from PIL import Image
from scipy.special import softmax

from fcn.core import errors, machine
from fcn.evaluation import inference, tiling
from fcn.evaluation.inference import InferenceConfig, Predictor
from fcn.models import components, graph_builder
from fcn.models.architecture import Architecture

# One convolution a stage: a margin of 186 px where a VGG-16 has 245.
SHORT = {"conv1_1": 3, "conv2_1": 3, "conv3_1": 4, "conv4_1": 5, "conv5_1": 4, "fc6": 6, "fc7": 5}
CLASSES = 4


class Net:
    """A net of random weights in a session, and its whole-image results."""

    def __init__(self, session, net, channels, alignment):
        architecture = Architecture(net, CLASSES, channels, (128, 128, 128), {"alignment": alignment})
        self.session, self.margin = session, components.margin(architecture)
        self.graph = graph_builder.build(architecture)
        start(session)
        randomise(session, seed=1)
        self.photo = np.random.default_rng(2).integers(0, 256, (1045, 1101, 3), np.uint8)

    def logits(self, photo):
        return self.session.run(self.graph.logits, {self.graph.images: photo[None]})[0]

    def predictor(self, plan, excluded_ids=((),), **options):
        return Predictor(self.session, self.graph, plan, excluded_ids, **options)

    def merged(self, plan, photo):
        """float32 (h, w, C): merged scores at scale 1, and the ids."""
        predictor, found = self.predictor(plan), []
        for top, rows in predictor._rows(photo):
            assert top == sum(map(len, found))
            found.append(rows.copy())
        return np.concatenate(found), predictor.predict(photo, photo)[0][0]


@pytest.fixture(scope="module", params=[("fcn8s", SHORT, "same"), ("fcn32s", SHORT, "pad100"),
                                        ("fcn8s", THIN16, "pad100"), ("fcn8s_tutorial", THIN16, "same")],
                ids=lambda param: f"{param[0]}-{len(param[1])}-{param[2]}")
def net(request):
    with fresh() as session:
        yield Net(session, *request.param)


@pytest.fixture(scope="module")
def short():
    with fresh() as session:
        yield Net(session, "fcn8s", SHORT, "same")


def same(found, expected, where=True):
    """Whether scores are equal to 1e-4 of their spread."""
    return bool((np.abs(found - expected).max(axis=-1)[where] < 1e-4 * expected.std()).all())


def same_ids(ids, logits):
    """Whether ids are the best of these logits, or as good but for 1e-4."""
    chosen = np.take_along_axis(logits, ids[..., None].astype(int), axis=2)[..., 0]
    return bool((chosen >= logits.max(axis=2) - 1e-4 * logits.std()).all())


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width", "window"), [
    (1045, 700, (640, 640)), (609, 1101, (544, 768)), (1024, 576, (576, 576)), (577, 545, (544, 544))])
def test_centres_of_tiles_with_margin_equal_the_whole_image(net, height, width, window):
    photo = net.photo[:height, :width]
    scores, ids = net.merged(InferenceConfig(window=window, overlap=2 * net.margin, merge="centre"), photo)
    whole = net.logits(photo)
    assert same(scores, whole) and same_ids(ids, whole)


@pytest.mark.slow
def test_tile_centres_with_less_overlap_differ(short):
    photo = short.photo[:, :700]
    scores, _ = short.merged(InferenceConfig(window=(256, 256), overlap=128, merge="centre"), photo)
    assert not same(scores, short.logits(photo))


@pytest.mark.slow
@pytest.mark.parametrize("plan", [InferenceConfig(), InferenceConfig(flip=True)])
def test_scores_that_are_not_numbers_are_no_prediction(plan):
    with fresh() as session:
        own = Net(session, "fcn8s", SHORT, "same")
        photo = own.photo[:64, :96]
        assert own.predictor(plan).predict(photo, photo)[0][0].shape == (64, 96)
        put(session, {"score_fr/bias": np.full(CLASSES, np.nan)})
        with pytest.raises(errors.WeightsError, match="not numbers"):
            own.predictor(plan).predict(photo, photo)


def interior(predictor, size, margin):
    """bool (h, w): pixels that no window sees from within the margin of an inner edge."""
    lines = []
    for spans, length in zip(predictor.config.spans(size), size, strict=True):
        pixels = np.arange(length)
        near = [(first <= pixels) & (pixels < end) & (((pixels < first + margin) & (first > 0))
                                                      | ((pixels + margin >= end) & (end < length)))
                for first, end in spans]
        lines.append(~np.any(near, axis=0))
    return lines[0][:, None] & lines[1]


@pytest.mark.slow
def test_tiles_agree_beyond_the_margin_of_their_edges(short):
    photo, whole = short.photo, short.logits(short.photo)
    inside, found = [], []
    for side in (768, 640):
        plan = InferenceConfig(window=(side, side), overlap=0.5, merge="mean")
        inside.append(interior(short.predictor(plan), photo.shape[:2], short.margin))
        found.append(short.merged(plan, photo)[0])
        assert 0.1 < inside[-1].mean() < 0.9
        assert same(found[-1], whole, inside[-1]) and not same(found[-1], whole, ~inside[-1])
    assert same(*found, where=inside[0] & inside[1]) and not same(*found)


@pytest.mark.parametrize("rule", ["max", "mean", "probability"])
def test_pixels_in_one_tile_keep_its_scores_for_every_merge(short, rule):
    photo = short.photo[:96, :200]
    scores, _ = short.merged(InferenceConfig(window=(96, 128), overlap=32, merge=rule), photo)  # 0 to 128, 96 to 200
    left, right = short.logits(photo[:, :128]), short.logits(photo[:, 96:])
    if rule == "probability":
        left, right = (softmax(part, axis=2) for part in (left, right))
    joined = np.maximum if rule == "max" else lambda a, b: (a + b) / 2
    expected = np.concatenate([left[:, :96], joined(left[:, 96:], right[:, :32]), right[:, 32:]], axis=1)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4 * expected.std())


# --- mirrored ---

def test_a_mirrored_photo_has_the_mirrored_prediction(short):
    photo = short.photo[:97, :150]
    plan = InferenceConfig(flip=True)
    scores, _ = short.merged(plan, photo)
    mirrored, _ = short.merged(plan, photo[:, ::-1])
    assert same(mirrored, scores[:, ::-1])
    plain, _ = short.merged(InferenceConfig(), photo)
    assert not same(plain, scores)


@pytest.mark.slow
def test_tiles_and_mirrored_tiles_equal_the_whole_image(net):
    photo = net.photo[:300, :1101]  # 1101 is 13 px more than a multiple of 32
    scores, _ = net.merged(InferenceConfig(window=(640, 640), overlap=2 * net.margin, merge="centre", flip=True), photo)
    whole = (net.logits(photo) + net.logits(photo[:, ::-1])[:, ::-1]) / 2
    assert same(scores, whole)


# --- what the graph does, and what is done outside of it ---

def test_argmax_in_the_graph_matches_that_of_strips(short):
    photo, seen = short.photo[:70, :110], short.photo[:64, :96]
    predictor = short.predictor(InferenceConfig(size=(64, 96)), ((), (1, 255), ()))
    inside, outside = predictor.predict(photo, seen), predictor.predict(photo, seen, sink=lambda top, rows: None)
    for (ids, base), (other_ids, other_base) in zip(inside, outside, strict=True):
        np.testing.assert_array_equal(ids, other_ids)
        np.testing.assert_array_equal(base, other_base)
        assert ids.shape == (70, 110) and base.shape == (64, 96) and ids.dtype == base.dtype == np.uint8
        np.testing.assert_array_equal(ids, Image.fromarray(base).resize((110, 70), Image.Resampling.NEAREST))
    expected = short.logits(seen)
    np.testing.assert_array_equal(inside[0][1], expected.argmax(axis=2))
    expected[..., 1] = -np.inf
    np.testing.assert_array_equal(inside[1][1], expected.argmax(axis=2))
    assert (inside[0][1] != inside[1][1]).any()


@pytest.mark.parametrize(("plan", "size", "fetched"), [
    (InferenceConfig(), (64, 96), np.uint8), (InferenceConfig(window=(64, 96)), (64, 90), np.uint8),
    (InferenceConfig(enlarge="scores"), (64, 96), np.uint8), (InferenceConfig(window=(64, 96)), (64, 97), np.float32),
    (InferenceConfig(flip=True), (64, 96), np.float32), (InferenceConfig(scales=(0.5,)), (64, 96), np.float32)])
def test_scores_leave_tensorflow_only_when_needed(short, plan, size, fetched, monkeypatch):
    kinds = set()

    def spy(session, fetches, feed):
        found = session.run(fetches, feed)
        kinds.update(value.dtype for value in (found if isinstance(found, list) else [found]) if value.ndim)
        return found
    monkeypatch.setattr(inference, "run", spy)
    photo = short.photo[:size[0], :size[1]]
    short.predictor(plan).predict(photo, photo)
    assert kinds == {np.dtype(fetched)}


class Fake:
    """In the place of a session: scores are a function of the pixels, float (1, h, w, C) of (1, h, w, 3)."""

    def __init__(self, function):
        self.function, self.seen = function, []

    def run(self, fetches, feed):
        pixels, = feed.values()
        self.seen.append(pixels[0].copy())
        return self.function(pixels.astype(np.float32))

    def predictor(self, plan, classes=3, excluded_ids=((),), **options):
        net = types.SimpleNamespace(images="images", logits="logits", scores=types.SimpleNamespace(channels=classes))
        return Predictor(self, net, plan, excluded_ids, **options)


def colours(pixels):
    """The scores of three classes are red, green and blue."""
    return pixels / 16


def photo_of(height, width, seed=0):
    """Smooth, so that neighbours are alike, and of all colours."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def test_probability_rows_come_in_order_and_match_the_prediction(monkeypatch):
    monkeypatch.setattr(tiling, "STRIP_BYTES", 5000)
    photo, got = photo_of(70, 100), []
    (ids, _), _ = Fake(colours).predictor(InferenceConfig(window=(64, 64)), excluded_ids=((1,), ())).predict(
        photo, photo, lambda top, rows: got.append((top, rows)))
    assert [top for top, _ in got] == list(range(0, 70, 4))
    found = np.concatenate([rows for _, rows in got])
    assert found.dtype == np.float32 and found.shape == (70, 100, 3)
    scores = np.exp(photo / 16.0) * (1, 0, 1)
    np.testing.assert_allclose(found, scores / scores.sum(axis=2, keepdims=True), atol=1e-5)
    np.testing.assert_array_equal(ids, found.argmax(axis=2))


@pytest.mark.parametrize("merge", ["mean", "max"])
def test_scales_use_the_original_and_merge_on_the_base_grid(merge):
    photo = photo_of(60, 80)
    seen = np.asarray(Image.fromarray(photo).resize((40, 32), Image.Resampling.BILINEAR))
    fake = Fake(colours)
    (ids, base), = fake.predictor(InferenceConfig(size=(32, 40), scales=(1.0, 2.0), merge=merge)).predict(photo, seen)
    assert sorted(s.shape[:2] for s in fake.seen) == [(32, 40), (64, 80)]
    twice = np.asarray(Image.fromarray(photo).resize((80, 64), Image.Resampling.BILINEAR)).astype(float)
    halved = (twice[::2, ::2] + twice[1::2, ::2] + twice[::2, 1::2] + twice[1::2, 1::2]) / 4
    scores = np.maximum(seen, halved) if merge == "max" else seen + halved
    np.testing.assert_array_equal(base, scores.argmax(axis=2))
    np.testing.assert_array_equal(ids, Image.fromarray(base).resize((80, 60), Image.Resampling.NEAREST))
    assert (base != seen.argmax(axis=2)).any()


def test_a_scale_is_rounded_and_never_below_32_px():
    assert InferenceConfig(scales=(0.75, 0.1, 1)).sizes((101, 60)) == [(76, 45), (32, 32), (101, 60)]
    assert InferenceConfig(scales=(1.0,)).sizes((20, 60)) == [(20, 60)]


def test_enlarged_scores_are_argmaxed_at_the_original_size(monkeypatch):
    monkeypatch.setattr(tiling, "STRIP_BYTES", 10_000)
    photo, seen = photo_of(150, 130), photo_of(40, 56)
    predictor = Fake(colours).predictor(InferenceConfig(size=(40, 56), enlarge="scores"))
    (ids, base), = predictor.predict(photo, seen)
    assert predictor.grid(photo, seen) == (150, 130) and base is None
    channels = [Image.fromarray(seen[..., i].astype(np.float32)).resize((130, 150), Image.Resampling.BILINEAR)
                for i in range(3)]
    scores = np.sort(np.stack(channels), axis=0)
    clear = scores[2] - scores[1] > 1e-3
    np.testing.assert_array_equal(ids[clear], np.stack(channels).argmax(axis=0)[clear])
    (labels, _), = Fake(colours).predictor(InferenceConfig(size=(40, 56))).predict(photo, seen, lambda top, rows: None)
    assert (labels != ids).any() and (labels == ids).mean() > 0.8


def test_tiles_scales_and_mirrors_do_not_change_a_one_pixel_net():
    photo = photo_of(100, 140)
    (ids, _), = Fake(colours).predictor(InferenceConfig(window=(64, 96), overlap=0.25, flip=True)).predict(photo, photo)
    np.testing.assert_array_equal(ids, photo.argmax(axis=2))
    (ids, _), = Fake(colours).predictor(InferenceConfig(window=(64, 96), scales=(0.5, 1, 2), flip=True)).predict(photo,
                                                                                                                 photo)
    assert (ids == photo.argmax(axis=2)).mean() > 0.9


# --- memory ---

@pytest.mark.slow
@pytest.mark.parametrize("plan", [InferenceConfig(window=(128, 128)), InferenceConfig(window=(128, 128),
                                                                                      merge="probability", flip=True),
                                  InferenceConfig(size=(1600, 480), window=(128, 128), enlarge="scores")])
def test_scores_of_a_large_image_are_not_held_at_once(plan, monkeypatch):
    monkeypatch.setattr(tiling, "STRIP_BYTES", 0.2e6)
    classes = 16
    weights = np.random.default_rng(0).normal(size=(3, classes)).astype(np.float32)
    seen = photo_of(1600, 480)
    photo = photo_of(2000, 500) if plan.size else seen
    predictor = Fake(lambda pixels: pixels @ weights).predictor(plan, classes)
    predictor.session.seen = types.SimpleNamespace(append=lambda pixels: None)
    tracemalloc.start()
    try:
        predictor.predict(photo, seen)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    band, window, whole = (rows * columns * classes * 4 for rows, columns in ((128, 480), (128, 128), (1600, 480)))
    assert peak < 1.5 * band + 6 * window + 3 * photo[..., 0].size + 8 * 0.2e6 < 0.36 * whole


def predicting(plan, need, **options):
    photo = np.zeros((96, 160, 3), np.uint8)
    predictor = Fake(colours).predictor(plan, need=need)
    predictor.session.list_devices = lambda: [types.SimpleNamespace(device_type=kind)
                                              for kind in options.get("devices", ["CPU"])]
    return lambda: predictor.predict(photo, photo, lambda top, rows: None)


def test_image_that_exceeds_memory_is_refused_with_the_fix(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 3.04e9)
    message = r"96 x 160 px needs about 8\.2 GB .* 3\.0 GB are available"
    with pytest.raises(errors.MachineError, match=message) as raised:
        predicting(InferenceConfig(), lambda size, is_plain: 8e9)()
    assert "--window 64 " in raised.value.fix
    with pytest.raises(errors.MachineError) as raised:
        predicting(InferenceConfig(window=(128, 128)), lambda size, is_plain: 8e9)()
    assert "--window 64" in raised.value.fix


def test_memory_of_a_tile_follows_its_size(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 3e9)
    sizes = []
    predicting(InferenceConfig(window=(64, 96)), lambda size, is_plain: sizes.append(size) or 1)()
    predicting(InferenceConfig(window=(128, 96), scales=(1, 2)), lambda size, is_plain: sizes.append(size) or 1)()
    assert sizes == [(64, 96), (96, 96), (128, 96)]


@pytest.mark.parametrize(("need", "free", "devices"), [(0.5e9, 0.1e9, ["CPU"]), (8e9, None, ["CPU"]),
                                                       (8e9, 9e9, ["CPU"]), (8e9, 1e9, ["CPU", "GPU"])])
def test_small_unknown_or_gpu_images_are_not_refused(monkeypatch, need, free, devices):
    monkeypatch.setattr(machine, "available_memory", lambda: free)
    predicting(InferenceConfig(), lambda size, is_plain: need, devices=devices)()


def test_size_that_fitted_once_fits_again(monkeypatch):
    left = itertools.chain([9e9], itertools.repeat(1e9))
    monkeypatch.setattr(machine, "available_memory", lambda: next(left))
    predict = predicting(InferenceConfig(), lambda size, is_plain: 8e9)
    predict()
    predict()


def test_slightly_larger_image_reuses_memory_held_by_tensorflow(monkeypatch):
    left = itertools.chain([9e9], itertools.repeat(1e9))
    monkeypatch.setattr(machine, "available_memory", lambda: next(left))
    needs = itertools.chain([8e9, 8.5e9, 9.5e9])
    predict = predicting(InferenceConfig(), lambda size, is_plain: next(needs))
    predict()
    predict()  # 8.5 of the 8 that are held and 1 that is free
    with pytest.raises(errors.MachineError, match=r"9\.5 GB are available"):
        predict()


def test_out_of_memory_message_names_the_tiles(monkeypatch):
    def full(session, fetches, feed):
        raise errors.MachineError("out of memory", why="of all", fix="a smaller --size")
    monkeypatch.setattr(inference, "run", full)
    with pytest.raises(errors.MachineError) as raised:
        predicting(InferenceConfig(), None)()
    assert "--window 64 " in raised.value.fix and raised.value.why == "of all"


def test_memory_estimate_follows_from_shapes():
    plain = Architecture("fcn8s", 151, SHORT)
    small, large = (inference.need_of(plain)(size) for size in ((104, 104), (208, 208)))
    assert 3.5 < large / small < 4.5
    assert inference.need_of(dataclasses.replace(plain, variant={"alignment": "pad100"}))((104, 104)) > small
    assert inference.need_of(dataclasses.replace(plain, precision="bfloat16"))((104, 104)) < small


# --- the plan ---

@pytest.mark.parametrize(("plan", "text"), [
    (InferenceConfig(), "network input at original size"),
    (InferenceConfig(size=(384, 512)),
     "network input 384 x 512 px, prediction resized by nearest neighbour to the original size"),
    (InferenceConfig(window=(512, 512)),
     "network input at original size, in windows of 512 x 512 px with 50 % overlap, merged by the mean of the logits"),
    (InferenceConfig((384, 384), (256, 128), 64, "max", (0.75, 1, 1.25), True, "scores"),
     "network input 384 x 384 px times 0.75, 1, 1.25, in windows of 256 x 128 px with 64 px overlap, original and "
     "mirrored, merged by the maximum activation of each class, scores resized bilinearly to the original size")])
def test_inference_settings_are_one_sentence(plan, text):
    assert plan.describe() == text


@pytest.mark.parametrize("given", [{"merge": "median"}, {"enlarge": "photos"}, {"scales": ()}, {"scales": (1.0, 0.0)},
                                   {"scales": (float("nan"),)}, {"window": (100, 100)},
                                   {"window": (128, 128), "overlap": 1.5e9}])
def test_invalid_inference_settings_are_refused(given):
    with pytest.raises(errors.UsageError):
        InferenceConfig(**given)
