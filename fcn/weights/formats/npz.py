"""NumPy's .npz: files like vgg16_weights.npz (conv1_1_W, conv1_1_b, ... fc7_b), read, and this project's, also written.

Keys of this project's files: the variables (<layer>/kernel, <layer>/bias, ...), mean_rgb, net, class_names and
choices (JSON: the variant, ignored ids, size of training images). Nothing is unpickled: the header of each array is
compared with its size in the zip's directory, then the data is read as plain numbers.
"""

import pathlib

import numpy as np

from fcn.core import errors, file_kinds, npz_file, registry
from fcn.models.published_nets import CONVOLUTIONS, FULLY_CONNECTED
from fcn.weights.formats import _heads, _layers
from fcn.weights.formats._published import HEIGHT_WIDTH, RGB
from fcn.weights.formats._weights import (
    FIX,
    NEVER_LOADED,
    NO_MEAN,
    Weights,
    by_layer,
    imagenet_mean,
    most_unpacked,
    new_file,
    refusal,
)

DOCUMENTED = HEIGHT_WIDTH, RGB  # the program beside vgg16_weights.npz feeds RGB (cs.toronto.edu/~frossard/post/vgg16)


def read(path):
    """Read the Weights in an .npz of either kind. Raises WeightsError for damaged and other files and zip bombs."""
    path = pathlib.Path(path)
    try:
        with npz_file.open_npz(path, most_unpacked(path.stat().st_size)) as (members, names):
            net = _net(members, path)
            if net and net not in registry.all_names("nets"):
                raise refusal(path, f"holds the unknown net {net!r}",
                              fix=f"if the net is a plugin, give --plugins FOLDER with FOLDER/nets/{net}.py.")
            if net and (net not in _heads.NETS or "output" in members):
                return _other_net(members, path)
            if "conv1_1/kernel" in members:
                return _vgg_or_fcn(members, path)
            if "conv1_1_W" in members:
                return _vgg16_weights(members, path)
            objects = [name for name, member in members.items() if member.dtype.hasobject]
            raise _pickled(path, objects) if objects else _foreign(path, names)
    except errors.WeightsError:
        raise
    except npz_file.Refused as error:
        raise refusal(path, str(error)) from None
    except Exception as error:  # zipfile, zlib, lzma, NumPy and JSON raise many types
        raise refusal(path, f"cannot be read ({path.stat().st_size:,} bytes)", why=f"{type(error).__name__}: {error}",
                      fix=f"the file is probably truncated; {FIX}") from None


def write(path, weights):
    """Write Weights as an .npz, without notes. read() returns the same bits. Raises UsageError if the file exists."""
    arrays = {"mean_rgb": weights.mean_rgb, "choices": np.array(_heads.as_note(weights)),
              "net": np.array(weights.net or ""), "class_names": np.array(weights.class_names, dtype=np.str_)}
    for name, (kernel, bias) in weights.layers.items():
        arrays[f"{name}/kernel"] = kernel
        if bias is not None:
            arrays[f"{name}/bias"] = bias
    arrays |= weights.others | ({"output": np.array(weights.output)} if weights.output != "softmax" else {})
    with new_file(path) as file:
        np.savez(file, **arrays)


def _net(members, path):
    """Return the name of the net that the file states, or None."""
    return str(_array(members["net"], path, "U")) or None if "net" in members else None


def _other_net(members, path):
    """Read a net that is not a published FCN on VGG: every variable by its name."""
    if not {"mean_rgb", "class_names", "choices"} <= members.keys():
        raise refusal(path, f"holds the net {_net(members, path)}, but mean_rgb, class_names or choices is missing")
    variables = {name: _layers.numbers(_array(member, path), name, path) for name, member in members.items()
                 if "/" in name}
    layers, others = by_layer(variables)
    variant, ignored_ids, size = _heads.read_note(str(_array(members["choices"], path, "U"))) or _heads.NO_NOTE
    return Weights(layers, _layers.mean_colour(_array(members["mean_rgb"], path), path), (), _net(members, path),
                   variant, tuple(_array(members["class_names"], path, "U").ravel().tolist()), ignored_ids, size,
                   others=others,
                   output=str(_array(members["output"], path, "U")) if "output" in members else "softmax")


def _vgg_or_fcn(members, path):
    """Read a VGG or a published FCN in this project's format."""
    def array(name, kinds="fiu"):
        return _array(members[name], path, kinds) if name in members else None
    stored = {name: [array(f"{name}/kernel"), array(f"{name}/bias")]
              for name in dict.fromkeys(key.split("/")[0] for key in members if key.endswith("/kernel"))}
    if "mean_rgb" not in members:
        raise refusal(path, "has no mean colour: mean_rgb is missing")
    mean = _layers.mean_colour(array("mean_rgb"), path)
    layers, _, notes = _layers.read_vgg(_with_bias(stored), path, None, channels=len(mean))
    net = _net(members, path)
    if net is not None:
        scores, factors = _heads.NETS[net]
        layers |= {name: _layers.kernel_and_bias(_with_bias(stored)[name], name, path)
                   for name in scores if name in _with_bias(stored)}
        layers |= {name: (_layers.numbers(stored[name][0], name, path), None) for name in factors if name in stored}
        _heads.check(net, layers, path)
        layers = _heads.in_order(net, layers)
    variant, ignored_ids, size = _heads.read_note(str(array("choices", "U"))) or _heads.NO_NOTE
    names = array("class_names", "U")
    return Weights(layers, mean, notes, net, variant,
                   () if names is None else tuple(names.ravel().tolist()), ignored_ids, size)


def _with_bias(stored):
    return {name: pair for name, pair in stored.items() if pair[1] is not None}


def _vgg16_weights(members, path):
    """Read a file like vgg16_weights.npz."""
    stored = {name: [_array(members[f"{name}_{part}"], path) for part in "Wb"]
              for name in (*CONVOLUTIONS, *FULLY_CONNECTED) if {f"{name}_W", f"{name}_b"} <= set(members)}
    layers, _, notes = _layers.read_vgg(_layers.as_convolutions(stored), path, DOCUMENTED)
    return Weights(layers, imagenet_mean(), (*notes, NO_MEAN))


def _array(member, path, kinds="fiu"):
    """Read one array. kinds: allowed dtype kinds, "fiu" for numbers, "U" for text. Raises WeightsError for others."""
    if member.dtype.hasobject:
        raise _pickled(path, [member.name])
    if member.dtype.kind not in kinds:
        raise refusal(path, f"{member.name}.npy has dtype {member.dtype}, expected "
                            f"{'text' if kinds == 'U' else 'numbers'}")
    return member.read()


def _pickled(path, names):
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return refusal(path, f"holds arrays of objects: {shown}",
                   f"arrays of objects are pickles, which are {NEVER_LOADED}",
                   file_kinds.to_npz(path))


def _foreign(path, names):
    if "model.weights.h5" in names:
        return refusal(path, "is a Keras model (.keras)", fix="in Keras, call model.save_weights('x.weights.h5').")
    if any(name.endswith("data.pkl") for name in names):
        return refusal(path, f"is {file_kinds.PYTORCH}", f"pickles are {NEVER_LOADED}",
                       fix=f"use the same net as .mat, .npz or .h5. {FIX}")
    return refusal(path, f"is a zip without the arrays of a VGG: it holds {', '.join(names[:20]) or 'nothing'}",
                   why="expected conv1_1_W, conv1_1_b ... or conv1_1/kernel, conv1_1/bias ...")
