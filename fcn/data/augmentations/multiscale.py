"""Scale by a factor from 0.5 to 2, as mmsegmentation does for ADE20K (ratio_range of RandomResize).

Use it with crop_size: a crop that becomes larger than the image is filled with the mean colour and an ignored label.
"""

from fcn.data.augmentations.scale import change, window_px

__all__ = ["PADS", "change", "draw", "window_px"]

PADS = True


def draw(rng):
    """Factor, uniform from 0.5 to 2."""
    return rng.uniform(0.5, 2)
