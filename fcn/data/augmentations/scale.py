"""Scale by a factor from 0.9 to 1.1: a crop of another size is resized to the sample's size."""

STREAM = 10
PADS = True


def draw(rng):
    """Factor, uniform from 0.9 to 1.1."""
    return rng.uniform(0.9, 1.1)


def window_px(size_px, value):
    """Size of the crop: size_px divided by the factor."""
    return tuple(max(1, round(side / value)) for side in size_px)


def change(array, value):
    """The array itself: the crop has been resized already."""
    return array
