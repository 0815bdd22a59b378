"""Weights, the common representation of all formats, and shared parts of their error messages."""

import contextlib
import dataclasses

import numpy as np

from fcn.core import atomic_io, errors

FIX = ("imagenet-vgg-verydeep-19.mat has 534,904,783 bytes and md5 106118b7cf60435e6d8e04f6a6dc3657 (of beta16: "
        "8ee3263992981a1d26e73b3ca028a123); weights/README.md lists all supported files.")
NEVER_LOADED = "never loaded: unpickling a file can run any code that its author put into it"
IMAGENET_MEAN_RGB = (123.68, 116.779, 103.939)  # mean of VGG's training images (readme of the Caffe model zoo)
NO_MEAN = "the file has no mean colour: ImageNet's is used"
# Limits for unpacking: published files have 0.5 to 1.1 GB, and weights hardly compress.
MOST_BYTES, MOST_RATIO, ALWAYS_BYTES = 3 << 30, 16, 64 << 20


@dataclasses.dataclass(frozen=True)
class Weights:
    """Weights of a VGG-16 or VGG-19, of an FCN on one of them, or of another net of this project, for RGB input.

    layers: {name: (kernel float32 (height, width, in, out), bias float32 (out,))}: conv1_1 to conv5_4, fc6, fc7. An FCN
        also has score_fr, score_pool4, score_pool3 and, unless all are plain bilinear interpolation, upscore, upscore2,
        upscore16, upscore_pool4, upscore8 as (kernel (height, width, out, in), None).
    mean_rgb: float32 (3,), 0-255, subtracted from images.
    notes: one line per remark on the file, for the user.
    net: name of the net, such as "fcn8s"; None for a bare VGG.
    variant: {field of variants.Variants: value} that the file states, e.g. {"alignment": "pad100"}.
    class_names: in the order of class ids.
    ignored_ids: class ids that its predictions never contain.
    size: (height, width) px to which training resized images; None: images kept their size, or it is not known.
    of_run: {"run", "checkpoint", "step", "files": {name: SHA-256}} if read from a checkpoint, {} if from a file.
    output: "softmax", or "sigmoid" for a net of two classes with one output.
    others: {variable: float32 array} of variables that are neither kernel nor bias, e.g. stem_bn/moving_mean.
    """

    layers: dict
    mean_rgb: np.ndarray
    notes: tuple[str, ...]
    net: str | None = None
    variant: dict = dataclasses.field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    ignored_ids: tuple[int, ...] = ()
    size: tuple[int, int] | None = None
    of_run: dict = dataclasses.field(default_factory=dict)
    others: dict = dataclasses.field(default_factory=dict)
    output: str = "softmax"

    @property
    def widths(self):
        """{layer: output channels}. The net is built with these widths, which allows a narrow VGG."""
        return {name: int(kernel.shape[-1]) for name, (kernel, _) in self.layers.items()}

    @property
    def num_classes(self):
        """Number of score channels of an FCN, or of class names."""
        if self.output == "sigmoid":
            return 2
        return int(self.layers["score_fr"][0].shape[3]) if "score_fr" in self.layers else len(self.class_names)


def by_layer(variables):
    """Split {variable: array} into Weights.layers, {layer: (kernel, bias or None)}, and Weights.others."""
    names = sorted(name.removesuffix("/kernel") for name in variables if name.endswith("/kernel"))
    layers = {name: (variables[f"{name}/kernel"], variables.get(f"{name}/bias")) for name in names}
    pairs = {f"{layer}/{part}" for layer in layers for part in ("kernel", "bias")}
    return layers, {name: array for name, array in variables.items() if name not in pairs}


def refusal(path, what, why=None, fix=FIX):
    return errors.WeightsError(what, where=path, why=why, fix=fix)


def imagenet_mean():
    return np.array(IMAGENET_MEAN_RGB, np.float32)


def most_unpacked(file_bytes):
    """Return the largest number of bytes that a file of this size may unpack to (a 2 MB zip bomb gives 2 GB)."""
    return min(MOST_BYTES, max(ALWAYS_BYTES, MOST_RATIO * file_bytes))


@contextlib.contextmanager
def new_file(path):
    """Open a new binary file that is renamed to `path` when it is complete. Raises UsageError if `path` exists."""
    with atomic_io.NewFile(path) as aside:
        with aside.opened() as file:
            yield file
        aside.commit(new=True)
