"""Which samples a batch holds, and how they are changed, follows from the seed and the batch number alone."""

import threading
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn import augment, batches

LAW = settings(max_examples=50, deadline=None)
SEEDS, COUNTS, BATCH_SIZES = st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 12)


class Numbered:
    """A cache of `count` samples of 5 x 7 pixels. Red equals the label everywhere, green and blue tell the sample."""

    def __init__(self, count):
        self.labels = np.random.default_rng(count).integers(0, 256, (count, 5, 7), np.uint8)
        which = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], self.labels.shape)
        self.images = np.stack([self.labels, which, which], axis=-1)

    def __len__(self):
        return len(self.images)


def samples(batch_of_images):
    return batch_of_images[:, 0, 0, 2].tolist()


@given(SEEDS, st.integers(0, 1000), COUNTS)
@LAW
def test_an_epoch_holds_each_sample_once_in_an_order_that_seed_and_epoch_decide(seed, epoch, count):
    order = batches.order(seed, epoch, count).copy()
    assert sorted(order) == list(range(count))
    batches.order.cache_clear()
    np.testing.assert_array_equal(batches.order(seed, epoch, count), order)


def test_another_epoch_and_another_seed_are_another_order():
    orders = {tuple(batches.order(seed, epoch, 30).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


@given(SEEDS, COUNTS, BATCH_SIZES)
@LAW
def test_batches_reach_over_the_end_of_an_epoch_and_miss_no_sample(seed, count, batch):
    cache, epochs = Numbered(count), 3
    stream = []
    for number in range(-(-epochs * count // batch)):
        images, labels = batches.training(cache, number, batch, seed)
        assert images.shape == (batch, 5, 7, 3) and labels.shape == (batch, 5, 7)
        assert images.dtype == labels.dtype == np.uint8
        stream += samples(images)
    for epoch in range(epochs):
        assert sorted(stream[epoch * count:(epoch + 1) * count]) == list(range(count))


@given(SEEDS, st.permutations(range(9)))
@LAW
def test_batch_k_is_the_same_whatever_was_asked_before(seed, numbers):
    cache = Numbered(7)
    straight = [batches.training(cache, k, 4, seed, (3, 4), True) for k in range(9)]
    batches.order.cache_clear()
    for k in numbers:
        for found, first in zip(batches.training(cache, k, 4, seed, (3, 4), True), straight[k], strict=True):
            np.testing.assert_array_equal(found, first)


@given(SEEDS, st.integers(0, 50), st.none() | st.tuples(st.integers(1, 5), st.integers(1, 7)), st.booleans())
@LAW
def test_crop_and_flip_move_image_and_label_together(seed, number, crop, flip):
    images, labels = batches.training(Numbered(6), number, 4, seed, crop, flip)
    assert labels.shape == (4, *(crop or (5, 7)))
    np.testing.assert_array_equal(images[..., 0], labels)


class Fixed:
    """A generator that gives these numbers."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def random(self):
        return self.numbers.pop(0)

    def integers(self, high):
        return min(self.numbers.pop(0), high - 1)


def test_a_flip_mirrors_left_and_right_and_a_second_undoes_it():
    image, label = Numbered(1).images[0], Numbered(1).labels[0]
    once = augment.flip(image, label, Fixed(0.49))
    np.testing.assert_array_equal(once[0], np.fliplr(image))
    np.testing.assert_array_equal(once[1], np.fliplr(label))
    for twice, first in zip(augment.flip(*once, Fixed(0.0)), (image, label), strict=True):
        np.testing.assert_array_equal(twice, first)
    np.testing.assert_array_equal(augment.flip(image, label, Fixed(0.5))[1], label)


def test_half_of_many_samples_are_flipped():
    mark = np.array([[1, 0]], np.uint8)
    flips = sum(int(augment.flip(mark, mark, augment.draw(3, sample))[1][0, 1]) for sample in range(1000))
    assert 437 <= flips <= 563  # 500 and four standard deviations, sqrt(1000) / 2 each


def test_crops_reach_every_position_and_no_further():
    label = np.arange(12).reshape(3, 4)
    corners = {int(augment.crop(label, label, (2, 2), augment.draw(0, sample))[1][0, 0]) for sample in range(200)}
    assert corners == {0, 1, 2, 4, 5, 6}
    np.testing.assert_array_equal(augment.crop(label, label, (3, 4), augment.draw(0, 0))[1], label)
    np.testing.assert_array_equal(augment.crop(label, label, (2, 2), Fixed(1, 2))[1], [[6, 7], [10, 11]])


def test_validation_samples_are_evenly_spread():
    cache = Numbered(10)
    assert [samples(images) for images, _ in batches.validation(cache, 2, limit=2)] == [[0, 2], [5, 7]]
    assert [samples(images) for images, _ in batches.validation(cache, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@given(COUNTS, BATCH_SIZES, st.integers(0, 8))
@LAW
def test_validation_takes_different_samples_and_the_same_at_every_call(count, batch, limit):
    cache = Numbered(count)
    taken = [i for images, _ in batches.validation(cache, batch, limit) for i in samples(images)]
    assert len(taken) == (min(count, limit * batch) if limit else count)
    assert sorted(set(taken)) == taken
    gaps = np.diff(taken)
    assert not gaps.size or gaps.max() - gaps.min() <= 1
    assert taken == [i for images, _ in batches.validation(cache, batch, limit) for i in samples(images)]
    assert all((images[..., 0] == labels).all() for images, labels in batches.validation(cache, batch, limit))


@given(st.integers(0, 20), st.integers(0, 5))
@LAW
def test_batches_prepared_ahead_come_in_order(count, depth):
    assert list(batches.ahead(lambda number: number * number, range(count), depth)) == [i * i for i in range(count)]


def test_no_more_than_depth_batches_are_prepared_ahead():
    asked = []
    supply = batches.ahead(asked.append, iter(range(100)), depth=3)
    for _ in range(5):
        next(supply)
    supply.close()
    assert 5 <= len(asked) <= 8 and asked == list(range(len(asked)))


def test_an_exception_comes_where_its_batch_would_have_come():
    supply = batches.ahead(lambda number: 6 // (3 - number), range(9))
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

    supply = batches.ahead(make, iter(int, 1))  # endless
    next(supply)
    assert seen.thread is not threading.current_thread() and seen.thread.is_alive()
    supply.close()
    assert not seen.thread.is_alive()


def test_closing_early_prepares_none_of_the_batches_that_still_wait():
    asked, gate = [], threading.Event()

    def make(number):
        asked.append(number)
        return number == 0 or gate.wait(9)

    supply = batches.ahead(make, range(9), depth=5)
    next(supply)
    threading.Timer(0.05, gate.set).start()
    supply.close()
    assert asked in ([0], [0, 1])  # 1 may have begun; 2 to 5 were only waiting
