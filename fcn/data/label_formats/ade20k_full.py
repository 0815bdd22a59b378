"""The full ADE20K of 2016, mapped to the 150 classes of the benchmark. Labels are *_seg.png.

    class of the full data set = red // 10 * 256 + green     (about 3,000 classes; blue is the number of the object)

Classes outside the benchmark become 0, "other". They cannot be restored, so write() makes a PNG of the benchmark's ids,
which the label format `ids` reads.
"""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.label_formats import _rgb
from fcn.data.label_formats import ids as ids_format

SUFFIXES = (".png",)
SUFFIX = ".png"
WRITES_ID_PNG = True
HIGHEST = 25 * 256 + 255
size = _rgb.size
# {id of the benchmark: classes of the full ADE20K}, from CSAILVision/sceneparsing, convertFromADE/mapFromADE.txt.
# All other classes are 0, "other".
FULL_BY_ID = {
    1: (2978,), 2: (312,), 3: (2420,), 4: (976,), 5: (2855,), 6: (447,), 7: (2131,), 8: (165,), 9: (3055,),
    10: (1125,), 11: (350,), 12: (2377,), 13: (1831,), 14: (838,), 15: (774, 783), 16: (2684,), 17: (1610,),
    18: (1910,), 19: (687,), 20: (471,), 21: (401,), 22: (2994,), 23: (1735,), 24: (2473,), 25: (2329,), 26: (1276,),
    27: (2264,), 28: (1564,), 29: (2178,), 30: (913,), 31: (57,), 32: (2272,), 33: (907,), 34: (724,), 35: (2138,),
    36: (2985, 533), 37: (1395,), 38: (155,), 39: (2053,), 40: (689,), 41: (137,), 42: (266,), 43: (581,),
    44: (2380,), 45: (491,), 46: (627,), 47: (2212,), 48: (2388,), 49: (2423,), 50: (943,), 51: (2096,), 52: (1121,),
    53: (1788,), 54: (2530,), 55: (2185,), 56: (420,), 57: (1948,), 58: (1869,), 59: (2251,), 60: (2531,),
    61: (2128,), 62: (294,), 63: (239,), 64: (212,), 65: (571,), 66: (2793,), 67: (978,), 68: (236,), 69: (1240,),
    70: (181,), 71: (629,), 72: (2598,), 73: (1744,), 74: (1374,), 75: (591,), 76: (2679,), 77: (223,), 78: (123,),
    79: (47,), 80: (1282,), 81: (327,), 82: (2821,), 83: (1451,), 84: (2880,), 85: (2828,), 86: (480,), 87: (77,),
    88: (2616,), 89: (246, 247), 90: (2733,), 91: (14,), 92: (738,), 93: (38,), 94: (1936,), 95: (1401,), 96: (120,),
    97: (868,), 98: (1702,), 99: (249,), 100: (308,), 101: (1969,), 102: (2526,), 103: (2928,), 104: (2337,),
    105: (1023,), 106: (609,), 107: (389,), 108: (2989,), 109: (1930,), 110: (2668,), 111: (2586,), 112: (131,),
    113: (146,), 114: (3016,), 115: (2739,), 116: (95,), 117: (1563,), 118: (642,), 119: (1708,), 120: (103,),
    121: (1002,), 122: (2569,), 123: (2704,), 124: (2833,), 125: (1551,), 126: (1981,), 127: (29,), 128: (187,),
    129: (1393,), 130: (747,), 131: (2254,), 132: (206,), 133: (2262,), 134: (1260,), 135: (2243,), 136: (2932,),
    137: (2836,), 138: (2850,), 139: (64,), 140: (894,), 141: (1858,), 142: (3109,), 143: (1919,), 144: (1583,),
    145: (318,), 146: (2356,), 147: (2046,), 148: (1098,), 149: (530,), 150: (954,),
}


def _table():
    """uint8 (HIGHEST + 1,): the benchmark's id of each class of the full data set."""
    table = np.zeros(HIGHEST + 1, np.uint8)
    for benchmark, full in FULL_BY_ID.items():
        table[list(full)] = benchmark
    return table


TABLE = _table()


def read(path, spec, max_pixels=images.MAX_PIXELS):
    """Class ids as uint8 (height, width), 0 to 150. Raises DataError."""
    pixels = _rgb.read(path, max_pixels)
    if (pixels[..., 0] % 10).any():
        raise errors.DataError("is not a label of the full ADE20K: the values of red are not multiples of 10",
                               where=path, fix="use *_seg.png as downloaded, neither resized nor saved again.")
    return TABLE[pixels[..., 0].astype(np.uint16) // 10 * 256 + pixels[..., 1]]


def write(path, ids, spec):
    """Write a PNG of the benchmark's ids."""
    ids_format.write(path, ids, spec)
