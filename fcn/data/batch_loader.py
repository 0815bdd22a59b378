"""Batches of images and labels from a cache. What a batch holds is a function of (seed, batch number).

A cache is any object with len(), image(i) -> uint8 (h, w, channels), label(i) -> ids (h, w), shapes (n, 2), and
uniform: whether all images have the same size. Only crops of the images are read, so large images cost no more than
small ones.
"""

import collections
import concurrent.futures
import dataclasses
import functools

import numpy as np

from fcn.data import augment
from fcn.data.augment import FILL_RGB

ORDER, REPLACE = 0, 3  # numbers of random streams; see augment.py


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How the samples of a run are drawn.

    batch: samples per batch. crop_size: (height, width) of a sample; None for whole images. augment: names of
    augmentations. crops_per_image: samples of each image in an epoch. images_in_memory: the images of an epoch are
    divided into groups of this size, and crops are shuffled within a group; 0 for one group. replace: draw images with
    replacement. fill_rgb, padding_id: colour and label outside an image.
    """

    batch: int
    seed: int
    crop_size: tuple[int, int] | None = None
    augment: tuple[str, ...] = ()
    crops_per_image: int = 1
    images_in_memory: int = 0
    replace: bool = False
    fill_rgb: tuple[int, ...] = FILL_RGB
    padding_id: int = 255


@functools.lru_cache(maxsize=16)
def order(seed, epoch, count, crops_per_image=1, images_in_memory=0, shard=0):
    """int (count * crops_per_image,): index of the image of each sample in an epoch. Read-only.

    count: number of images. shard: whose images these are; shards have orders of their own.
    """
    rng = augment.stream(seed, ORDER, epoch, *([shard] if shard else []))
    if images_in_memory:
        images = rng.permutation(count)
        groups = np.split(images, range(images_in_memory, count, images_in_memory))
        indices = np.concatenate([rng.permutation(group.repeat(crops_per_image)) for group in groups])
    else:
        indices = rng.permutation(count * crops_per_image) // crops_per_image
    indices.flags.writeable = False  # the same array is returned again
    return indices


def image_index(sample, sizes, sampling):
    """Index of the image of sample number `sample` in a run, of sum(sizes) images. sizes: images of each shard.

    Batch k of a run is drawn from shard k % len(sizes), which is permuted anew when all its images were drawn.
    """
    batch, place = divmod(sample, sampling.batch)
    turn, shard = divmod(batch, len(sizes))
    count, before = sizes[shard], sum(sizes[:shard])
    if sampling.replace:
        return before + int(augment.stream(sampling.seed, REPLACE, sample).integers(count))
    epoch, position = divmod(turn * sampling.batch + place, count * sampling.crops_per_image)
    return before + order(sampling.seed, epoch, count, sampling.crops_per_image, sampling.images_in_memory,
                          shard)[position]


def training_batch(cache, number, sampling):
    """Batch `number` of a run: (images uint8 (batch, h, w, channels), labels (batch, h, w)).

    Labels have the dtype of the cache, uint8 or uint16.

    Sample k of the run is position k % n of epoch k // n, so a batch may extend into the next epoch; of a cache in
    several shards, see image_index(). Whole images of different sizes need batches of one.
    """
    first = number * sampling.batch
    size_px = sampling.crop_size or (tuple(cache.shapes[0].tolist()) if cache.uniform else None)
    augmentation = augment.Augmentation(sampling.augment, sampling.seed, sampling.fill_rgb, sampling.padding_id)
    drawn = []
    for sample in range(first, first + sampling.batch):
        i = image_index(sample, cache.sizes, sampling)
        drawn.append(augment.sample(cache.image(i), cache.label(i), size_px, augmentation, sample))
    return _stacked(drawn)


def _stacked(samples):
    images, labels = zip(*samples, strict=True)
    return np.stack(images), np.stack(labels)


def validation_batches(cache, batch, limit=0, crop_size=None, fill_rgb=FILL_RGB, padding_id=255, share=(0, 1)):
    """Yield (images, labels) of evenly spaced samples, the same in every call. Shapes as in training_batch().

    limit: number of batches, 0 for all samples. Images of one size are used whole, with any crop_size. Others are
    divided into windows of crop_size (see window), or, without crop_size, used whole in batches of one. share: (index,
    count) for the batches index, index + count, ... only.
    """
    tiled = crop_size is not None and not cache.uniform
    counts = [tiles(shape, crop_size) if tiled else 1 for shape in cache.shapes]
    ends = np.cumsum(counts)
    wanted = min(int(ends[-1]), limit * batch) if limit else int(ends[-1])
    numbers = np.arange(wanted) * ends[-1] // wanted
    together = batch if tiled or cache.uniform else 1
    index, count = share
    for start in range(index * together, wanted, count * together):
        samples = []
        for number in numbers[start:start + together]:
            i = int(np.searchsorted(ends, number, side="right"))
            image, label = cache.image(i), cache.label(i)
            if tiled:
                image, label = window(image, label, number - ends[i] + counts[i], crop_size, fill_rgb, padding_id)
            samples.append((image, label))
        yield _stacked(samples)


def tiles(shape, size_px):
    """Number of windows of size_px that cover an image of this shape (height, width)."""
    return -(-shape[0] // size_px[0]) * -(-shape[1] // size_px[1])


def window(image, label, number, size_px, fill_rgb=FILL_RGB, padding_id=255):
    """Window `number` of an image, counted row by row: (image uint8 (*size_px, channels), label size_px).

    The last window of a row or column is moved inwards. Its pixels that overlap another window have the label
    padding_id, so that every pixel counts once. An image smaller than size_px is padded at the right and bottom.
    """
    (height, width), columns = size_px, -(-label.shape[1] // size_px[1])
    row, column = divmod(int(number), columns)
    top = max(0, min(row * height, label.shape[0] - height))
    left = max(0, min(column * width, label.shape[1] - width))
    label = augment.cut(label, top, left, size_px, padding_id).copy()
    label[:row * height - top] = padding_id
    label[:, :column * width - left] = padding_id
    return augment.cut(image, top, left, size_px, fill_rgb), label


def prefetch(make, numbers, depth=2):
    """Yield make(number) for each number. A thread computes up to `depth` results ahead of the reader."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting: collections.deque = collections.deque()
        try:
            for number in numbers:
                waiting.append(pool.submit(make, number))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
