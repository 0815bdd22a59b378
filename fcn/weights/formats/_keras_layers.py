"""Layers of Keras' HDF5 files of any net, by name or, in a .weights.h5 of Keras 3, by number.

Old files hold <layer>/<layer>/kernel:0, below model_weights/ in a saved model, where the name of a layer may have a
slash (conv1/conv). A .weights.h5 holds layers/conv2d_12/vars/0: the layers of each class are numbered in the order of
the forward pass, and named() gives them the names conv2d, conv2d_1 and so on. by_name() replaces these by the names
of a net's layers.
"""

import re

import numpy as np

PARTS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
NUMBERED = re.compile(r"(?:.*/)?layers/((conv2d|depthwise_conv2d|batch_normalization)(?:_\d+)?)/vars/(\d)")
CLASSES = {"conv2d": PARTS[:2], "depthwise_conv2d": PARTS[:2], "batch_normalization": PARTS[2:]}


def named(found):
    """Return {layer: {part: name of its dataset}}. found: {name: h5py.Dataset}. Other arrays are left out."""
    layers: dict[str, dict] = {}
    for name in found:
        numbered = NUMBERED.fullmatch(name)
        if numbered:
            layer, kind, index = numbered.groups()
            parts = CLASSES[kind]
            if int(index) < len(parts):
                layers.setdefault(layer, {})[parts[int(index)]] = name
            continue
        *folders, last = [part for part in name.split("/") if part != "model_weights"]
        part = last.removesuffix(":0").removeprefix("depthwise_")
        half = len(folders) // 2
        layer = "_".join(folders[:half] if folders[:half] == folders[half:] else folders[-1:])
        if part in PARTS and layer:
            layers.setdefault(layer, {})[part] = name
    return layers or _by_shape(found)


def _by_shape(found):
    """Return the same for layers whose arrays have other names: a kernel of rank 4 and a vector of its outputs.

    The file of DeepCognition/keras-squeezenet has fire2/expand1x1/uniform3 and
    fire2/expand1x1/fire2/expand1x1_b.
    """
    kernels = {name.rpartition("/")[0]: name for name, dataset in found.items() if dataset.ndim == 4}
    layers = {}
    for group, kernel in kernels.items():
        biases = [name for name, dataset in found.items() if name.startswith(f"{group}/") and dataset.ndim == 1
                  and dataset.shape[0] == found[kernel].shape[3]]
        if len(biases) == 1:
            layers[group.replace("/", "_")] = {"kernel": kernel, "bias": biases[0]}
    return layers


def is_numbered(names):
    """Return whether layers have numbers instead of names."""
    return bool(names) and all(re.fullmatch(rf"({'|'.join(CLASSES)})(_\d+)?", name) for name in names)


def by_name(layers, needed):
    """Return {number of a layer: its name in a net}. layers: names such as conv2d_3.

    needed: {variable of the net: shape}, in the order of the forward pass. The layers of a class get the names of the
    net's layers of that class, one after the other; the last ones of the net, its decoder, may be missing in the file.
    """
    of_class: dict[str, list] = {kind: [] for kind in CLASSES}
    for variable, shape in needed.items():
        layer, _, part = variable.rpartition("/")
        if part == "gamma":
            of_class["batch_normalization"].append(layer)
        elif part == "kernel" and len(shape) == 4:
            of_class["depthwise_conv2d" if shape[3] == 1 and shape[2] > 1 else "conv2d"].append(layer)
    found = {}
    for layer in layers:
        kind, _, number = layer.rpartition("_")
        kind, count = (kind, int(number)) if number.isdigit() else (layer, 0)
        if count < len(of_class[kind]):
            found[layer] = of_class[kind][count]
    return found


def arrays(layers, read):
    """Return (Weights.layers, Weights.others). layers: of named(). read: function that returns the array of a name."""
    pairs: dict[str, tuple] = {}
    others: dict[str, np.ndarray] = {}
    for layer, parts in layers.items():
        if "kernel" in parts:
            kernel = np.asarray(read(parts["kernel"]), np.float32)
            if kernel.ndim == 4:
                pairs[layer] = kernel, np.asarray(read(parts["bias"]), np.float32) if "bias" in parts else None
        others |= {f"{layer}/{part}": np.asarray(read(name), np.float32) for part, name in parts.items()
                   if part not in ("kernel", "bias")}
    return pairs, others
