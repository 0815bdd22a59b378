"""Flip top and bottom with probability 0.5."""

STREAM = 13
MOVES_LABEL = True


def draw(rng):
    """Whether the sample is flipped."""
    return rng.random() < 0.5


def change(array, value):
    """Flip the rows if `value` is true."""
    return array[::-1] if value else array
