"""NumPy's .npz: the vgg16_weights.npz family (conv1_1_W, conv1_1_b, ... fc7_b), read; this project's own, also written.

Own keys are the variables (<layer>/kernel, <layer>/bias, ...), mean_rgb, net, choices (JSON) and class_names. Nothing
is ever unpickled: of each array the header is read, compared with the size in the zip's directory, and the rest taken
as plain numbers.
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
    """The Weights in an .npz of either kind; raises WeightsError if it is another one, damaged, cut off or a bomb."""
    path = pathlib.Path(path)
    try:
        with npz_file.open_npz(path, most_unpacked(path.stat().st_size)) as (members, names):
            net = _net(members, path)
            if net and net not in registry.names("nets"):
                raise refusal(path, f"holds the net {net!r}; {', '.join(_heads.NETS)} are known",
                              fix=f"if it is a plugin, give --plugins FOLDER, where FOLDER/nets/{net}.py is.")
            if net and net not in _heads.NETS:
                return _whole(members, path)
            if "conv1_1/kernel" in members:
                return _own(members, path)
            if "conv1_1_W" in members:
                return _bare(members, path)
            objects = [name for name, member in members.items() if member.dtype.hasobject]
            raise _pickled(path, objects) if objects else _foreign(path, names)
    except errors.WeightsError:
        raise
    except npz_file.Refused as error:
        raise refusal(path, str(error)) from None
    except Exception as error:  # of zipfile, zlib, lzma, NumPy and JSON
        raise refusal(path, f"cannot be read ({path.stat().st_size:,} bytes)", why=f"{type(error).__name__}: {error}",
                      fix=f"the file is probably cut off; {FIX}") from None


def write(path, weights):
    """Write Weights as an .npz of this project; the same bits come back. Notes are left out."""
    arrays = {"mean_rgb": weights.mean_rgb, "choices": np.array(_heads.as_note(weights)),
              "net": np.array(weights.net or ""), "class_names": np.array(weights.class_names, dtype=np.str_)}
    for name, (kernel, bias) in weights.layers.items():
        arrays[f"{name}/kernel"] = kernel
        if bias is not None:
            arrays[f"{name}/bias"] = bias
    arrays |= weights.others
    with new_file(path) as file:
        np.savez(file, **arrays)


def _net(members, path):
    """The name of the net that a file of ours says it holds, or None."""
    return str(_array(members["net"], path, "U")) or None if "net" in members else None


def _whole(members, path):
    """Weights of a net that is no published FCN on VGG: every variable by its name."""
    if not {"mean_rgb", "class_names", "choices"} <= members.keys():
        raise refusal(path, f"holds the net {_net(members, path)} without mean_rgb, class_names or choices")
    variables = {name: _layers.numbers(_array(member, path), name, path) for name, member in members.items()
                 if "/" in name}
    layers, others = by_layer(variables)
    variant, ignored = _heads.read_note(str(_array(members["choices"], path, "U"))) or ({}, ())
    return Weights(layers, _layers.mean_colour(_array(members["mean_rgb"], path), path), (), _net(members, path),
                   variant, tuple(_array(members["class_names"], path, "U").ravel().tolist()), ignored, others=others)


def _own(members, path):
    def array(name, kinds="fiu"):
        return _array(members[name], path, kinds) if name in members else None
    stored = {name: [array(f"{name}/kernel"), array(f"{name}/bias")]
              for name in dict.fromkeys(key.split("/")[0] for key in members if key.endswith("/kernel"))}
    layers, _, notes = _layers.body(_paired(stored), path, None)
    net = _net(members, path)
    if net is not None:
        scores, factors = _heads.NETS[net]
        layers |= {name: _layers.kernel_and_bias(_paired(stored)[name], name, path)
                   for name in scores if name in _paired(stored)}
        layers |= {name: (_layers.numbers(stored[name][0], name, path), None) for name in factors if name in stored}
        _heads.check(net, layers, path)
        layers = _heads.in_order(net, layers)
    if "mean_rgb" not in members:
        raise refusal(path, "has no mean colour: mean_rgb is missing")
    names, (variant, ignored) = array("class_names", "U"), _heads.read_note(str(array("choices", "U"))) or ({}, ())
    return Weights(layers, _layers.mean_colour(array("mean_rgb"), path), notes, net, variant,
                   () if names is None else tuple(names.ravel().tolist()), ignored)


def _paired(stored):
    return {name: pair for name, pair in stored.items() if pair[1] is not None}


def _bare(members, path):
    stored = {name: [_array(members[f"{name}_{part}"], path) for part in "Wb"]
              for name in (*CONVOLUTIONS, *FULLY_CONNECTED) if {f"{name}_W", f"{name}_b"} <= set(members)}
    layers, _, notes = _layers.body(_layers.as_convolutions(stored), path, DOCUMENTED)
    return Weights(layers, imagenet_mean(), (*notes, NO_MEAN))


def _array(member, path, kinds="fiu"):
    """The array of one member: kinds "fiu" numbers, "U" text. Whatever else it claims to be is refused unread."""
    if member.dtype.hasobject:
        raise _pickled(path, [member.name])
    if member.dtype.kind not in kinds:
        raise refusal(path, f"{member.name}.npy holds {member.dtype}, not {'text' if kinds == 'U' else 'numbers'}")
    return member.read()


def _pickled(path, names):
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return refusal(path, f"holds arrays of objects: {shown}",
                   f"arrays of objects are pickles, which are {NEVER_LOADED}",
                   file_kinds.to_npz(path))


def _foreign(path, names):
    if "model.weights.h5" in names:
        return refusal(path, "is a whole model of Keras (.keras)", fix="in Keras: model.save_weights('x.weights.h5').")
    if any(name.endswith("data.pkl") for name in names):
        return refusal(path, f"is {file_kinds.PYTORCH}", f"pickles are {NEVER_LOADED}",
                       fix=f"take the same network as .mat, .npz or .h5. {FIX}")
    return refusal(path, f"is a zip without the arrays of a VGG: {', '.join(names[:20]) or 'nothing'} is in it",
                   why="conv1_1_W, conv1_1_b ... or conv1_1/kernel, conv1_1/bias ... are needed")
