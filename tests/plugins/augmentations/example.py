"""Swap red and blue in every other sample."""


def draw(rng):
    return rng.random() < 0.5


def change(image, swapped):
    return image[..., ::-1] if swapped else image
