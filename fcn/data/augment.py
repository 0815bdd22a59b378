"""(image, label) -> (image, label) of the size asked for, both moved alike; labels move, they are never interpolated.

Every draw is a pure function of (seed, sample number, name of the augmentation): a resumed run sees what the first one
would have, and switching one augmentation on leaves the draws of the others as they were.
"""

import dataclasses
import math
import zlib

import numpy as np

from fcn.core import errors, registry
from fcn.data import images

FILL_RGB = (124, 117, 104)  # about the mean colour of ImageNet's photos
CROP = 1  # random stream of the crop's position; 0 and 3 are those of batch_loader.py


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How the samples of a run are augmented. names: of files in fcn/data/augmentations. seed: of the run. fill_rgb,
    padding_id: pixels and label outside an image.
    """

    names: tuple[str, ...] = ()
    seed: int = 0
    fill_rgb: tuple[int, int, int] = FILL_RGB
    padding_id: int = 255


def stream(seed, purpose, number):
    """The random generator of one purpose and one number of a run."""
    return np.random.default_rng((seed, purpose, number))


def drawn(names, seed, number):
    """{name: value} of sample `number`, in the order in which the augmentations are applied."""
    modules = {name: registry.load("augmentations", name) for name in names}
    ordered = sorted(names, key=lambda name: (math.inf if modules[name].STREAM is None else modules[name].STREAM, name))
    return {name: modules[name].draw(stream(seed, stream_of(name), number)) for name in ordered}


def stream_of(name):
    """Number of the random stream of an augmentation."""
    own = registry.load("augmentations", name).STREAM
    return zlib.crc32(name.encode()) if own is None else own


def check_streams(names):
    """Raise UsageError if two augmentations that are used together have the same STREAM: they would draw alike."""
    seen: dict[int, str] = {}
    for name in names:
        own = stream_of(name)
        if own in seen:
            raise errors.UsageError(f"STREAM {own} is that of the augmentation '{seen[own]}', too",
                                    where=registry.path("augmentations", name),
                                    fix="leave out STREAM: a number is made of the file's name.")
        seen[own] = name


def sample(image, label, size_px, augmentation, number):
    """image uint8 (h, w, 3) and label uint8 (h, w) -> the same of size_px = (height, width), augmented.

    augmentation: an Augmentation. number: of the sample in the run.

    Only a window of that size is read of the image, every position equally likely: the cost is that of the window. An
    augmentation may ask for a window of another size (augmentations/__init__.py): "turn" swaps its sides for an odd
    number of quarters, "scale" divides them by the factor, and it is resized back. A window larger than the image lies
    anywhere around it; outside are fill_rgb and padding_id.
    Without size_px the window is the whole image, and an odd number of quarter turns swaps the sides of the result.
    Results may be read-only views.
    """
    changes = [(registry.load("augmentations", name), value) for name, value in
               drawn(augmentation.names, augmentation.seed, number).items()]
    size = tuple(size_px or label.shape)
    for module, value in reversed(changes):
        if size_px and module.size_before:
            size = module.size_before(size, value)
    sides = size
    for module, value in changes:
        sides = module.window_px(sides, value) if module.window_px else sides
    top, left = corner(label.shape, sides, augmentation.seed, number)
    image = images.resize_photo(cut(image, top, left, sides, augmentation.fill_rgb), size)
    label = images.resize_label(cut(label, top, left, sides, augmentation.padding_id), size)
    for module, value in changes:
        image = module.change(image, value)
        label = module.change(label, value) if module.MOVES_LABEL else label
        _check(module, image, label)
    if size_px and changes and label.shape != tuple(size_px):
        raise errors.UsageError(f"it made samples of {label.shape} px, asked for are {tuple(size_px)}",
                                where=changes[-1][0].__file__, fix="change() keeps the size, or size_before() says "
                                "which one it needs.")
    return image, label


def _check(module, image, label):
    """Raise UsageError unless an augmentation left an image uint8 (h, w, 3) and its label uint8 (h, w)."""
    for name, array, shape in (("image", image, (*label.shape[:2], 3)), ("label", label, image.shape[:2])):
        if array.dtype != np.uint8 or array.shape != shape:
            raise errors.UsageError(f"it made the {name} {array.dtype} {array.shape}, expected uint8 {shape}",
                                    where=module.__file__, fix="change() keeps the type, and moves image and label "
                                    "alike if MOVES_LABEL is True.")


def corner(shape, sides, seed, number):
    """(top, left) of the window of sample `number` in an image of this shape; negative if the window is the larger one.

    Fractions are drawn, so that a window of another scale lies at about the same place.
    """
    if tuple(shape) == sides:
        return 0, 0
    fractions = stream(seed, CROP, number).random(2)
    return tuple(min(0, whole - side) + int(fraction * (abs(whole - side) + 1))
                 for whole, side, fraction in zip(shape, sides, fractions, strict=True))


def cut(array, top, left, sides, fill):
    """The window of array (h, w, ...) with this corner, and `fill` where it reaches out of the array: (*sides, ...).

    They share at least a pixel. It is a view where nothing is filled.
    """
    inside = array[max(top, 0):top + sides[0], max(left, 0):left + sides[1]]
    if inside.shape[:2] == tuple(sides):
        return inside
    window = np.empty((*sides, *array.shape[2:]), array.dtype)
    window[:] = fill
    top, left = max(-top, 0), max(-left, 0)
    window[top:top + inside.shape[0], left:left + inside.shape[1]] = inside
    return window
