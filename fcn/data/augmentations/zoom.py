"""Zoom into the centre: the middle 70 to 100 % of both sides, resized to the sample's size."""

from fcn.data import images

MOVES_LABEL = True


def draw(rng):
    """Share of each side that is kept, uniform from 0.7 to 1."""
    return rng.uniform(0.7, 1)


def change(array, share):
    """The middle `share` of the rows and columns, resized: images bilinearly, labels by nearest neighbour."""
    size_px = array.shape[:2]
    rows, columns = (max(1, round(share * side)) for side in size_px)
    top, left = (size_px[0] - rows) // 2, (size_px[1] - columns) // 2
    middle = array[top:top + rows, left:left + columns]
    return (images.resize_image if array.ndim == 3 else images.resize_label)(middle, size_px)
