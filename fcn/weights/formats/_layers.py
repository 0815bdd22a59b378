"""Conversion of stored arrays to checked layers: dtypes, shapes, finite values, one order of axes and colours."""

import numpy as np

from fcn.models import published_nets
from fcn.models.published_nets import FULLY_CONNECTED
from fcn.weights.formats import _published
from fcn.weights.formats._weights import refusal

BLOCK = 64  # channels, see transposed()


def numbers(array, what, path):
    """Return the array as float32. Raises WeightsError unless it holds finite numbers. what: its name in messages."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiu":
        raise refusal(path, f"{what} has dtype {array.dtype}, expected numbers")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise refusal(path, f"{what} holds values that are not finite")
    return array


def four_axes(kernel, name, path):
    """Return the kernel with four axes; MATLAB drops trailing axes of length one."""
    if kernel.ndim > 4:
        raise refusal(path, f"{name} has a kernel of shape {kernel.shape}, expected at most 4 axes")
    return kernel.reshape(kernel.shape + (1,) * (4 - kernel.ndim))


def kernel_and_bias(stored, name, path):
    """Return (kernel (height, width, in, out), bias (out,)), float32, of a stored pair. Raises WeightsError."""
    kernel, bias = (numbers(array, name, path) for array in stored)
    kernel, bias = four_axes(kernel, name, path), bias.ravel()
    if kernel.shape[3] != bias.size:
        raise refusal(path, f"{name} has kernel {kernel.shape} but {bias.size} biases")
    return kernel, bias


def as_convolutions(stored):
    """Return {name: (kernel, bias)} with fully connected matrices (in, out) reshaped to convolutions."""
    def reshaped(name, kernel):
        side, kernel = published_nets.side(name), np.asarray(kernel)
        if kernel.ndim != 2 or kernel.shape[0] % (side * side):
            return kernel
        return kernel.reshape(side, side, -1, kernel.shape[1])
    return {name: (reshaped(name, kernel), bias) for name, (kernel, bias) in stored.items()}


def read_vgg(stored, path, documented, must_be_published=True, channels=3):
    """Check the VGG in `stored`, {name: (kernel, bias)}, and convert it to (height, width, in, out) and RGB.

    documented, must_be_published: see _published.order. documented=None: the file is known to be height x width and
    RGB. channels: of the images, as many as the mean colour has numbers. Returns (layers, (axes, reverse), notes). fc6
    and fc7 are dropped unless both exist. Raises WeightsError.
    """
    names = published_nets.convolutions(stored)
    missing = [name for name in names if name not in stored]
    if missing:
        raise refusal(path, f"is not a VGG-16 or VGG-19: {', '.join(missing)} is missing",
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
    layers = {name: (transposed(kernel, axes), bias) for name, (kernel, bias) in layers.items()}
    if reverse:
        kernel, bias = layers["conv1_1"]
        layers["conv1_1"] = np.ascontiguousarray(kernel[:, :, ::-1]), bias
    _check_chain(layers, path, channels)
    if not with_fc:
        notes += ("the file ends at pool5: fc6 and fc7 are initialised randomly",)
    return layers, (axes, reverse), notes


def transposed(kernel, axes):
    """Return the kernel with its axes reordered, in C order.

    MATLAB stores the first axis fastest. Copying in blocks that fit a CPU cache takes 0.4 s instead of 1.0 s for fc6
    (411 MB).
    """
    kernel = kernel.transpose(axes)
    if kernel.flags.c_contiguous:
        return kernel
    result = np.empty(kernel.shape, np.float32)
    for i in range(0, kernel.shape[2], BLOCK):
        for j in range(0, kernel.shape[3], BLOCK):
            result[:, :, i:i + BLOCK, j:j + BLOCK] = kernel[:, :, i:i + BLOCK, j:j + BLOCK]
    return result


def mean_colour(image, path):
    """Return the mean colour, float32 (3,), of an image (height, width, 3) or of three numbers, in the file's order.

    A file of this project has another number for a net for images of other channels.
    """
    image = numbers(image, "the mean colour", path)
    if not image.size:
        raise refusal(path, f"the mean colour has shape {image.shape}, expected three channels")
    channels = image.shape[2] if image.ndim == 3 else image.size
    return image.reshape(-1, channels).mean(axis=0, dtype=np.float64).astype(np.float32)


def _check_chain(layers, path, channels):
    """Raise WeightsError unless the input channels of each layer equal the output channels of the layer before.

    channels: of the images.
    """
    for name, (kernel, _) in layers.items():
        needed = (published_nets.side(name), published_nets.side(name), channels, kernel.shape[3])
        if kernel.shape != needed or not kernel.shape[3]:
            of = "" if channels == 3 or name != "conv1_1" else f" for a mean colour of {channels} numbers"
            raise refusal(path, f"{name} has kernel {kernel.shape}, expected {needed}{of}")
        channels = kernel.shape[3]
