"""Cache -> batches. Which samples a batch holds, and how they are augmented, depends on (seed, batch number) alone.

A cache here is anything with len(), image(i) -> uint8 (h, w, 3), label(i) -> uint8 (h, w), shapes (n, 2) and uniform:
whether all images have one size. Images are looked at through windows, so that large ones cost no more than small ones.
"""

import collections
import concurrent.futures
import dataclasses
import functools

import numpy as np

from fcn.data import augment
from fcn.data.augment import FILL_RGB

ORDER, REPLACE = 0, 3  # random streams; see augment.py


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How the samples of a run are drawn.

    batch: samples a batch. crop_size: (height, width) of a sample; None: whole images. augment: names of files
    in fcn/data/augmentations. An epoch takes crops_per_image samples of every image. images_in_memory: the images of
    an epoch are taken that many at a time, and their crops shuffled among themselves; 0: all at once. replace: every
    sample is of any image, whatever came before. fill_rgb, padding_id: pixels and label outside an image. shard:
    (machine, machines); a machine gets every so many-th batch of the sequence that a single one would see.
    """

    batch: int
    seed: int
    crop_size: tuple[int, int] | None = None
    augment: tuple[str, ...] = ()
    crops_per_image: int = 1
    images_in_memory: int = 0
    replace: bool = False
    fill_rgb: tuple[int, int, int] = FILL_RGB
    padding_id: int = 255
    shard: tuple[int, int] = (0, 1)


@functools.lru_cache(maxsize=4)
def order(seed, epoch, count, crops_per_image=1, images_in_memory=0):
    """Image of each sample of this epoch: every one of `count` images crops_per_image times."""
    rng = augment.stream(seed, ORDER, epoch)
    if images_in_memory:
        images = rng.permutation(count)
        groups = np.split(images, range(images_in_memory, count, images_in_memory))
        indices = np.concatenate([rng.permutation(group.repeat(crops_per_image)) for group in groups])
    else:
        indices = rng.permutation(count * crops_per_image) // crops_per_image
    indices.flags.writeable = False  # it is remembered and given out again
    return indices


def image_of(sample, count, sampling):
    """Which of `count` images sample number `sample` of a run is taken from."""
    if sampling.replace:
        return int(augment.stream(sampling.seed, REPLACE, sample).integers(count))
    epoch, position = divmod(sample, count * sampling.crops_per_image)
    return order(sampling.seed, epoch, count, sampling.crops_per_image, sampling.images_in_memory)[position]


def training(cache, number, sampling):
    """Batch `number` of a run (of this machine): images uint8 (batch, h, w, 3), labels uint8 (batch, h, w).

    Sample k of the run is position k % n of epoch k // n, so batches may reach over the end of an epoch. Whole images
    of different sizes only come one at a time.
    """
    machine, machines = sampling.shard
    first = (number * machines + machine) * sampling.batch
    size_px = sampling.crop_size or (tuple(cache.shapes[0].tolist()) if cache.uniform else None)
    augmentation = augment.Augmentation(sampling.augment, sampling.seed, sampling.fill_rgb, sampling.padding_id)
    drawn = []
    for sample in range(first, first + sampling.batch):
        i = image_of(sample, len(cache), sampling)
        drawn.append(augment.sample(cache.image(i), cache.label(i), size_px, augmentation, sample))
    return _stacked(drawn)


def _stacked(samples):
    images, labels = zip(*samples, strict=True)
    return np.stack(images), np.stack(labels)


def validation(cache, batch, limit=0, crop_size=None, fill_rgb=FILL_RGB, padding_id=255):
    """Batches of evenly spread samples, the same at every call: limit * batch samples, or all of them if limit is 0.

    Images of one size are taken whole, whatever crop_size. Others are taken in windows of crop_size (see window), or,
    without crop_size, whole and one at a time.
    """
    tiled = crop_size is not None and not cache.uniform
    counts = [tiles(shape, crop_size) if tiled else 1 for shape in cache.shapes]
    ends = np.cumsum(counts)
    wanted = min(int(ends[-1]), limit * batch) if limit else int(ends[-1])
    numbers = np.arange(wanted) * ends[-1] // wanted
    together = batch if tiled or cache.uniform else 1
    for start in range(0, wanted, together):
        samples = []
        for number in numbers[start:start + together]:
            i = int(np.searchsorted(ends, number, side="right"))
            image, label = cache.image(i), cache.label(i)
            if tiled:
                image, label = window(image, label, number - ends[i] + counts[i], crop_size, fill_rgb, padding_id)
            samples.append((image, label))
        yield _stacked(samples)


def tiles(shape, size_px):
    """How many windows of size_px it takes to cover an image."""
    return -(-shape[0] // size_px[0]) * -(-shape[1] // size_px[1])


def window(image, label, number, size_px, fill_rgb=FILL_RGB, padding_id=255):
    """Window `number` of tiles(...) over an image, row by row: (size_px, 3) and size_px.

    The last ones of a row and a column are moved inwards and what another window shows already is ignored there, so
    that every pixel counts once. A smaller image is padded at its right and bottom.
    """
    (height, width), columns = size_px, -(-label.shape[1] // size_px[1])
    row, column = divmod(int(number), columns)
    top = max(0, min(row * height, label.shape[0] - height))
    left = max(0, min(column * width, label.shape[1] - width))
    label = augment.cut(label, top, left, size_px, padding_id).copy()
    label[:row * height - top] = padding_id
    label[:, :column * width - left] = padding_id
    return augment.cut(image, top, left, size_px, fill_rgb), label


def ahead(make, numbers, depth=2):
    """make(number) for every number in turn, prepared by a thread up to `depth` ahead of the reader."""
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
