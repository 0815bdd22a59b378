"""Facts and example pictures of a data set, gathered while its pairs are read once. data_report.py shows them.

What is kept does not depend on the order of the pairs and, except for a number per image size, not on their number.
"""

import collections
import dataclasses
import functools
import hashlib
import heapq
import threading

import numpy as np

from fcn.data import images, render
from fcn.data.spec import MOST_IDS, bit_colour
from fcn.reporting import gallery

PER_CLASS, FEW_IDS = 4, 256  # examples of a class; only one of ids from FEW_IDS on
PER_SPLIT = 8  # whole images of a split
PER_KIND, NAMED = 4, 10  # pictures and names of one kind of unusual label
EXAMPLE_PX, SAMPLE_PX, LEAST_CROP_PX = 200, 360, 96
ASPECT = 4 / 3  # width / height of an example
SEARCH_PX = 512  # size at which the largest area of a class is found
SMALL = 1e-3  # a class with a smaller share of an image is a poor example
INSIDE, EDGE = 1, 2  # values of the mask of an example
ONE_CLASS, ALL_IGNORED = "labels of a single class", "labels that are ignored entirely"


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A picture: photo (bytes of a JPEG) and mask (bytes of a PNG of the same size, partly transparent).

    share: share of the class's pixels of the whole image.
    """

    name: str
    split: str
    photo: bytes
    mask: bytes
    width: int
    height: int
    share: float = 0.0


class Smallest:
    """Keeps the values of the `count` smallest different keys."""

    def __init__(self, count):
        self._count, self._heap = count, []  # (negated rank, key, value): the largest key comes first

    def offer(self, key, make):
        """Keep make() if the key is small enough; otherwise it is not called. key: a tuple of non-negative numbers."""
        negated = tuple(-part for part in key)
        if len(self._heap) == self._count and negated <= self._heap[0][0]:
            return
        if any(negated == entry[0] for entry in self._heap):
            return
        change = heapq.heappush if len(self._heap) < self._count else heapq.heapreplace
        change(self._heap, (negated, make()))

    def values(self):
        """The values, that of the smallest key first."""
        return [value for _, value in sorted(self._heap, key=lambda entry: entry[0], reverse=True)]


class Survey:
    """What is found in the pairs of a data set. take() may be called from several threads.

    spec: DatasetSpec. splits: {Pair: name of its split}.
    pixels, images: {split: number of pixels of each id, of labels that hold it}, int64 (65536,). sizes: {(height,
    width): [number of images, the first name]}. odd: {ONE_CLASS or ALL_IGNORED: number of labels}.
    """

    def __init__(self, spec, splits):
        self.spec, self._splits, self._lock = spec, splits, threading.Lock()
        self.pixels: dict = collections.defaultdict(_zeros)
        self.images: dict = collections.defaultdict(_zeros)
        self.sizes: dict = {}
        self.odd: collections.Counter = collections.Counter()
        self._of_class: dict = collections.defaultdict(lambda: Smallest(PER_CLASS))
        self._of_split: dict = collections.defaultdict(lambda: Smallest(PER_SPLIT))
        self._of_kind: dict = collections.defaultdict(lambda: Smallest(PER_KIND))
        self._names: dict = collections.defaultdict(list)

    def take(self, pair, image, label):
        """Add a pair: image uint8 (h, w, channels), label (h, w) of class ids."""
        split, counts = self._splits[pair], np.bincount(label.ravel())
        with self._lock:
            self.pixels[split][:len(counts)] += counts
            self.images[split][:len(counts)] += counts > 0
            number, name = self.sizes.get(label.shape, (0, pair.name))
            self.sizes[label.shape] = number + 1, min(name, pair.name)
            present = [i for i in np.flatnonzero(counts).tolist() if i not in self.spec.ignored_ids]
            whole = functools.cache(lambda: self._sample(pair.name, split, image, label))
            self._of_split[split].offer(_draw(pair, split), whole)
            if len(present) <= 1:
                self._add_odd(ONE_CLASS if present else ALL_IGNORED, pair, whole)
            for i in present:
                share = counts[i] / label.size
                kept = self._of_class[i] if i < FEW_IDS else self._of_class.setdefault(i, Smallest(1))
                kept.offer((int(share < SMALL), *_draw(pair, i)),
                           lambda i=i, share=share: self._example(pair.name, split, image, label == i, i, share))

    def _add_odd(self, kind, pair, whole):
        self.odd[kind] += 1
        self._of_kind[kind].offer(_draw(pair, kind), whole)
        self._names[kind] = sorted([*self._names[kind], pair.name])[:NAMED]

    def examples(self, class_id, count=PER_CLASS):
        """Thumbnails of parts of images with a class, in which only this class is marked."""
        return self._of_class[class_id].values()[:count] if class_id in self._of_class else []

    def samples(self, split):
        """Thumbnails of whole images of a split."""
        return self._of_split[split].values()

    def odd_samples(self, kind):
        """Thumbnails of some labels of a kind of `odd`."""
        return self._of_kind[kind].values()

    def odd_names(self, kind):
        """The first names of a kind of `odd`."""
        return self._names[kind]

    def _sample(self, name, split, image, label):
        opacity = [190 if i in self.spec.ignored_ids else 150 for i in range(256)]
        small = render.shrunk(label, SAMPLE_PX)
        palette = self.spec.palette()
        if len(palette) > 256 or small.max(initial=0) > 255:  # more colours than a palette PNG has
            small, palette = (small % 256).astype(np.uint8), palette[:256]
        return _thumbnail(name, split, image, small.astype(np.uint8), palette, opacity, SAMPLE_PX)

    def _example(self, name, split, image, mask, class_id, share):
        from scipy import ndimage  # takes 0.1 s; --help does without
        rows, columns = _around(mask)
        inside = render.shrunk(mask[rows, columns].astype(np.uint8), EXAMPLE_PX)
        edge = inside.astype(bool) & ~ndimage.binary_erosion(inside, border_value=1)
        palette = self.spec.palette()
        colour = palette[class_id] if class_id < len(palette) else bit_colour(class_id)
        return _thumbnail(name, split, image[rows, columns], np.where(edge, EDGE, inside).astype(np.uint8),
                          [(0, 0, 0), colour, (255, 255, 255)], [0, 140, 230], EXAMPLE_PX, share)


def _zeros():
    return np.zeros(MOST_IDS, np.int64)


def _thumbnail(name, split, image, mask, palette, opacity, longest_px, share=0.0):
    photo = render.shrunk(np.ascontiguousarray(images.as_rgb(image)), longest_px)
    return Thumbnail(name, split, gallery.jpeg(photo), gallery.id_png(mask, palette, opacity),
                     photo.shape[1], photo.shape[0], float(share))


def _around(mask):
    """(rows, columns): slices of a part of the image, of ASPECT where possible, around the largest area of a mask."""
    from scipy import ndimage
    step = -(-max(mask.shape) // SEARCH_PX)
    areas, number = ndimage.label(mask[::step, ::step])
    if number:
        largest = 1 + int(np.bincount(areas.ravel())[1:].argmax())
        spans = [(span.start * step, span.stop * step) for span in ndimage.find_objects(areas)[largest - 1]]
    else:  # it is thinner than the steps
        spans = [(int(found.min()), int(found.max()) + 1) for found in np.nonzero(mask)]
    height, width = (max(1.5 * (end - start), LEAST_CROP_PX) for start, end in spans)
    height, width = max(height, width / ASPECT), max(width, height * ASPECT)
    return tuple(_span((start + end) / 2, side, whole)
                 for (start, end), side, whole in zip(spans, (height, width), mask.shape, strict=True))


def _span(centre, side, whole):
    side = min(round(side), whole)
    start = min(max(round(centre - side / 2), 0), whole - side)
    return slice(start, start + side)


def _draw(pair, of):
    """A number that decides by chance, the same for the same pair."""
    text = f"{of}\0{pair.name}\0{pair.image}".encode("utf-8", "surrogateescape")
    return (int.from_bytes(hashlib.sha256(text).digest()[:8]),)
