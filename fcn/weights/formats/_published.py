"""Published values of conv1_1, which identify VGG-16 and VGG-19 and the order of axes and colours in a file.

Public reports disagree on whether MatConvNet's files store kernels as height x width or width x height, and conversions
differ in the order of the colours. Comparison with the published values decides both: in any wrong order at least one
value differs by ten times TOLERANCE.
"""

import numpy as np

from fcn.weights.formats._weights import refusal

# VGG-19, filters 9 and 13, as (height, width, RGB), to 4 decimals. (Simonyan & Zisserman 2015, CC BY 4.0.)
VGG19_FILTERS = {
    9: (((-.1333, -.1482, .0484), (-.2321, -.2375, -.0190), (-.1212, -.1339, .0595)),
        ((-.0487, -.0489, .1448), (-.1261, -.1154, .0981), (-.0289, -.0258, .1637)),
        ((.0534, .0432, .1978), (.0333, .0358, .2068), (.0677, .0612, .2122))),
    13: (((-.0939, .0184, .0519), (-.1788, -.0612, -.0004), (-.2454, -.1525, -.0826)),
         ((.0095, .1435, .1681), (-.0377, .1022, .1532), (-.1845, -.0725, -.0091)),
         ((.0243, .1436, .1473), (-.0044, .1229, .1497), (-.1123, -.0114, .0267))),
}
# VGG-16, from two public print-outs of Keras' file (BGR): the blue plane of filter 0, (height, width), and the top left
# RGB values of six filters. The program with the plane also prints VGG-19's, in the same order.
VGG16_BLUE_0 = ((.4295, .3735, -.0614), (.2748, .0387, -.3672), (-.0575, -.2622, -.3501))
VGG16_CORNERS = {0: (.4800, .5504, .4295), 1: (-.1727, .0209, .1173), 2: (.0376, .0988, .0340),
                 61: (-.1271, -.0848, -.1322), 62: (-.0503, -.0511, -.0533), 63: (.0349, .0375, .0076)}
TOLERANCE = 0.01    # ten times the error of rounding and 8-bit storage, a tenth of that of a wrong order
RECOGNISABLE = 0.1  # fine-tuning changes conv1_1 by less; larger differences identify nothing

SHAPE = (3, 3, 3, 64)
HEIGHT_WIDTH, WIDTH_HEIGHT = (0, 1, 2, 3), (1, 0, 2, 3)
RGB, BGR = False, True  # whether to reverse the colours


def conv1_1(backbone):
    """Return the known values of conv1_1, float32 (3, 3, 3, 64): height, width, RGB, filter. Unknown values are NaN."""
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
    """Return {(axes, reverse): largest difference from the published values} for the four possible orders."""
    known = conv1_1(backbone)
    return {(axes, reverse): float(np.nanmax(np.abs(kernel.transpose(axes)[:, :, ::-1 if reverse else 1] - known)))
            for axes in (HEIGHT_WIDTH, WIDTH_HEIGHT) for reverse in (RGB, BGR)}


def order(kernel, backbone, documented, must_be_published, path):
    """Return ((axes, reverse), note): how to convert the file's conv1_1 to (height, width, RGB, out).

    documented: (axes, reverse) of the format's manual, used when the values do not decide (other widths, or weights
    that were trained much further). must_be_published: raise WeightsError for a kernel of the published shape with
    other values.
    """
    name = {"vgg19": "VGG-19", "vgg16": "VGG-16"}[backbone]
    if kernel.shape != SHAPE:
        return documented, (f"conv1_1 is {kernel.shape}, not {name}'s {SHAPE}: read as documented, "
                            f"{describe(documented)}")
    found = distances(kernel, backbone)
    best = min(found, key=found.__getitem__)
    if found[best] <= TOLERANCE:
        return best, f"conv1_1 matches {name}: {describe(best)} (largest difference {found[best]:.4f})"
    if must_be_published:
        raise refusal(path, f"has the shape of {name} but other values: conv1_1 differs from the published filters by "
                      f"{found[best]:.3f} in the best of the four orders",
                      why="so the order of axes and colours is unknown")
    if found[best] < RECOGNISABLE and found[best] < found[documented] / 2:
        return best, f"conv1_1 matches a fine-tuned {name} (within {found[best]:.3f}): {describe(best)}"
    return documented, (f"conv1_1 does not match the published {name} (differs by {found[best]:.3f}): read as "
                        f"documented, {describe(documented)}")


def describe(found):
    axes, reverse = found
    sides = "height x width" if axes == HEIGHT_WIDTH else "width x height"
    return f"kernels are stored {sides}, channels {'BGR' if reverse else 'RGB'}"
