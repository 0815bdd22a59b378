"""From arrays as a file has them to checked layers: kinds, shapes, finite numbers, one order of axes and colours."""

import numpy as np

from fcn.models import published_nets
from fcn.models.published_nets import FULLY_CONNECTED
from fcn.weights.formats import _published
from fcn.weights.formats._weights import refusal

BLOCK = 64


def numbers(array, what, path):
    """float32 array; refused if it holds something else than finite real numbers."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiu":
        raise refusal(path, f"{what} holds no numbers but {array.dtype}")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise refusal(path, f"{what} holds numbers that are not finite")
    return array


def four_axes(kernel, name, path):
    """The kernel with the last axes of length one that MATLAB drops."""
    if kernel.ndim > 4:
        raise refusal(path, f"{name} has a kernel of {kernel.ndim} axes, {kernel.shape}")
    return kernel.reshape(kernel.shape + (1,) * (4 - kernel.ndim))


def kernel_and_bias(stored, name, path):
    """(kernel (height, width, in, out), bias (out,)) of a pair as stored."""
    kernel, bias = (numbers(array, name, path) for array in stored)
    kernel, bias = four_axes(kernel, name, path), bias.ravel()
    if kernel.shape[3] != bias.size:
        raise refusal(path, f"{name} has kernel {kernel.shape} and {bias.size} biases")
    return kernel, bias


def as_convolutions(stored):
    """{name: (kernel, bias)} with fully connected matrices (in, out) as the convolutions that they are."""
    def reshaped(name, kernel):
        side, kernel = published_nets.side(name), np.asarray(kernel)
        if kernel.ndim != 2 or kernel.shape[0] % (side * side):
            return kernel
        return kernel.reshape(side, side, -1, kernel.shape[1])
    return {name: (reshaped(name, kernel), bias) for name, (kernel, bias) in stored.items()}


def body(stored, path, documented, must_be_published=True):
    """(layers, (axes, reverse), notes): the checked VGG in `stored`, {name: (kernel, bias)}, turned to height x width
    and RGB; fc6 and fc7 are left out unless both are there. documented and must_be_published: see _published.order;
    documented None: it is height x width and RGB for certain.
    """
    names = published_nets.convolutions(stored)
    missing = [name for name in names if name not in stored]
    if missing:
        raise refusal(path, f"holds no VGG-16 or VGG-19: {', '.join(missing)} is missing",
                      why=f"found: {', '.join(list(stored)[:20]) or 'no layer with weights'}")
    with_fc = all(name in stored for name in FULLY_CONNECTED)
    wanted = names + (FULLY_CONNECTED if with_fc else ())
    layers = {name: kernel_and_bias(stored[name], name, path) for name in wanted}
    axes, reverse = _published.HEIGHT_WIDTH, _published.RGB
    notes: tuple[str, ...] = ()
    if documented is not None:
        (axes, reverse), note = _published.order(layers["conv1_1"][0], published_nets.backbone(stored), documented,
                                                 must_be_published, path)
        notes = (note,)
    layers = {name: (turned(kernel, axes), bias) for name, (kernel, bias) in layers.items()}
    if reverse:
        kernel, bias = layers["conv1_1"]
        layers["conv1_1"] = np.ascontiguousarray(kernel[:, :, ::-1]), bias
    _check_chain(layers, path)
    if not with_fc:
        notes += ("the file ends at pool5: fc6 and fc7 are not in it and start from random weights",)
    return layers, (axes, reverse), notes


def turned(kernel, axes):
    """The kernel with its axes reordered, in C order. MATLAB stores the first axis fastest; copied in blocks that fit
    a cache, fc6's 411 MB are turned in 0.4 s instead of 1.0.
    """
    kernel = kernel.transpose(axes)
    if kernel.flags.c_contiguous:
        return kernel
    turned = np.empty(kernel.shape, np.float32)
    for i in range(0, kernel.shape[2], BLOCK):
        for j in range(0, kernel.shape[3], BLOCK):
            turned[:, :, i:i + BLOCK, j:j + BLOCK] = kernel[:, :, i:i + BLOCK, j:j + BLOCK]
    return turned


def mean_colour(image, path):
    """float32 (3,): the mean over an image (height, width, 3), or three numbers, in the order of the file."""
    image = numbers(image, "the mean colour", path)
    if image.size % 3 or not image.size:
        raise refusal(path, f"its mean has shape {image.shape}, three colours are needed")
    return image.reshape(-1, 3).mean(axis=0, dtype=np.float64).astype(np.float32)


def _check_chain(layers, path):
    """Every layer must take what the one before gives: 3 colours, then each width in turn."""
    channels = 3
    for name, (kernel, _) in layers.items():
        needed = (published_nets.side(name), published_nets.side(name), channels, kernel.shape[3])
        if kernel.shape != needed or not kernel.shape[3]:
            raise refusal(path, f"{name} has kernel {kernel.shape}, the net needs {needed}")
        channels = kernel.shape[3]
