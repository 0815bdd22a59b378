"""conv1_1 as published: it tells whose weights a file holds and in which order, whatever the file's manual says.

Public reports disagree whether MatConvNet's files store kernels height x width or width x height, and conversions
differ in the order of the colours. The numbers settle both: under any transposition or reversal at least one of them
is off by ten times TOLERANCE.
"""

import numpy as np

from fcn.weights.formats._weights import refusal

# VGG-19, filters 9 and 13, as (height, width, red-green-blue), to 4 decimals. (Simonyan & Zisserman 2015, CC BY 4.0.)
VGG19_FILTERS = {
    9: (((-.1333, -.1482, .0484), (-.2321, -.2375, -.0190), (-.1212, -.1339, .0595)),
        ((-.0487, -.0489, .1448), (-.1261, -.1154, .0981), (-.0289, -.0258, .1637)),
        ((.0534, .0432, .1978), (.0333, .0358, .2068), (.0677, .0612, .2122))),
    13: (((-.0939, .0184, .0519), (-.1788, -.0612, -.0004), (-.2454, -.1525, -.0826)),
         ((.0095, .1435, .1681), (-.0377, .1022, .1532), (-.1845, -.0725, -.0091)),
         ((.0243, .1436, .1473), (-.0044, .1229, .1497), (-.1123, -.0114, .0267))),
}
# VGG-16, from two public print-outs of Keras' file (BGR there): the whole blue plane of filter 0, (height, width), and
# the top left red-green-blue of six filters. The program that has the plane also has VGG-19's, in the same order.
VGG16_BLUE_0 = ((.4295, .3735, -.0614), (.2748, .0387, -.3672), (-.0575, -.2622, -.3501))
VGG16_CORNERS = {0: (.4800, .5504, .4295), 1: (-.1727, .0209, .1173), 2: (.0376, .0988, .0340),
                 61: (-.1271, -.0848, -.1322), 62: (-.0503, -.0511, -.0533), 63: (.0349, .0375, .0076)}
TOLERANCE = 0.01    # an order of magnitude above rounding and 8-bit storage, one below any wrong order
RECOGNISABLE = 0.1  # further training moves conv1_1 less than this; beyond it, the numbers say nothing

SHAPE = (3, 3, 3, 64)
HEIGHT_WIDTH, WIDTH_HEIGHT = (0, 1, 2, 3), (1, 0, 2, 3)
RGB, BGR = False, True  # whether the colours are to be reversed


def conv1_1(backbone):
    """float32 (3, 3, 3, 64), height x width x red-green-blue x filter; nan where no number is known."""
    known = np.full(SHAPE, np.nan, np.float32)
    if backbone == "vgg19":
        for number, numbers in VGG19_FILTERS.items():
            known[..., number] = numbers
    else:
        known[:, :, 2, 0] = VGG16_BLUE_0
        for number, colour in VGG16_CORNERS.items():
            known[0, 0, :, number] = colour
    return known


def distances(kernel, backbone):
    """{(axes, reverse): largest difference from the published numbers} of the four orders."""
    known = conv1_1(backbone)
    return {(axes, reverse): float(np.nanmax(np.abs(kernel.transpose(axes)[:, :, ::-1 if reverse else 1] - known)))
            for axes in (HEIGHT_WIDTH, WIDTH_HEIGHT) for reverse in (RGB, BGR)}


def order(kernel, backbone, documented, must_be_published, path):
    """((axes, reverse), note): how the file's conv1_1 becomes (height, width, RGB, out).

    documented: (axes, reverse) of the format's manual, taken when the numbers do not tell: another width, or weights
    trained further. must_be_published refuses a kernel of the published shape with other numbers.
    """
    name = {"vgg19": "VGG-19", "vgg16": "VGG-16"}[backbone]
    if kernel.shape != SHAPE:
        return documented, f"conv1_1 is {kernel.shape}, not {name}'s {SHAPE}: taken as documented, {words(documented)}"
    found = distances(kernel, backbone)
    best = min(found, key=found.__getitem__)
    if found[best] <= TOLERANCE:
        return best, f"{name} recognised by conv1_1: {words(best)} (largest difference {found[best]:.4f})"
    if must_be_published:
        raise refusal(path, f"has {name}'s shape but not its numbers: conv1_1 differs from the published filters by "
                      f"{found[best]:.3f} in the best of the four orders",
                      why="so neither the order of the axes nor that of the colours can be told")
    if found[best] < RECOGNISABLE and found[best] < found[documented] / 2:
        return best, f"{name} trained further, recognised by conv1_1 (within {found[best]:.3f}): {words(best)}"
    return documented, (f"conv1_1 is not the published {name}'s (off by {found[best]:.3f}): taken as documented, "
                        f"{words(documented)}")


def words(found):
    axes, reverse = found
    sides = "height x width" if axes == HEIGHT_WIDTH else "width x height"
    return f"kernels are stored {sides}, channels {'BGR' if reverse else 'RGB'}"
