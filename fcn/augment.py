"""(image, label) -> (image, label) of the size asked for, both moved alike; labels move, they are never interpolated.

Every draw is a pure function of (seed, sample number, name of the augmentation): a resumed run sees what the first one
would have, and switching one augmentation on leaves the draws of the others as they were.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from fcn import images

FILL_RGB = (124, 117, 104)  # about the mean colour of ImageNet's photos
CROP = 1  # random stream of the crop's position; 0 and 3 are those of batches.py

# RGB -> luma and two axes of colour (NTSC's YIQ). Greys lie on the first axis: the other rows sum to 0.
YIQ = np.array([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])


def brighten(image, levels):
    """Add grey levels, cut off at 0 and 255."""
    return _look_up(image, np.arange(256) + levels)


def bend(image, exponent):
    """255 (v / 255) ** exponent: black and white stay."""
    return _look_up(image, 255 * (np.arange(256) / 255) ** exponent)


def _look_up(image, table):
    return np.rint(table).clip(0, 255).astype(np.uint8)[image]


def rotate_hue(image, degrees):
    """Rotate the colours about the axis of greys; luma stays where no channel is cut off."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = np.linalg.inv(YIQ) @ [[1, 0, 0], [0, cos, -sin], [0, sin, cos]] @ YIQ
    rows = np.hstack([matrix, np.zeros((3, 1))])  # Pillow adds a fourth column, rounds and cuts off
    return np.asarray(Image.fromarray(image).convert("RGB", tuple(rows.ravel().tolist())))


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """stream: number of its random stream, never to be changed. draw(rng) -> value. change(array, value) -> array; the
    label is changed too if `moves`.
    """

    stream: int
    draw: Callable
    change: Callable
    moves: bool = False


def _coin(rng):
    return rng.random() < 0.5


def _leave(array, value):
    """For what was done when the window was cut."""
    return array


# In the order in which they are done.
TABLE = {
    "scale": Augmentation(10, lambda rng: rng.uniform(0.9, 1.1), _leave),
    "turn": Augmentation(11, lambda rng: int(rng.integers(4)), np.rot90, moves=True),  # quarters, to the left
    "hflip": Augmentation(12, _coin, lambda array, yes: array[:, ::-1] if yes else array, moves=True),
    "vflip": Augmentation(13, _coin, lambda array, yes: array[::-1] if yes else array, moves=True),
    "brightness": Augmentation(14, lambda rng: int(rng.integers(-32, 33)), brighten),
    "gamma": Augmentation(15, lambda rng: math.exp(rng.uniform(math.log(0.8), math.log(1.25))), bend),
    "hue": Augmentation(16, lambda rng: rng.uniform(-18, 18), rotate_hue),
}
NAMES = tuple(TABLE)


def stream(seed, purpose, number):
    """The random generator of one purpose and one number of a run."""
    return np.random.default_rng((seed, purpose, number))


def drawn(names, seed, number):
    """{name: value} of sample `number`, in the order of TABLE."""
    return {name: TABLE[name].draw(stream(seed, TABLE[name].stream, number)) for name in sorted(names, key=NAMES.index)}


def sample(image, label, size_px, names, seed, number, fill_rgb=FILL_RGB, padding_id=255):
    """image uint8 (h, w, 3) and label uint8 (h, w) -> the same of size_px = (height, width), augmented.

    A window of that size, every position equally likely, is all that is read of the image: the cost is that of the
    window. With "turn" its sides are swapped for an odd number of quarters, with "scale" divided by the factor and
    resized back. A window larger than the image lies anywhere around it; outside are fill_rgb and padding_id.
    Without size_px the window is the whole image, and an odd number of quarter turns swaps the sides of the result.
    Results may be read-only views.
    """
    values = drawn(names, seed, number)
    size = tuple(size_px or label.shape)
    if size_px and values.get("turn", 0) % 2:
        size = size[::-1]
    sides = tuple(max(1, round(side / values.get("scale", 1))) for side in size)
    top, left = corner(label.shape, sides, seed, number)
    image = images.resize_photo(cut(image, top, left, sides, fill_rgb), size)
    label = images.resize_label(cut(label, top, left, sides, padding_id), size)
    for name, value in values.items():
        image = TABLE[name].change(image, value)
        label = TABLE[name].change(label, value) if TABLE[name].moves else label
    return image, label


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
