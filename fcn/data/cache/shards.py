"""A cache in several files: each is built, locked and verified alone, and opened when one of its images is needed.

Shard s of N holds the pairs s, s + N, s + 2 N, ... of the list, so that pictures of one scene, which have neighbouring
names, are in different shards. Training takes each batch from one shard (batch_loader.image_index), so that of W
workers, where W divides N, each reads N / W of the files.
"""

import zlib

import numpy as np


class Shards:
    """Several cache.Cache as one, in the order of the shards; attributes and methods as those of a Cache."""

    def __init__(self, parts):
        self.parts, first = list(parts), parts[0]
        self.sizes = tuple(len(part) for part in self.parts)
        self.ends = np.cumsum(self.sizes)
        self.names = [name for part in self.parts for name in part.names]
        self.shapes = np.concatenate([part.shapes for part in self.parts])
        self.uniform, self.channels, self.path = first.uniform, first.channels, first.path
        self.class_pixels = np.sum([part.class_pixels for part in self.parts], axis=0)
        self.left_out = [name for part in self.parts for name in part.left_out]

    def __len__(self):
        return int(self.ends[-1])

    @property
    def digest(self):
        """CRC-32 over the digests of the shards."""
        return zlib.crc32(np.array([part.digest for part in self.parts], "<u4").tobytes())

    def image(self, index):
        """Image as uint8 (height, width, channels); raises as Cache.image()."""
        part, row = self._place(index)
        return part.image(row)

    def label(self, index):
        """Label as uint8 or uint16 (height, width); raises as Cache.label()."""
        part, row = self._place(index)
        return part.label(row)

    def _place(self, index):
        number = int(np.searchsorted(self.ends, index, side="right"))
        return self.parts[number], int(index - self.ends[number] + self.sizes[number])


def pairs_of(pairs, number, count):
    """The pairs, or what belongs to each of them, of shard `number` of `count`."""
    return pairs[number::count]
