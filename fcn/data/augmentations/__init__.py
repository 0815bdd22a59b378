"""Augmentations, one file each: a random change of a training sample.

A file defines

    draw(rng) -> value                      the random value of a sample; rng is a numpy.random.Generator that depends
                                            on the seed, the sample number and the augmentation
    change(array, value) -> array           the changed image, uint8 (h, w, c); with MOVES_LABEL it is called with the
                                            same value for the label, uint8 or uint16 (h, w)

and may define

    MOVES_LABEL = False                     whether the label is changed too: True if the augmentation moves pixels
    RGB_ONLY = False                        whether it needs RGB images, so that images of other channels are refused
    PADS = False                            whether samples may extend beyond their image; pixels there are ignored
    size_before(size_px, value) -> (h, w)   the input size from which change() makes one of size_px = (height, width)
    window_px(size_px, value) -> (h, w)     the size of the crop that is resized to size_px before change()
    STREAM = None                           number of the random stream and position in the order of augmentations;
                                            never change it. Without it, the number follows from the file's name, and
                                            the augmentation comes after all that have one, sorted by name
"""

REQUIRED = ("draw(rng)", "change(array, value)")
OPTIONAL = {"MOVES_LABEL": False, "RGB_ONLY": False, "PADS": False, "size_before": None, "window_px": None,
            "STREAM": None}
