"""MatConvNet .mat -> named kernels, biases and mean colour, with how the axes were told apart.

Both releases of the ImageNet VGG files are read: the mean stands under `normalization` (beta16) or under
`meta.normalization` (later), and the order of a layer's fields differs, so every field is read by its name. Of a
fully connected layer MatConvNet keeps the convolution that it is: fc6 is 7 x 7, fc7 is 1 x 1.
"""

import dataclasses
import pathlib

import numpy as np
import scipy.io

from fcn import errors
from fcn.vgg_table import CONVOLUTIONS, FULLY_CONNECTED

# VGG-19's conv1_1, filters 9 and 13, as (height, width, red-green-blue), to 4 decimals. Public reports disagree
# whether the file stores kernels height x width or width x height; these 54 numbers settle it, and the channel order
# with it: no transposition or reversal of them comes near the original. (Simonyan & Zisserman 2015, VGG-19, CC BY 4.0.)
FILTER_9 = (
    ((-.1333, -.1482, .0484), (-.2321, -.2375, -.0190), (-.1212, -.1339, .0595)),
    ((-.0487, -.0489, .1448), (-.1261, -.1154, .0981), (-.0289, -.0258, .1637)),
    ((.0534, .0432, .1978), (.0333, .0358, .2068), (.0677, .0612, .2122)))
FILTER_13 = (
    ((-.0939, .0184, .0519), (-.1788, -.0612, -.0004), (-.2454, -.1525, -.0826)),
    ((.0095, .1435, .1681), (-.0377, .1022, .1532), (-.1845, -.0725, -.0091)),
    ((.0243, .1436, .1473), (-.0044, .1229, .1497), (-.1123, -.0114, .0267)))
TOLERANCE = 0.01  # an order of magnitude above rounding and 8-bit storage, one below any wrong order

CURE = "weights/README.md names the right file, its size and its checksum."


@dataclasses.dataclass(frozen=True)
class Weights:
    """layers: {name: (kernel float32 (height, width, in, out), bias float32 (out,))} for RGB input.

    mean_rgb: float32 (3,), 0-255, to be subtracted from images. notes: what was found out about the file.
    """

    layers: dict
    mean_rgb: np.ndarray
    notes: tuple[str, ...]
    net: str | None = None
    choices: dict = dataclasses.field(default_factory=dict)
    class_names: tuple[str, ...] = ()

    @property
    def widths(self):
        """{layer: output channels}: the net takes its widths from here, so a narrow VGG-19 is an ordinary one."""
        return {name: int(kernel.shape[3]) for name, (kernel, _) in self.layers.items()}


def read(path):
    """The Weights of a VGG-19 in a MatConvNet file; without fc6 and fc7 if the file ends at pool5.

    Raises WeightsError if the file is missing, not such a file, or if a layer is missing, misshapen or not finite.
    """
    path = pathlib.Path(path)
    content = _load(path)
    stored = _stored_layers(content, path)
    missing = [name for name in CONVOLUTIONS if name not in stored]
    if missing:
        raise errors.WeightsError(f"holds no VGG-19: {', '.join(missing)} is missing", where=path,
                                  why=f"found: {', '.join(list(stored)[:20]) or 'no layer with weights'}", cure=CURE)
    with_fc = all(name in stored for name in FULLY_CONNECTED)
    wanted = CONVOLUTIONS + (FULLY_CONNECTED if with_fc else ())
    layers = {name: _kernel_and_bias(stored[name], name, path) for name in wanted}
    mean = _mean(content, path)
    (axes, reverse), notes = _order(layers["conv1_1"][0], path)
    if axes != (0, 1, 2, 3):
        layers = {name: (np.ascontiguousarray(k.transpose(axes)), b) for name, (k, b) in layers.items()}
    if reverse:
        kernel, bias = layers["conv1_1"]
        layers["conv1_1"], mean = (np.ascontiguousarray(kernel[:, :, ::-1]), bias), mean[::-1]
    _check_chain(layers, path)
    if not with_fc:
        notes += ("the file ends at pool5: fc6 and fc7 are not in it and start from random weights",)
    return Weights(layers, np.ascontiguousarray(mean), notes)


def _load(path):
    try:
        with path.open("rb") as file:
            start = file.read(128)
    except OSError as error:
        raise errors.WeightsError(f"cannot be read: {error.strerror}", where=path, cure=CURE) from None
    size = f"{path.stat().st_size:,} bytes"
    if start[:8] == b"\x89HDF\r\n\x1a\n" or b"MATLAB 7.3" in start:
        raise errors.WeightsError(f"is a MATLAB 7.3 file ({size}); the published one is version 5", where=path,
                                  cure=CURE)
    if not start.startswith(b"MATLAB 5.0"):
        raise errors.WeightsError(f"is no MATLAB file ({size}, starts with {start[:24]!r})", where=path,
                                  why="a download that was cut off or answered with a web page looks like this",
                                  cure=CURE)
    try:
        names = [name for name, _, _ in scipy.io.whosmat(path)]
        if "layers" not in names:
            raise errors.WeightsError(f"holds no MatConvNet model: {', '.join(names) or 'nothing'} instead of layers",
                                      where=path, cure=CURE)
        return scipy.io.loadmat(path, variable_names=["layers", "normalization", "meta"])
    except errors.WeightsError:
        raise
    except Exception as error:  # loadmat's complaints about damaged files are of every kind
        raise errors.WeightsError(f"cannot be read ({size})", where=path, why=f"{type(error).__name__}: {error}",
                                  cure=f"the file is probably cut off; {CURE}") from None


def _stored_layers(content, path):
    """{layer name: (kernel, bias) as stored} of the layers that have weights."""
    found = {}
    try:
        for cell in content["layers"].ravel():
            layer = cell[0, 0] if cell.dtype.names and cell.ndim == 2 else cell.item()
            fields = layer.dtype.names
            name = "".join(layer["name"].ravel().tolist()) if "name" in fields else ""
            if "weights" in fields and layer["weights"].size >= 2:
                pair = layer["weights"].ravel()[:2]
            elif "filters" in fields:  # the oldest release
                pair = layer["filters"], layer["biases"]
            else:
                continue
            found[name] = tuple(pair)
    except (AttributeError, IndexError, TypeError, ValueError, KeyError) as error:
        raise errors.WeightsError("`layers` is not MatConvNet's cell array of layers", where=path, why=repr(error),
                                  cure=CURE) from None
    return found


def _kernel_and_bias(stored, name, path):
    try:
        kernel, bias = (np.asarray(array, np.float32) for array in stored)
    except (TypeError, ValueError) as error:
        raise errors.WeightsError(f"{name} holds no numbers", where=path, why=str(error), cure=CURE) from None
    while kernel.ndim < 4:  # MATLAB drops last axes of length one
        kernel = kernel[..., None]
    bias = bias.ravel()
    if kernel.ndim != 4 or kernel.shape[3] != bias.size:
        raise errors.WeightsError(f"{name} has kernel {kernel.shape} and {bias.size} biases", where=path, cure=CURE)
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise errors.WeightsError(f"{name} holds numbers that are not finite", where=path, cure=CURE)
    return kernel, bias


def _mean(content, path):
    """Mean colour (3,) in the order of the file, whichever release it is."""
    try:
        holder = content["normalization"] if "normalization" in content else content["meta"][0, 0]["normalization"]
        image = np.asarray(holder[0, 0]["averageImage"], np.float32)
    except (KeyError, IndexError, TypeError, ValueError):
        raise errors.WeightsError("has no mean colour: neither normalization.averageImage nor meta.normalization."
                                  "averageImage", where=path, cure=CURE) from None
    if image.size % 3 or not image.size or not np.isfinite(image).all():
        raise errors.WeightsError(f"its mean has shape {image.shape}, three colours are needed", where=path, cure=CURE)
    return image.reshape(-1, 3).mean(axis=0, dtype=np.float64).astype(np.float32)


def _order(kernel, path):
    """((axes, reverse channels), notes): how conv1_1 becomes (height, width, RGB, out).

    A kernel of conv1_1's published shape is compared with the published numbers. Any other width is read as
    MatConvNet's manual has it: height x width x in x out, RGB.
    """
    if kernel.shape != (3, 3, 3, 64):
        return ((0, 1, 2, 3), False), (f"conv1_1 is {kernel.shape}, not VGG-19's (3, 3, 3, 64): axes are taken as "
                                       "MatConvNet documents them, height x width, RGB",)
    known = np.stack([FILTER_9, FILTER_13], axis=-1)
    distances = {}
    for axes in ((0, 1, 2, 3), (1, 0, 2, 3)):
        for reverse in (False, True):
            found = kernel.transpose(axes)[:, :, ::-1 if reverse else 1][..., [9, 13]]
            distances[axes, reverse] = np.abs(found - known).max()
    best = min(distances, key=distances.__getitem__)
    if distances[best] > TOLERANCE:
        raise errors.WeightsError(
            "has VGG-19's shape but not its numbers: conv1_1 differs from the published filters by "
            f"{distances[best]:.3f} in the best of the four orders", where=path,
            why="so neither the order of the axes nor that of the colours can be told", cure=CURE)
    axes, reverse = best
    sides = "height x width" if axes[0] == 0 else "width x height"
    return best, (f"VGG-19 recognised by conv1_1: kernels are stored {sides}, channels {'BGR' if reverse else 'RGB'} "
                  f"(largest difference {distances[best]:.4f})",)


def _check_chain(layers, path):
    """Every layer must take what the one before gives: 3 colours, then each width in turn."""
    channels = 3
    for name, (kernel, _) in layers.items():
        side = 7 if name == "fc6" else 1 if name == "fc7" else 3
        needed = (side, side, channels, kernel.shape[3])
        if kernel.shape != needed:
            raise errors.WeightsError(f"{name} has kernel {kernel.shape}, the net needs {needed}", where=path,
                                      cure=CURE)
        channels = kernel.shape[3]
