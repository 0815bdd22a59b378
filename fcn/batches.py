"""Cache -> batches. Which samples a batch holds, and how they are augmented, depends on (seed, batch number) alone."""

import collections
import concurrent.futures
import functools

import numpy as np

from fcn import augment


@functools.lru_cache(maxsize=4)
def order(seed, epoch, count):
    """Indices of the `count` samples in the order of this epoch: each once."""
    indices = np.random.default_rng((seed, 0, epoch)).permutation(count)
    indices.flags.writeable = False  # it is remembered and given out again
    return indices


def training(cache, number, batch, seed, crop=None, flip=False):
    """Batch `number` of a run: images uint8 (batch, h, w, 3), labels uint8 (batch, h, w).

    Sample k of the run is position k % n of epoch k // n, so batches may reach over the end of an epoch.
    """
    images, labels = [], []
    for sample in range(number * batch, (number + 1) * batch):
        epoch, position = divmod(sample, len(cache))
        index = order(seed, epoch, len(cache))[position]
        image, label, rng = cache.images[index], cache.labels[index], augment.draw(seed, sample)
        if crop:
            image, label = augment.crop(image, label, crop, rng)
        if flip:
            image, label = augment.flip(image, label, rng)
        images.append(image)
        labels.append(label)
    return np.stack(images), np.stack(labels)


def validation(cache, batch, limit=0):
    """Batches of evenly spread samples, the same at every call: `limit` batches, or all of them if 0."""
    wanted = min(len(cache), limit * batch) if limit else len(cache)
    indices = np.arange(wanted) * len(cache) // wanted
    for start in range(0, wanted, batch):
        rows = indices[start:start + batch]
        yield np.stack([cache.images[i] for i in rows]), np.stack([cache.labels[i] for i in rows])


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
