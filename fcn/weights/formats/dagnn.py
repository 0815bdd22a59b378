"""MatConvNet DagNN: a VGG or FCN as `params`, `layers` and `meta`. Read and written.

read() accepts the published pascal-fcn32s-dag, -16s, -8s and -8s-tvg, nets trained with matconvnet-fcn, bare VGGs, and
files of write(). Layers are identified by name, in all spellings of these files. Sources: vlfeat/matconvnet,
utils/import-caffe.py, utils/layers.py and @DagNN/saveobj.m; vlfeat/matconvnet-fcn, fcnInitializeModel*.m.
"""


import numpy as np

from fcn.weights.formats import _dagnn_blocks, _dagnn_layers, _heads, _layers, _mat
from fcn.weights.formats._published import HEIGHT_WIDTH, RGB
from fcn.weights.formats._weights import Weights, new_file, refusal

DOCUMENTED = HEIGHT_WIDTH, RGB  # manual of MatConvNet; its importer transposes Caffe's kernels to this order


def read(content, path):
    """Convert a DagNN to Weights. The layers determine the net and the alignment of an FCN.

    content: result of _mat.load. Raises WeightsError if a layer is missing, has a wrong shape or holds a value that is
    not finite, or if the net is neither a VGG nor a known FCN.
    """
    layers = _dagnn_layers.parsed(content, path)
    stored = {item["name"]: _dagnn_layers.with_bias(item["values"], item["name"], path)
              for item in layers if item["type"] == "dagnn.Conv" and item["values"]}
    whole = any(item["type"] == "dagnn.ConvTranspose" for item in layers)
    note = _heads.read_note("".join(_mat.texts(_mat.field(content, "meta", "fcn"))))  # None in files of other programs
    noted, ignored_ids, size = note or _heads.NO_NOTE
    image = _mat.mean_image(content)
    if image is None:
        raise refusal(path, "has no mean colour: neither meta.normalization.averageImage nor .rgbMean")
    mean = _layers.mean_colour(image, path)
    found, (axes, reverse), notes = _layers.read_vgg(stored, path, DOCUMENTED, not whole and note is None, len(mean))
    mean = mean[::-1].copy() if reverse else mean
    if not whole:
        return Weights(found, mean, notes)
    net, scaling = _dagnn_layers.net(stored, layers, path)
    for name in _heads.NETS[net][0]:
        found[name] = _layers.kernel_and_bias(stored[name], name, path)
    alignment = _dagnn_layers.alignment(next(item for item in layers if item["name"] == "conv1_1"), path)
    kept, more = _dagnn_layers.upsampling(net, layers, found, axes, alignment, path)
    if not noted.get("learn_upsampling") and all(_heads.is_plain(kernel) for kernel, _ in kept.values()):
        kept = {}  # fixed bilinear kernels are generated, not stored
    found = _heads.in_order(net, found | kept)
    _heads.check(net, found, path)
    variant = noted | {"alignment": alignment} | _dagnn_layers.pooling(layers, path) | scaling
    variant["learn_upsampling"] = bool(kept) or bool(variant.get("learn_upsampling"))
    names, classes = _class_names(content), found["score_fr"][0].shape[3]
    return Weights(found, mean, notes + more, net, variant, names if len(names) == classes else (), ignored_ids, size)


def write(path, weights):
    """Write Weights as a DagNN, which MATLAB loads with dagnn.DagNN.loadobj(load(path)). read() returns the same bits.

    A bare VGG ends at relu7 or pool5; an FCN goes from "data" to "score". Raises UsageError if the file exists.
    """
    if weights.net is not None:
        _heads.check(weights.net, weights.layers, path)
    blocks = _dagnn_blocks.blocks(weights)
    params = [(name, value) for block in blocks for name, value in block.params.items()]
    content = {
        "vars": _structs([{"name": name} for name in dict.fromkeys(v for b in blocks for v in b.inputs + b.outputs)]),
        "params": _structs([{"name": name, "value": value, "learningRate": _dagnn_blocks.learning_rate(name, weights),
                             "weightDecay": float(not name.endswith("_bias"))} for name, value in params]),
        "layers": _structs([{"name": b.name, "type": b.type, "inputs": _cell(b.inputs), "outputs": _cell(b.outputs),
                             "params": _cell(b.params), "block": _structs([b.options] if b.options else [])}
                            for b in blocks]),
        "meta": _structs([_meta(weights)]),
    }
    with new_file(path) as file:
        import scipy.io  # takes 0.1 s; --help does without
        scipy.io.savemat(file, content, oned_as="column")


def _meta(weights):
    meta = {"normalization": _structs([{"averageImage": weights.mean_rgb.reshape(1, 1, -1)}]),
            "fcn": _heads.as_note(weights)}
    names = _cell(weights.class_names)
    return meta | ({"classes": _structs([{"name": names, "description": names}])} if weights.class_names else {})


def _class_names(content):
    for name in ("description", "name"):
        found = _mat.texts(_mat.field(content, "meta", "classes", name))
        if found:
            return tuple(found)
    return ()


def _structs(dicts):
    """Return a MATLAB struct array (1, n) of dicts with equal keys."""
    if not dicts:  # [] is what MatConvNet's importer writes for an empty block
        return np.zeros((0, 0))
    array = np.empty((1, len(dicts)), [(key, object) for key in dicts[0]])
    for i, fields in enumerate(dicts):
        for key, value in fields.items():
            array[key][0, i] = value
    return array


def _cell(items):
    cell = np.empty((1, len(items)), object)
    cell[0, :] = list(items)
    return cell
