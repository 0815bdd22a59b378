"""Which samples a batch holds, and how they are changed, follows from the seed and the batch number alone."""

import signal
import threading
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.core import registry
from fcn.data import batch_loader

LAW = settings(max_examples=50, deadline=None)
SEEDS, COUNTS, BATCH_SIZES = st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 12)
SHAPES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=6)
FILL = (255, 255, 255)  # with ignored id 255: red equals the label outside of the images, too


class Numbered:
    """A cache of images of these shapes. Red equals the label everywhere, green and blue tell the image."""

    def __init__(self, shapes, uniform=True, sizes=None):
        rng = np.random.default_rng(len(shapes))
        self.sizes = sizes or (len(shapes),)
        self.shapes, self.uniform = np.array(shapes, np.int32), uniform
        self.labels = [rng.integers(0, 200, shape, np.uint8) for shape in shapes]
        self.touched = []

    def __len__(self):
        return len(self.shapes)

    def label(self, i):
        return self.labels[i]

    def image(self, i):
        self.touched.append(int(i))
        which = np.full_like(self.labels[i], i)
        return np.stack([self.labels[i], which, which], axis=-1)


def uniform(count):
    return Numbered([(5, 7)] * count)


def native(shapes):
    return Numbered(shapes, uniform=False)


def sampling(batch, seed, **options):
    return batch_loader.Sampling(batch, seed, fill_rgb=FILL, **options)


def which(batch_of_images):
    """The image of each sample of a batch that has not been changed."""
    return batch_of_images[:, 0, 0, 2].tolist()


@given(SEEDS, st.integers(0, 1000), COUNTS, st.integers(1, 5), st.integers(0, 9))
@LAW
def test_epoch_takes_each_image_equally_often_in_seeded_order(seed, epoch, count, crops, at_once):
    order = batch_loader.order(seed, epoch, count, crops, at_once).copy()
    assert sorted(order) == sorted(list(range(count)) * crops)
    batch_loader.order.cache_clear()
    np.testing.assert_array_equal(batch_loader.order(seed, epoch, count, crops, at_once), order)


@pytest.mark.parametrize(("crops", "at_once"), [(1, 0), (3, 0), (3, 4), (1, 4)])
def test_epochs_and_seeds_have_different_orders(crops, at_once):
    orders = {tuple(batch_loader.order(s, epoch, 30, crops, at_once).tolist()) for s in range(5) for epoch in range(5)}
    assert len(orders) == 25


@given(SEEDS, COUNTS, st.integers(1, 5), st.integers(1, 9))
@LAW
def test_few_images_are_read_at_a_time(seed, count, crops, at_once):
    order = batch_loader.order(seed, 0, count, crops, at_once)
    for start in range(0, count * crops, at_once * crops):
        group = order[start:start + at_once * crops].tolist()
        assert sorted(group) == sorted(list(set(group)) * crops) and len(set(group)) <= at_once


def test_crops_are_shuffled_within_their_group():
    order = batch_loader.order(0, 0, 12, 5, 6)
    runs = 1 + np.count_nonzero(np.diff(order))
    assert runs > 40  # 60 samples; 12 if the crops of an image came one after the other


@given(SEEDS, COUNTS, BATCH_SIZES, st.integers(1, 3), st.integers(0, 3))
@LAW
def test_batches_cross_the_end_of_an_epoch_and_miss_no_sample(seed, count, batch, crops, at_once):
    cache, how, epochs = uniform(count), sampling(batch, seed, crops_per_image=crops, images_in_memory=at_once), 3
    length, stream = len(cache) * how.crops_per_image, []
    assert length == count * crops
    for number in range(-(-epochs * length // batch)):
        images, labels = batch_loader.training_batch(cache, number, how)
        assert images.shape == (batch, 5, 7, 3) and labels.shape == (batch, 5, 7)
        assert images.dtype == labels.dtype == np.uint8
        stream += which(images)
    for epoch in range(epochs):
        assert sorted(stream[epoch * length:(epoch + 1) * length]) == sorted(list(range(count)) * crops)


OPTIONS = st.fixed_dictionaries({
    "crop_size": st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)), "crops_per_image": st.integers(1, 3),
    "augment": st.lists(st.sampled_from(registry.names("augmentations")), unique=True).map(tuple),
    "images_in_memory": st.integers(0, 3), "replace": st.booleans()})


@pytest.mark.slow
@given(SEEDS, st.permutations(range(9)), OPTIONS)
@LAW
def test_batch_k_does_not_depend_on_earlier_requests(seed, numbers, options):
    cache, how = uniform(7), sampling(4, seed, **options)
    straight = [batch_loader.training_batch(cache, k, how) for k in range(9)]
    batch_loader.order.cache_clear()
    for k in numbers:
        for found, first in zip(batch_loader.training_batch(cache, k, how), straight[k], strict=True):
            np.testing.assert_array_equal(found, first)


SHARDS = st.lists(st.integers(1, 7), min_size=1, max_size=5)


@given(SEEDS, BATCH_SIZES, SHARDS)
@LAW
def test_batches_are_of_one_shard_and_epochs_permute_it(seed, batch, sizes):
    how, ends = sampling(batch, seed), np.cumsum(sizes)
    of_shard = [[] for _ in sizes]
    for sample in range(3 * batch * len(sizes) * max(sizes)):
        index = batch_loader.image_index(sample, tuple(sizes), how)
        shard = int(np.searchsorted(ends, index, side="right"))
        assert shard == sample // batch % len(sizes)
        of_shard[shard].append(index - ends[shard] + sizes[shard])
    for size, drawn in zip(sizes, of_shard, strict=True):
        for start in range(0, len(drawn) - size + 1, size):
            assert sorted(drawn[start:start + size]) == list(range(size))


def test_a_worker_reads_only_the_shards_of_its_batches():
    cache = Numbered([(5, 7)] * 12, sizes=(2, 3, 3, 4))
    for number in range(1, 40, 2):  # the batches of worker 1 of 2
        batch_loader.training_batch(cache, number, sampling(3, 0))
    assert set(cache.touched) == {2, 3, 4, 8, 9, 10, 11}


def test_shards_have_orders_of_their_own():
    orders = {tuple(batch_loader.order(0, 0, 50, shard=shard).tolist()) for shard in range(5)}
    assert len(orders) == 5


def test_images_drawn_with_replacement_are_of_the_shard():
    how = sampling(2, 0, replace=True)
    drawn = [batch_loader.image_index(sample, (3, 4), how) for sample in range(200)]
    assert {i for k, i in enumerate(drawn) if k // 2 % 2 == 0} == {0, 1, 2}
    assert {i for k, i in enumerate(drawn) if k // 2 % 2} == {3, 4, 5, 6}


def test_with_replacement_every_image_is_equally_likely():
    cache, how = uniform(5), sampling(20, 1, replace=True)
    drawn = np.array([which(batch_loader.training_batch(cache, number, how)[0]) for number in range(100)]).ravel()
    assert np.abs(np.bincount(drawn, minlength=5) - 400).max() < 4 * 20  # four standard deviations, nearly
    pairs = np.bincount(drawn[:-1] * 5 + drawn[1:], minlength=25)
    assert np.abs(pairs - 80).max() < 4 * 9  # the last one says nothing about the next


@given(SEEDS, st.integers(0, 50), SHAPES, st.tuples(st.integers(1, 9), st.integers(1, 9)),
       st.lists(st.sampled_from(["turn", "hflip", "vflip"]), unique=True))
@LAW
def test_images_of_any_size_give_aligned_crops(seed, number, shapes, crop, names):
    images, labels = batch_loader.training_batch(native(shapes), number,
                                           sampling(4, seed, crop_size=crop, augment=tuple(names)))
    assert labels.shape == (4, *crop)
    np.testing.assert_array_equal(images[..., 0], labels)


def test_images_of_different_sizes_are_batches_of_one():
    shapes = [(2, 3), (4, 1), (5, 5)]
    seen = [batch_loader.training_batch(native(shapes), number, sampling(1, 0))[1].shape for number in range(3)]
    assert sorted(seen) == [(1, 2, 3), (1, 4, 1), (1, 5, 5)]


def test_turned_images_of_one_size_keep_their_size():
    _, labels = batch_loader.training_batch(uniform(4), 0, sampling(4, 0, augment=("turn",)))
    assert labels.shape == (4, 5, 7)


def test_validation_samples_are_evenly_spread():
    cache = uniform(10)
    assert [which(images) for images, _ in batch_loader.validation_batches(cache, 2, limit=2)] == [[0, 2], [5, 7]]
    batches = batch_loader.validation_batches(cache, 4)
    assert [which(images) for images, _ in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@given(COUNTS, BATCH_SIZES, st.integers(0, 8))
@LAW
def test_validation_takes_other_samples_and_the_same_every_time(count, batch, limit):
    cache = uniform(count)
    batches = batch_loader.validation_batches(cache, batch, limit, crop_size=(2, 2))
    taken = [i for images, _ in batches for i in which(images)]
    assert len(taken) == (min(count, limit * batch) if limit else count)
    assert sorted(set(taken)) == taken
    gaps = np.diff(taken)
    assert not gaps.size or gaps.max() - gaps.min() <= 1
    assert taken == [i for images, _ in batch_loader.validation_batches(cache, batch, limit) for i in which(images)]
    batches = batch_loader.validation_batches(cache, batch, limit)
    assert all((images[..., 0] == labels).all() for images, labels in batches)


def test_validation_reads_images_of_different_sizes_singly():
    shapes = [(2, 3), (4, 1), (5, 5), (2, 2)]
    assert [labels.shape[1:] for _, labels in batch_loader.validation_batches(native(shapes), 3)] == shapes
    batches = batch_loader.validation_batches(native(shapes), 2, limit=1)
    assert [labels.shape[1:] for _, labels in batches] == [(2, 3), (5, 5)]


@given(SHAPES, BATCH_SIZES, st.tuples(st.integers(1, 9), st.integers(1, 9)))
@LAW
def test_validation_tiles_count_every_pixel_once(shapes, batch, crop):
    cache, counts = native(shapes), np.zeros(256, int)
    for images, labels in batch_loader.validation_batches(cache, batch, 0, crop, FILL, 255):
        assert images.shape == (*labels.shape, 3) and labels.shape[1:] == crop and 1 <= len(labels) <= batch
        assert (images[..., 0] == labels)[labels != 255].all()
        counts += np.bincount(labels.ravel(), minlength=256)
    pixels = np.concatenate([label.ravel() for label in cache.labels])
    np.testing.assert_array_equal(counts[:255], np.bincount(pixels, minlength=256)[:255])


def test_last_tile_is_moved_inwards_and_a_small_image_padded():
    label = np.arange(5, dtype=np.uint8)[None]
    image = np.repeat(label[..., None], 3, 2)
    assert batch_loader.tiles(label.shape, (1, 3)) == 2
    images, labels = zip(*(batch_loader.window(image, label, number, (1, 3), FILL, 255) for number in range(2)),
                         strict=True)
    assert [part[0, :, 0].tolist() for part in images] == [[0, 1, 2], [2, 3, 4]]
    assert [part[0].tolist() for part in labels] == [[0, 1, 2], [255, 3, 4]]
    assert batch_loader.window(image, label, 0, (2, 6), FILL, 255)[1].tolist() == [[0, 1, 2, 3, 4, 255], [255] * 6]


def test_limited_validation_spreads_its_tiles_over_all_images():
    cache = native([(4, 4)] * 3)
    seen = [which(images) for images, _ in batch_loader.validation_batches(cache, 3, limit=2, crop_size=(2, 2))]
    assert seen == [[0, 0, 1], [1, 2, 2]]  # windows 0, 2, 4, 6, 8, 10 of 12


def test_validation_never_reads_a_whole_large_page():
    side = 10**6
    page = types.SimpleNamespace(
        shapes=np.array([(side, side)]), uniform=False,
        image=lambda i: np.broadcast_to(np.uint8(9), (side, side, 3)),  # 3 TB, were it ever copied
        label=lambda i: np.broadcast_to(np.uint8(9), (side, side)))
    found = list(batch_loader.validation_batches(page, 2, limit=1, crop_size=(30, 40)))
    assert [labels.shape for _, labels in found] == [(2, 30, 40)]


@given(st.integers(0, 20), st.integers(0, 5))
@LAW
def test_batches_prepared_ahead_come_in_order(count, depth):
    assert list(batch_loader.prefetch(lambda number: number * number, range(count), depth)) == [i * i
                                                                                             for i in range(count)]


def test_no_more_than_depth_batches_are_prepared_ahead():
    asked = []
    supply = batch_loader.prefetch(asked.append, iter(range(100)), depth=3)
    for _ in range(5):
        next(supply)
    supply.close()
    assert 5 <= len(asked) <= 8 and asked == list(range(len(asked)))


def test_exception_is_raised_at_its_batch():
    supply = batch_loader.prefetch(lambda number: 6 // (3 - number), range(9))
    assert [next(supply) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(supply)
    with pytest.raises(StopIteration):
        next(supply)


def test_closing_early_ends_the_thread():
    seen = types.SimpleNamespace(thread=None)

    def make(number):
        seen.thread = threading.current_thread()
        return number

    supply = batch_loader.prefetch(make, iter(int, 1))  # endless
    next(supply)
    assert seen.thread is not threading.current_thread() and seen.thread.is_alive()
    supply.close()
    assert not seen.thread.is_alive()


def test_closing_early_prepares_no_waiting_batch():
    asked, gate = [], threading.Event()

    def make(number):
        asked.append(number)
        return number == 0 or gate.wait(9)

    supply = batch_loader.prefetch(make, range(9), depth=5)
    next(supply)
    threading.Timer(0.05, gate.set).start()
    supply.close()
    assert asked in ([0], [0, 1])  # 1 may have begun; 2 to 5 were only waiting


def test_interrupt_while_waiting_ends_the_reader_and_its_thread():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread alone")
    seen = types.SimpleNamespace(thread=None)

    def make(number):
        seen.thread = threading.current_thread()
        if number == 3:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return number

    with pytest.raises(KeyboardInterrupt):
        for _ in batch_loader.prefetch(make, range(10**9)):
            pass
    seen.thread.join(9)
    assert not seen.thread.is_alive()


def test_an_exception_in_the_reader_ends_the_thread():
    threads = set()
    supply = batch_loader.prefetch(lambda number: threads.add(threading.current_thread()), range(100))
    next(supply)
    with pytest.raises(KeyboardInterrupt):
        supply.throw(KeyboardInterrupt)
    assert len(threads) == 1 and not threads.pop().is_alive()
