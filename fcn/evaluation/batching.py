"""How many images of one size a forward pass predicts.

A pass of several small images keeps all cores busy, where a small image alone does not. But a library may add up the
same numbers in another order for another number of images: in float32, the last bits of the scores then differ, and
with them the class of a pixel with two equal scores. Reports would depend on which images are neighbours, and on the
number of workers. So the first batch of a size is also predicted one image at a time. Larger batches than 1 are used
only if all bits of the scores are equal. The order of a sum depends on the shapes, not on the values, so one
comparison is enough.
"""

import numpy as np

PIXELS = 1 << 18  # in a pass: 16 images of 128x128, 4 of 224x224. Larger passes are hardly faster (RESULTS.md)
MOST = 64         # images in a pass


def same_bits(one, other):
    """Whether two float32 arrays are equal in every bit."""
    return one.shape == other.shape and np.array_equal(one.view(np.int32), other.view(np.int32))


class BatchSizes:
    """The largest number of images in a pass for each size of image; a power of 2.

    fits: function (size_px, number of images) -> whether a pass of so many fits into memory. proven: set of (size_px,
    number of images) whose passes have the scores of single images.
    """

    def __init__(self, fits):
        self.fits = fits
        self.sizes, self.proven = {}, set()

    def of(self, size_px):
        """Most images of size_px = (height, width) in a pass."""
        if size_px not in self.sizes:
            count = min(MOST, max(1, PIXELS // (size_px[0] * size_px[1])))
            count = 1 << count.bit_length() - 1
            while count > 1 and not self.fits(size_px, count):
                count //= 2
            self.sizes[size_px] = count
        return self.sizes[size_px]

    def keep(self, size_px, count, is_same):
        """Note whether the first batch of so many images has the scores of single images. If not, half is the most."""
        if is_same:
            self.proven.add((size_px, count))
        else:
            self.sizes[size_px] = count // 2
