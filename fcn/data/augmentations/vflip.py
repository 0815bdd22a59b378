"""Mirror top and bottom in every other sample."""

STREAM = 13
MOVES_LABEL = True


def draw(rng):
    """Whether the sample is mirrored."""
    return rng.random() < 0.5


def change(array, value):
    return array[::-1] if value else array
