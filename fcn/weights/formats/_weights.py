"""What every format is turned into, and the few words that their refusals share."""

import contextlib
import dataclasses

import numpy as np

from fcn.core import atomic_io, errors

FIX = ("imagenet-vgg-verydeep-19.mat has 534,904,783 bytes and md5 106118b7cf60435e6d8e04f6a6dc3657 (of beta16: "
        "8ee3263992981a1d26e73b3ca028a123); weights/README.md lists all files that are read.")
NEVER_LOADED = "never loaded: unpickling a download runs whatever its maker wrote into it"
IMAGENET_MEAN_RGB = (123.68, 116.779, 103.939)  # of the VGG group's training images (readme of the Caffe model zoo)
NO_MEAN = "no mean colour is in the file: ImageNet's is taken"
# What a file may unpack to: published ones are of 0.5 to 1.1 GB and hardly shrink, since weights are like noise.
MOST_BYTES, MOST_RATIO, ALWAYS_BYTES = 3 << 30, 16, 64 << 20


@dataclasses.dataclass(frozen=True)
class Weights:
    """A VGG-16 or VGG-19, or a whole FCN on one of them, for RGB input.

    layers: {name: (kernel float32 (height, width, in, out), bias float32 (out,))}, conv1_1 to conv5_4, fc6, fc7; of a
    whole FCN also score_fr, score_pool4, score_pool3 and, where not all of them are plain bilinear interpolation,
    upscore or upscore2, upscore16, upscore_pool4, upscore8 as (kernel (height, width, out, in), None).
    mean_rgb: float32 (3,), 0-255, to be subtracted from images. notes: what was found out about the file.
    net: "fcn32s", "fcn16s", "fcn8s" or "fcn8s_atonce" of a whole FCN, else None. variant: what else the file says of
    that net, e.g. {"alignment": "same" or "pad100", "learn_upsampling": True}. class_names: in the order of ids.
    ignored_ids: ids that its predictions never hold. of_run: {"run", "checkpoint", "step", "files": {name: SHA-256}} of
    a checkpoint of ours, {} of a file. others: {variable: array float32} of what is neither kernel nor bias, such as
    stem_bn/gamma and stem_bn/moving_mean.
    """

    layers: dict
    mean_rgb: np.ndarray
    notes: tuple[str, ...]
    net: str | None = None
    variant: dict = dataclasses.field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    ignored_ids: tuple[int, ...] = ()
    of_run: dict = dataclasses.field(default_factory=dict)
    others: dict = dataclasses.field(default_factory=dict)

    @property
    def widths(self):
        """{layer: output channels}: the net takes its widths from here, so a narrow VGG is an ordinary one."""
        return {name: int(kernel.shape[-1]) for name, (kernel, _) in self.layers.items()}

    @property
    def num_classes(self):
        """Channels of the scores of a whole FCN."""
        return int(self.layers["score_fr"][0].shape[3]) if "score_fr" in self.layers else len(self.class_names)


def by_layer(variables):
    """({layer: (kernel, bias or None)}, {variable: array}): {name: array} as Weights.layers and Weights.others."""
    names = sorted(name.removesuffix("/kernel") for name in variables if name.endswith("/kernel"))
    layers = {name: (variables[f"{name}/kernel"], variables.get(f"{name}/bias")) for name in names}
    pairs = {f"{layer}/{part}" for layer in layers for part in ("kernel", "bias")}
    return layers, {name: array for name, array in variables.items() if name not in pairs}


def refusal(path, what, why=None, fix=FIX):
    return errors.WeightsError(what, where=path, why=why, fix=fix)


def imagenet_mean():
    return np.array(IMAGENET_MEAN_RGB, np.float32)


def most_unpacked(file_bytes):
    """The bytes that a file of this size may unpack to: a bomb of 2 MB would give 2 GB."""
    return min(MOST_BYTES, max(ALWAYS_BYTES, MOST_RATIO * file_bytes))


@contextlib.contextmanager
def new_file(path):
    """An open binary file that takes the name `path` when it is whole. Raises UsageError if that name is taken."""
    with atomic_io.NewFile(path) as aside:
        with aside.opened() as file:
            yield file
        aside.commit(new=True)
