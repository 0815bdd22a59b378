"""Enlarge or shrink by up to a tenth: a window of another size is cut and resized to the size asked for."""

STREAM = 10
PADS = True


def draw(rng):
    """Factor from 0.9 to 1.1."""
    return rng.uniform(0.9, 1.1)


def window_px(size_px, value):
    return tuple(max(1, round(side / value)) for side in size_px)


def change(array, value):
    """Nothing is left to do: the window has been resized."""
    return array
