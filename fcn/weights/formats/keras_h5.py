"""Keras' HDF5 files: the .h5 of keras.applications and of model.save_weights, old and new.

Of VGG-16 and VGG-19, old files hold <layer>/<layer>/kernel:0 (below model_weights/ in a saved model); .weights.h5 files
of Keras 3 hold layers/<layer>/vars/0 and 1. Layers are named block1_conv1 ... fc2, or numbered conv2d, conv2d_1 ...
from input to output. Of other nets, layers keep their names (_keras_layers.py).
"""

import pathlib
import re

import numpy as np

from fcn.core import errors
from fcn.models import published_nets
from fcn.weights.formats import _keras_layers, _layers, _trial
from fcn.weights.formats._published import BGR, HEIGHT_WIDTH
from fcn.weights.formats._weights import FIX, NO_MEAN, Weights, imagenet_mean, most_unpacked, refusal

DOCUMENTED = HEIGHT_WIDTH, BGR  # keras.applications: preprocess_input in "caffe" mode
MOST_DEPTH, MOST_OBJECTS = 12, 5000
NAMED = re.compile(r"(?:.*_)?block(\d)_conv(\d)|(fc[12])")
NUMBERED = re.compile(r"(conv2d|dense)(?:_(\d+))?")
PARTS = {"kernel:0": 0, "kernel": 0, "0": 0, "bias:0": 1, "bias": 1, "1": 1}


def read(path):
    """Read the Weights of a Keras HDF5 file. Those of a VGG saved with include_top=False have no fc6 and fc7.

    Raises WeightsError if the file is damaged, truncated, a zip bomb or something else, or if a layer is missing or has
    a wrong shape.
    """
    path = pathlib.Path(path)
    size = f"{path.stat().st_size:,} bytes"
    fault = _trial.fault("h5", path, most_unpacked(path.stat().st_size))
    try:
        if fault:
            raise OSError(fault)
        import h5py  # takes 20 ms; --help does without
        with h5py.File(path, "r") as file:
            found = {name: dataset for name, dataset in _datasets(file, path) if "optimizer" not in name}
            pairs = _pairs(found, path)
            if not pairs:
                return _of_another_net(found, path)
            stored = {layer: [_array(found[name], name, path) for name in pair] for layer, pair in pairs.items()}
    except errors.WeightsError:
        raise
    except Exception as error:  # h5py raises many types
        raise refusal(path, f"is an HDF5 file that cannot be read ({size})",
                      why=fault or f"{type(error).__name__}: {error}",
                      fix="the file is probably truncated or damaged; download it again. weights/README.md lists its "
                          "size or md5.") from None
    layers, _, notes = _layers.read_vgg(_layers.as_convolutions(stored), path, DOCUMENTED, must_be_published=False)
    return Weights(layers, imagenet_mean(), (*notes, NO_MEAN))


def _datasets(file, path):
    """Yield (name, dataset) of all datasets in the file. Soft and external links are not followed."""
    import h5py
    waiting, objects = [("", file, 0)], 0
    while waiting:
        prefix, group, depth = waiting.pop()
        for name in group:
            objects += 1
            if objects > MOST_OBJECTS or depth > MOST_DEPTH:
                raise refusal(path, f"is not a Keras file: more than {MOST_OBJECTS} objects or {MOST_DEPTH} levels")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((f"{prefix}{name}/", item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                yield prefix + name, item


def _pairs(found, path):
    """Return {layer: (name of its kernel, name of its bias)}. Raises WeightsError if two layers have the same name."""
    pairs: dict[str, dict] = {}
    numbered: dict[str, dict] = {}
    for name in found:
        *folders, part = name.split("/")
        if part not in PARTS:
            continue
        named = next((match for folder in reversed(folders) if (match := NAMED.fullmatch(folder))), None)
        if named:
            stage, number, dense = named.groups()
            layer = {"fc1": "fc6", "fc2": "fc7"}[dense] if dense else f"conv{stage}_{number}"
            if pairs.setdefault(layer, {}).setdefault(PARTS[part], name) != name:
                raise refusal(path, f"holds two layers {layer}: {pairs[layer][PARTS[part]]} and {name}")
        for depth, folder in enumerate(folders):
            if count := NUMBERED.fullmatch(folder):
                model = numbered.setdefault("/".join(folders[:depth]), {"conv2d": {}, "dense": {}})
                model[count[1]].setdefault(int(count[2] or 0), {})[PARTS[part]] = name
    if not pairs:
        pairs = _by_number(numbered, found)
    return {layer: (pair[0], pair[1]) for layer, pair in pairs.items() if {0, 1} <= set(pair)}


def _of_another_net(found, path):
    """Return the Weights of a net that is no VGG. Raises WeightsError without layers, and for numbers not finite."""
    layers, others = _keras_layers.arrays(_keras_layers.named(found), lambda name: _array(found[name], name, path))
    if not layers:
        raise refusal(path, "is an HDF5 file without layers of Keras",
                      why=f"found {', '.join(list(found)[:8]) or 'no array'}, expected arrays such as "
                          "conv1_conv/conv1_conv/kernel:0 or layers/conv2d/vars/0",
                      fix=f"if it is a MATLAB 7.3 file (also HDF5), save it with `save -v7`. {FIX}")
    for name, array in [*((f"{name}/kernel", kernel) for name, (kernel, _) in layers.items()), *others.items()]:
        if not np.isfinite(array).all():
            raise refusal(path, f"{name} has a value that is not finite")
    return Weights(layers, imagenet_mean(), (), others=others)


def _by_number(numbered, found):
    """Return the pairs of _pairs for numbered layers, {model: {"conv2d" or "dense": {number: pair}}}.

    A model with 13 convolutions is VGG-16, one with 16 is VGG-19. Dense layers are fc6 and fc7 if the input of the
    first is 7 x 7 times the channels of the last convolution.
    """
    models = [(names, model) for model in numbered.values() for names in published_nets.BACKBONES.values()
              if len(model["conv2d"]) == len(names)]
    if len(models) != 1:
        return {}
    names, model = models[0]
    convolutions, matrices = ([model[kind][number] for number in sorted(model[kind])] for kind in ("conv2d", "dense"))
    pairs = dict(zip(names, convolutions, strict=True))
    if len(matrices) > 1 and found[matrices[0][0]].shape[:1] == (49 * found[convolutions[-1][1]].size,):
        pairs |= dict(zip(published_nets.FULLY_CONNECTED, matrices, strict=False))
    return pairs


def _array(dataset, name, path):
    """Read a dataset. Raises WeightsError unless it is stored in this file and not far larger than the file."""
    if dataset.dtype.kind != "f" or dataset.is_virtual or dataset.external:
        raise refusal(path, f"{name} is not a plain array of numbers in this file")
    if dataset.nbytes > most_unpacked(path.stat().st_size):
        raise refusal(path, f"{name} unpacks to {dataset.nbytes:,} bytes; the file has {path.stat().st_size:,}")
    return dataset[()]
