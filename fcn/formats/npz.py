"""NumPy's .npz: the vgg16_weights.npz family (conv1_1_W, conv1_1_b, ... fc7_b), read; this project's own, also written.

Own keys are <layer>/kernel, <layer>/bias, mean_rgb, net, choices (JSON) and class_names. Nothing is ever unpickled: of
each array the header is read, compared with the size in the zip's directory, and the rest taken as plain numbers.
"""

import math
import pathlib
import zipfile

import numpy as np

from fcn import errors, file_kinds, shell_commands
from fcn.formats import _heads, _layers
from fcn.formats._published import HEIGHT_WIDTH, RGB
from fcn.formats._weights import CURE, NEVER_LOADED, NO_MEAN, Aside, Weights, imagenet_mean, most_unpacked, refusal
from fcn.vgg_table import CONVOLUTIONS, FULLY_CONNECTED

DOCUMENTED = HEIGHT_WIDTH, RGB  # the program beside vgg16_weights.npz feeds RGB (cs.toronto.edu/~frossard/post/vgg16)
MOST_MEMBERS = 1000
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read(path):
    """The Weights in an .npz of either kind; raises WeightsError if it is another one, damaged, cut off or a bomb."""
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            if "conv1_1/kernel" in members:
                return _own(archive, members, path)
            if "conv1_1_W" in members:
                return _bare(archive, members, path)
            objects = [name for name, entry in members.items() if _holds_objects(archive, entry)]
            raise _pickled(path, objects) if objects else _foreign(path, archive.namelist())
    except errors.WeightsError:
        raise
    except Exception as error:  # of zipfile, zlib, lzma, NumPy and JSON
        raise refusal(path, f"cannot be read ({path.stat().st_size:,} bytes)", why=f"{type(error).__name__}: {error}",
                      cure=f"the file is probably cut off; {CURE}") from None


def write(path, weights):
    """Write Weights as an .npz of this project; the same bits come back. Notes are left out."""
    arrays = {"mean_rgb": weights.mean_rgb, "choices": np.array(_heads.as_note(weights)),
              "net": np.array(weights.net or ""), "class_names": np.array(weights.class_names, dtype=np.str_)}
    for name, (kernel, bias) in weights.layers.items():
        arrays[f"{name}/kernel"] = kernel
        if bias is not None:
            arrays[f"{name}/bias"] = bias
    with Aside(path) as file:
        np.savez(file, **arrays)


def _own(archive, members, path):
    def array(name, kinds="fiu"):
        return _array(archive, members[name], path, kinds) if name in members else None
    stored = {name: [array(f"{name}/kernel"), array(f"{name}/bias")]
              for name in dict.fromkeys(key.split("/")[0] for key in members if key.endswith("/kernel"))}
    layers, _, notes = _layers.body(_paired(stored), path, None)
    net = str(array("net", "U")) or None if "net" in members else None
    if net is not None:
        if net not in _heads.NETS:
            raise refusal(path, f"holds the net {net!r}; {', '.join(_heads.NETS)} are known")
        scores, factors = _heads.NETS[net]
        layers |= {name: _layers.kernel_and_bias(_paired(stored)[name], name, path)
                   for name in scores if name in _paired(stored)}
        layers |= {name: (_layers.numbers(stored[name][0], name, path), None) for name in factors if name in stored}
        _heads.check(net, layers, path)
        layers = _heads.in_order(net, layers)
    if "mean_rgb" not in members:
        raise refusal(path, "has no mean colour: mean_rgb is missing")
    names, (choices, ignored) = array("class_names", "U"), _heads.read_note(str(array("choices", "U"))) or ({}, ())
    return Weights(layers, _layers.mean_colour(array("mean_rgb"), path), notes, net, choices,
                   () if names is None else tuple(names.ravel().tolist()), ignored)


def _paired(stored):
    return {name: pair for name, pair in stored.items() if pair[1] is not None}


def _bare(archive, members, path):
    stored = {name: [_array(archive, members[f"{name}_{part}"], path) for part in "Wb"]
              for name in (*CONVOLUTIONS, *FULLY_CONNECTED) if {f"{name}_W", f"{name}_b"} <= set(members)}
    layers, _, notes = _layers.body(_layers.as_convolutions(stored), path, DOCUMENTED)
    return Weights(layers, imagenet_mean(), (*notes, NO_MEAN))


def _members(archive, path):
    """{name without .npy: its entry in the zip's directory}; refused if what they claim to unpack to is a bomb."""
    entries = archive.infolist()
    most = most_unpacked(path.stat().st_size)
    if len(entries) > MOST_MEMBERS or sum(entry.file_size for entry in entries) > most:
        raise refusal(path, f"claims {len(entries)} arrays of {sum(entry.file_size for entry in entries):,} bytes in a "
                            f"file of {path.stat().st_size:,}; at most {MOST_MEMBERS} and {most:,} are read")
    return {entry.filename[:-4]: entry for entry in entries if entry.filename.endswith(".npy")}


def _array(archive, entry, path, kinds="fiu"):
    """The array of one member: kinds "fiu" numbers, "U" text. Whatever else it claims to be is refused unread."""
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        if version not in HEADER_READERS:
            raise refusal(path, f"{entry.filename} is of .npy version {version}; 1.0 and 2.0 are read")
        shape, fortran, dtype = HEADER_READERS[version](file)
        length = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise _pickled(path, [entry.filename[:-4]])
        if dtype.kind not in kinds:
            raise refusal(path, f"{entry.filename} holds {dtype}, not {'text' if kinds == 'U' else 'numbers'}")
        content = file.read() if length <= entry.file_size else b""
        if len(content) != length:
            raise refusal(path, f"{entry.filename} claims {shape} of {dtype} and has {entry.file_size:,} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _holds_objects(archive, entry):
    """Whether a member is an array of objects, by its header alone."""
    with archive.open(entry) as file:
        try:
            return HEADER_READERS[np.lib.format.read_magic(file)](file)[2].hasobject
        except (ValueError, KeyError):  # of another version, or no array
            return False


def _pickled(path, names):
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return refusal(path, f"holds arrays of objects: {shown}",
                   f"arrays of objects are pickles, which are {NEVER_LOADED}",
                   shell_commands.to_npz(path))


def _foreign(path, names):
    if "model.weights.h5" in names:
        return refusal(path, "is a whole model of Keras (.keras)", cure="in Keras: model.save_weights('x.weights.h5').")
    if any(name.endswith("data.pkl") for name in names):
        return refusal(path, f"is {file_kinds.PYTORCH}", f"pickles are {NEVER_LOADED}",
                       cure=f"take the same network as .mat, .npz or .h5. {CURE}")
    return refusal(path, f"is a zip without the arrays of a VGG: {', '.join(names[:20]) or 'nothing'} is in it",
                   why="conv1_1_W, conv1_1_b ... or conv1_1/kernel, conv1_1/bias ... are needed")
