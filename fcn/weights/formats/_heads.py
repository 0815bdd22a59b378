"""Score and upsampling layers of the published FCNs, and the test for plain bilinear upsampling.

Names are those of the prototxt files of fcn.berkeleyvision.org (voc-fcn32s, voc-fcn16s, voc-fcn8s, voc-fcn8s-atonce).
"""

import json
import math

import numpy as np

from fcn.config import variants
from fcn.data.spec import MAX_PIXELS, MOST_IDS
from fcn.models import published_nets
from fcn.weights.formats._weights import refusal

# net: score layers, and {upsampling layer: factor}, both from input to output. A kernel is twice its factor wide.
FCN8S = ("score_fr", "score_pool4", "score_pool3"), {"upscore2": 2, "upscore_pool4": 2, "upscore8": 8}
NETS = {
    "fcn32s": (("score_fr",), {"upscore": 32}),
    "fcn16s": (("score_fr", "score_pool4"), {"upscore2": 2, "upscore16": 16}),
    "fcn8s": FCN8S,
    "fcn8s_atonce": FCN8S,
}
NO_NOTE: tuple[dict, tuple[int, ...], tuple[int, int] | None] = {}, (), None  # what read_note() returns of no fields
POOL_SCALES = {f"score_{pool}": scale for pool, scale in published_nets.POOL_SCALES.items()}


def bilinear(factor):
    """Return the filter of bilinear interpolation, float32 (2 factor, 2 factor)."""
    return published_nets.bilinear_2d(2 * factor).astype(np.float32)


def is_plain(kernel):
    """Return whether a kernel (height, width, out, in) is exactly bilinear interpolation of each channel by itself."""
    size, _, channels, _ = kernel.shape
    if kernel.shape != (size, size, channels, channels) or size % 2:
        return False
    diagonal = kernel[..., range(channels), range(channels)]
    return bool((diagonal == bilinear(size // 2)[..., None]).all()
                and np.count_nonzero(kernel) == np.count_nonzero(diagonal))


def ungrouped(kernel):
    """Expand a grouped kernel (height, width, 1, channels) to (height, width, channels, channels).

    Other kernels are returned unchanged.
    """
    size, _, depth, channels = kernel.shape
    if depth != 1 or channels == 1:
        return kernel
    full = np.zeros((size, kernel.shape[1], channels, channels), np.float32)
    full[..., range(channels), range(channels)] = kernel[:, :, 0]
    return full


def check(net, layers, path):
    """Raise WeightsError if a layer of an FCN is missing or its shape does not match the widths of the VGG."""
    scores, upsampling = NETS[net]
    below = {"score_fr": "fc7", "score_pool4": published_nets.last_of_stage(4, layers),
             "score_pool3": published_nets.last_of_stage(3, layers)}
    missing = [name for name in (*scores, "fc6", "fc7") if name not in layers]
    if missing:
        raise refusal(path, f"is not a complete {net}: {', '.join(missing)} is missing")
    classes = layers["score_fr"][0].shape[3]
    needed = {name: (1, 1, layers[below[name]][0].shape[3], classes) for name in scores}
    needed |= {name: (2 * factor, 2 * factor, classes, classes)
               for name, factor in upsampling.items() if name in layers}
    for name, shape in needed.items():
        if layers[name][0].shape != shape:
            raise refusal(path, f"{name} has kernel {layers[name][0].shape}, expected {shape} for {net}")


def in_order(net, layers):
    """Return the layers of an FCN sorted from conv1_1 to the last upsampling."""
    scores, upsampling = NETS[net]
    names = (*published_nets.convolutions(layers), *published_nets.FULLY_CONNECTED, *scores, *upsampling)
    return {name: layers[name] for name in names if name in layers}


def as_note(weights):
    """Return variant, ignored ids and size of training images as JSON, the metadata in files of this project."""
    size = {"size": list(weights.size)} if weights.size else {}
    return json.dumps(weights.variant | {"ignored_ids": list(weights.ignored_ids)} | size)


def read_note(text):
    """Parse the JSON of as_note: ({field of Variants: value}, ignored ids, size or None). None if invalid.

    Drops unknown fields.
    """
    try:
        noted = json.loads(text)
        ids = noted.get("ignored_ids", [])
        ids = tuple(i for i in ids if isinstance(i, int) and 0 <= i < MOST_IDS) if isinstance(ids, list) else ()
        variant = {key: value for key, value in noted.items() if variants.is_valid(key, value)}
        return variant, ids, _size(noted.get("size"))
    except (ValueError, AttributeError, RecursionError):
        return None


def _size(noted):
    """(height, width) of a note if it is a possible size of an image; otherwise None."""
    if not isinstance(noted, list) or [type(side) for side in noted] != [int, int]:
        return None
    return tuple(noted) if min(noted) > 0 and math.prod(noted) <= MAX_PIXELS else None
