"""Augmentation: crop and change an image and its label (mask) together. Labels are never interpolated.

Every random value is a function of (seed, sample number, name of the augmentation). So a resumed run draws the same
values as an uninterrupted one, and an additional augmentation does not change what the others draw.
"""

import dataclasses
import math
import zlib

import numpy as np

from fcn.core import errors, registry
from fcn.data import images

FILL_RGB = (124, 117, 104)  # about the mean colour of ImageNet
CROP = 1  # random stream of the crop position; batch_loader.py has streams 0 and 3


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How the samples of a run are augmented.

    names: of augmentations (files in fcn/data/augmentations). seed: of the run. fill_rgb: values of the channels
    (0-255) outside an image. padding_id: label outside an image.
    """

    names: tuple[str, ...] = ()
    seed: int = 0
    fill_rgb: tuple[int, ...] = FILL_RGB
    padding_id: int = 255


def stream(seed, purpose, *numbers):
    """The NumPy generator of a seed, a purpose and numbers."""
    return np.random.default_rng((seed, purpose, *numbers))


def drawn(names, seed, number):
    """{name: random value} for sample `number`, in the order in which the augmentations are applied."""
    modules = {name: registry.load("augmentations", name) for name in names}
    ordered = sorted(names, key=lambda name: (math.inf if modules[name].STREAM is None else modules[name].STREAM, name))
    return {name: modules[name].draw(stream(seed, stream_of(name), number)) for name in ordered}


def stream_of(name):
    """Number of the random stream of an augmentation: its STREAM, or the CRC-32 of its name."""
    own = registry.load("augmentations", name).STREAM
    return zlib.crc32(name.encode()) if own is None else own


def check_streams(names):
    """Raise UsageError if two of these augmentations have the same STREAM, so that their values would be correlated."""
    name_of: dict[int, str] = {}
    for name in names:
        own = stream_of(name)
        if own in name_of:
            raise errors.UsageError(f"the augmentation '{name_of[own]}' has STREAM {own}, too",
                                    where=registry.path("augmentations", name),
                                    fix="leave out STREAM: then the number follows from the file's name.")
        name_of[own] = name


def sample(image, label, size_px, augmentation, number):
    """Crop an image, uint8 (h, w, c), and its label, (h, w) of ids, to size_px = (height, width) and augment both.

    augmentation: an Augmentation. number: of the sample in the run. size_px=None: the whole image; then an odd number
    of quarter turns swaps height and width of the result. Results may be read-only views.

    The crop position is uniform. Only the crop is read, so its size decides the cost. An augmentation may ask for a
    crop of another size (augmentations/__init__.py): "turn" swaps height and width for an odd number of quarter turns;
    "scale" divides them by its factor, and the crop is resized. A crop larger than the image is filled with fill_rgb
    and padding_id outside the image.
    Raises UsageError for an augmentation whose result has a wrong shape or dtype.
    """
    changes = [(registry.load("augmentations", name), value) for name, value in
               drawn(augmentation.names, augmentation.seed, number).items()]
    size = tuple(size_px or label.shape)
    for module, value in reversed(changes):
        if size_px and module.size_before:
            size = module.size_before(size, value)
    sides, id_dtype = size, label.dtype
    for module, value in changes:
        sides = module.window_px(sides, value) if module.window_px else sides
    top, left = corner(label.shape, sides, augmentation.seed, number)
    image = images.resize_image(cut(image, top, left, sides, augmentation.fill_rgb), size)
    label = images.resize_label(cut(label, top, left, sides, augmentation.padding_id), size)
    for module, value in changes:
        before, image = image, module.change(image, value)
        label = module.change(label, value) if module.MOVES_LABEL else label
        _check(module, image, label, id_dtype, before.shape[2])
    if size_px and changes and label.shape != tuple(size_px):
        raise errors.UsageError(f"returned a sample of {label.shape} px, expected {tuple(size_px)}",
                                where=changes[-1][0].__file__, fix="let change() keep the size, or define "
                                "size_before() with the size that it needs.")
    return image, label


def _check(module, image, label, id_dtype, channels):
    """Raise UsageError unless an augmentation returned an image uint8 (h, w, channels) and a label of id_dtype."""
    for name, array, dtype, shape in (("image", image, np.dtype(np.uint8), (*label.shape[:2], channels)),
                                      ("label", label, id_dtype, image.shape[:2])):
        if array.dtype != dtype or array.shape != shape:
            raise errors.UsageError(f"returned the {name} as {array.dtype} {array.shape}, expected {dtype} {shape}",
                                    where=module.__file__, fix="let change() keep the dtype, and change image and "
                                    "label in the same way if MOVES_LABEL is True.")


def corner(shape, sides, seed, number):
    """(top, left) of the crop of sample `number` in an image of this shape; negative where the crop is larger.

    shape, sides: (height, width) of image and crop. The position is drawn as fractions, so that a crop of another scale
    has about the same position.
    """
    if tuple(shape) == sides:
        return 0, 0
    fractions = stream(seed, CROP, number).random(2)
    return tuple(min(0, whole - side) + int(fraction * (abs(whole - side) + 1))
                 for whole, side, fraction in zip(shape, sides, fractions, strict=True))


def cut(array, top, left, sides, fill):
    """Crop an array (h, w, ...) to (*sides, ...). Pixels outside the array are `fill`.

    The crop must share a pixel with the array. The result is a view if nothing is filled.
    """
    inside = array[max(top, 0):top + sides[0], max(left, 0):left + sides[1]]
    if inside.shape[:2] == tuple(sides):
        return inside
    window = np.empty((*sides, *array.shape[2:]), array.dtype)
    window[:] = fill
    top, left = max(-top, 0), max(-left, 0)
    window[top:top + inside.shape[0], left:left + inside.shape[1]] = inside
    return window
