"""(image, label) -> (image, label), both changed alike; labels move, they are never interpolated.

Every draw is a pure function of (seed, sample number), so that a resumed run sees what the first one would have.
"""

import numpy as np


def draw(seed, sample):
    """The random generator of one sample of one run."""
    return np.random.default_rng((seed, 1, sample))  # 1: apart from the stream that orders the samples


def flip(image, label, rng):
    """Mirror left and right with probability one half."""
    return (image[:, ::-1], label[:, ::-1]) if rng.random() < 0.5 else (image, label)


def crop(image, label, size_px, rng):
    """A window of size_px = (height, width), every position equally likely."""
    top = rng.integers(label.shape[0] - size_px[0] + 1)
    left = rng.integers(label.shape[1] - size_px[1] + 1)
    window = np.s_[top:top + size_px[0], left:left + size_px[1]]
    return image[window], label[window]
