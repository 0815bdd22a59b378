"""Images predicted in one pass have the ids of single ones, or are predicted one by one."""

import contextlib
import itertools
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets_help import THIN16, fresh, randomise, start

from fcn.core.errors import Problem
from fcn.evaluation import batching, inference, reading, runner
from fcn.evaluation.batching import BatchSizes
from fcn.evaluation.image_sources import Sample
from fcn.evaluation.inference import InferenceConfig, Predictor
from fcn.models import graph_builder
from fcn.models.architecture import Architecture

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(("size", "count"), [((96, 96), 16), ((224, 224), 4), ((360, 480), 1), ((3328, 4992), 1),
                                             ((32, 32), 64), ((512, 512), 1), ((256, 512), 2)])
def test_a_pass_has_a_power_of_two_of_images(size, count):
    assert BatchSizes(lambda *_: True).of(size) == count


def test_batches_that_do_not_fit_into_memory_are_halved():
    sizes = BatchSizes(lambda size_px, count: count * size_px[0] <= 400)
    assert sizes.of((96, 96)) == 4 and sizes.of((500, 100)) == 1


def test_a_batch_with_other_scores_is_halved_until_single():
    sizes = BatchSizes(lambda *_: True)
    for expected in (4, 2, 1):
        assert sizes.of((224, 224)) == expected
        sizes.keep((224, 224), expected, False)
    sizes = BatchSizes(lambda *_: True)
    assert sizes.of((224, 224)) == 4
    sizes.keep((224, 224), 4, True)
    assert sizes.of((224, 224)) == 4 and sizes.proven == {((224, 224), 4)}


def test_equal_numbers_with_other_bits_are_not_the_same():
    one = np.array([0.0, 1.0, np.nan], np.float32)
    assert batching.same_bits(one, one.copy())
    assert not batching.same_bits(one, np.array([-0.0, 1, np.nan], np.float32))
    assert not batching.same_bits(one, np.nextafter(one, np.float32(2)))


def sample(name, shape, photo_px=(4, 4), label=None):
    return Sample(name, np.zeros((*photo_px, 3), np.uint8), label, np.zeros((*shape, 3), np.uint8), None)


@given(st.lists(st.tuples(st.sampled_from([(32, 32), (32, 64), None]), st.integers(1, 3)), max_size=9))
def test_a_batch_has_images_of_one_size_in_order(runs):
    samples = [(k, sample(str(k), shape) if shape else Problem("p", "why", "fix"))
               for k, shape in enumerate(itertools.chain.from_iterable([shape] * n for shape, n in runs))]
    found = list(reading.batches(iter(samples), lambda one: 2))
    assert list(itertools.chain.from_iterable(found)) == samples
    for batch in found:
        assert 1 <= len(batch) <= 2
        assert len(batch) == 1 or len({one.network_input.shape for _, one in batch}) == 1


def test_large_photos_are_not_collected_for_a_batch():
    samples = [(k, sample(str(k), (32, 32), (3000, 2000))) for k in range(7)]
    assert [len(batch) for batch in reading.batches(iter(samples), lambda one: 64)] == [3, 3, 1]


# --- real nets ---

def predictor(session, net, widths, **options):
    graph = graph_builder.build(Architecture(net, 5, widths, (128, 128, 128)))
    start(session)
    randomise(session, seed=1)
    return Predictor(session, graph, InferenceConfig(**options), ((0,), ()))


@pytest.fixture(scope="module")
def thin():
    with fresh() as session:
        yield predictor(session, "fcn8s", THIN16)


def photos_of(count, shape):
    return [RNG.integers(0, 256, (*shape, 3), np.uint8) for _ in range(count)]


@pytest.mark.slow
def test_images_together_have_the_predictions_of_single_ones(thin):
    for count, seen_px in ((64, (40, 64)), (16, (96, 97))):
        photos, seen = photos_of(count, (50, 70)), photos_of(count, seen_px)
        singles = [thin.predict(*pair) for pair in zip(photos, seen, strict=True)]
        for _ in range(2):  # the first batch is compared
            for one, other in zip(thin.predict_together(photos, seen), singles, strict=True):
                for (ids, base), (ids_one, base_one) in zip(one, other, strict=True):
                    np.testing.assert_array_equal(ids, ids_one)
                    np.testing.assert_array_equal(base, base_one)
    assert thin.batches.proven <= {((40, 64), 64), ((96, 97), 16)}


class Batches:
    """A session that notes how many images each pass has. `changed` alters the scores of a pass of several."""

    def __init__(self, changed=0.0):
        self.changed, self.passes = np.float32(changed), []

    def run(self, fetches, feed):
        pixels, = feed.values()
        self.passes.append(len(pixels))
        scores = pixels.astype(np.float32) + self.changed * (len(pixels) > 1)
        found = {"ids": scores.argmax(axis=3).astype(np.uint8), "nan": np.isnan(scores.sum()), "scores": scores}
        return [found[name] for name in fetches]


@pytest.fixture
def counted(monkeypatch):
    """A function that makes (Predictor, its Batches)."""
    monkeypatch.setattr(inference.graph_builder, "prediction_without", lambda scores, ids: "ids")
    monkeypatch.setattr(inference.graph_builder, "has_nan", lambda scores: "nan")

    def make(changed=0.0, **options):
        session = Batches(changed)
        net = types.SimpleNamespace(images="images", scores=types.SimpleNamespace(channels=3, tensor="scores"))
        return Predictor(session, net, InferenceConfig(**options), ((),)), session
    return make


def test_first_batch_of_a_size_is_compared_with_single_images(counted):
    made, session = counted()
    photos = photos_of(4, (224, 224))
    for expected in ([4, 1, 1, 1, 1], [4], [4]):
        session.passes.clear()
        (ids, _), = made.predict_together(photos, photos)[2]
        assert session.passes == expected
        np.testing.assert_array_equal(ids, photos[2].argmax(axis=2))
    session.passes.clear()
    made.predict_together(photos[:2], photos[:2])  # a batch of two was not compared
    assert session.passes == [2, 1, 1]


def test_batches_with_other_scores_are_given_up(counted):
    made, session = counted(changed=1e-4)
    photos = photos_of(4, (224, 224))
    for count, expected in ((4, [4, 1, 1, 1, 1]), (2, [2, 1, 1])):
        assert made.most_at_once(photos[0], photos[0]) == count
        session.passes.clear()
        found = made.predict_together(photos[:count], photos[:count])
        assert session.passes == expected
        for ((ids, _),), photo in zip(found, photos[:count], strict=True):
            np.testing.assert_array_equal(ids, photo.argmax(axis=2))
    assert made.most_at_once(photos[0], photos[0]) == 1


@pytest.mark.parametrize(("photo_px", "count"), [((96, 96), 16), ((480, 640), 8), ((1000, 2000), 2),
                                                 ((3328, 4992), 2)])
def test_fewer_large_photos_are_predicted_together(counted, photo_px, count):
    outputs = types.SimpleNamespace(kinds=set())
    predicting = runner._Predicting(counted(size=(96, 96))[0], outputs, None, None)
    assert predicting.most_at_once(sample("a", (96, 96), photo_px)) == count


def test_fewer_images_than_a_batch_are_predicted_one_by_one(counted):
    made, session = counted(size=(96, 96))
    outputs = types.SimpleNamespace(kinds=set(), probabilities=lambda *_: contextlib.nullcontext())
    predicting = runner._Predicting(made, outputs, None, None)
    for count, expected in ((15, [1] * 15), (16, [16] + [1] * 16), (16, [16]), (8, [1] * 8)):
        session.passes.clear()
        assert len(predicting.results([sample("a", (96, 96))] * count, None)) == count
        assert session.passes == expected


@pytest.mark.parametrize("options", [{"flip": True}, {"scales": (1.0, 2.0)}, {"window": (64, 64)}, {"threshold": 0.5},
                                     {"enlarge": "scores", "size": (96, 96)}])
def test_predictions_from_scores_are_made_one_by_one(counted, options):
    made, _ = counted(**options)
    photo, seen = photos_of(1, (120, 120))[0], photos_of(1, (96, 96))[0]
    assert made.most_at_once(photo, seen) == 1
    assert counted(size=(96, 96))[0].most_at_once(photo, seen) == 16
