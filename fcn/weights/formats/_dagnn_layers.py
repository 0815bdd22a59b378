"""Parsing of the layers of a DagNN: names, the net that they form, padding, pooling and upsampling."""

import re

import numpy as np

from fcn.weights.formats import _dagnn_blocks, _heads, _layers, _mat
from fcn.weights.formats._weights import refusal

# matconvnet-fcn uses skip4 and, in its FCN-32s, fc8. Berkeley's nets for PASCAL-Context use score59.
SPELLINGS = ((r"(score_?pool|skip_?)4.*", "score_pool4"), (r"(score_?pool|skip_?)3.*", "score_pool3"),
             (r"score(_?fr.*|\d*)|fc8.*", "score_fr"), (r"(fc[67])_conv", r"\1"))


def parsed(content, path):
    """Return each layer as {"name", "type", "inputs", "outputs", "block", "values": [kernel, bias] as stored}."""
    values = {"".join(_mat.texts(row.get("name"))): row.get("value") for row in _mat.rows(content["params"])}
    rows = _mat.rows(content.get("layers"))
    if not values or not rows or any("params" not in row for row in rows):
        raise refusal(path, "is not a DagNN: expected `params` and `layers` to be arrays of structs")
    layers = []
    for row in rows:
        params = _mat.texts(row["params"])
        missing = [name for name in params if values.get(name) is None]
        if missing:
            raise refusal(path, f"has no values for {', '.join(missing)}")
        if not params and _mat.texts(row.get("type")) in (["dagnn.Conv"], ["dagnn.ConvTranspose"]):
            raise refusal(path, f"{''.join(_mat.texts(row.get('name')))} has no filters")
        layers.append({"name": canonical_name("".join(_mat.texts(row.get("name"))[:1])),
                       "type": "".join(_mat.texts(row.get("type"))[:1]), "inputs": _mat.texts(row.get("inputs")),
                       "outputs": _mat.texts(row.get("outputs")), "block": row.get("block"),
                       "values": [values[name] for name in params]})
    return layers


def canonical_name(name):
    """Return this project's name of a layer, e.g. score_pool4 for score-pool4 or skip4."""
    name = name.lower().replace("-", "_")
    for pattern, ours in SPELLINGS:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, ours, name)
    return name


def net(stored, layers, path):
    """Return (name of the net, {"pool_scaling": True} if the pools are scaled and the name does not imply it)."""
    scores = tuple(name for name in _heads.FCN8S[0] if name in stored)
    count = sum(item["type"] == "dagnn.ConvTranspose" for item in layers)
    nets = [net for net, (needed, ups) in _heads.NETS.items() if needed == scores and len(ups) == count]
    if not nets:
        raise refusal(path, f"is not an FCN-32s, -16s or -8s: it has {', '.join(scores) or 'no score layer'} and "
                            f"{count} upsampling layers")
    scales = [item["values"][0] for item in layers if item["type"] == "dagnn.Scale" and item["values"]]
    if not scales:
        return nets[0], {}
    factors = sorted(float(value) for scale in scales for value in _layers.numbers(scale, "a scale", path).ravel()[:1])
    known = sorted(factor for name, factor in _heads.POOL_SCALES.items() if name in scores)
    if len(factors) != len(known) or not np.allclose(factors, known, rtol=1e-3):
        raise refusal(path, f"scales its pools by {factors}, expected {known} or no scales for {nets[0]}")
    return nets[-1], {} if nets[-1] == "fcn8s_atonce" else {"pool_scaling": True}


def pooling(layers, path):
    """Return {"pool": value} for average pooling, {} if all pools are max pools."""
    methods = {item["name"]: "".join(_mat.texts(_mat.field(item["block"], "method"))) for item in layers
               if item["type"] == "dagnn.Pooling"}
    averaged = tuple(int(name[4]) for name in sorted(methods) if methods[name] == "avg" and name[4:].isdigit())
    found = [choice for choice, stages in _dagnn_blocks.AVERAGED.items() if stages == averaged]
    if not found:
        raise refusal(path, f"has average pooling in pools {averaged} only, expected in all, 1 to 4 or none")
    return {"pool": found[0]} if averaged else {}


def alignment(first, path):
    """Return "pad100" or "same", from the padding of conv1_1."""
    pad = _mat.field(first["block"], "pad")
    pads = set(_layers.numbers(pad, "conv1_1's pad", path).ravel().tolist()) if pad is not None else {1.0}
    if pads == {100.0}:
        return "pad100"
    if pads <= {1.0}:
        return "same"
    raise refusal(path, f"pads its image by {sorted(pads)}, expected 100 (as published) or 1")


def with_bias(values, name, path):
    """Return [kernel, bias], with a bias of zeros if the layer has none."""
    if len(values) > 1 and np.asarray(values[1]).size:
        return values[:2]
    kernel = _layers.numbers(values[0], name, path)
    return [kernel, np.zeros(kernel.shape[3] if kernel.ndim == 4 else 1, np.float32)]


def upsampling(net, layers, found, axes, alignment, path):
    """Return ({layer: (kernel, None)}, notes) of all transposed convolutions.

    The published nets have biases in upsampling layers. They are added to the bias of the score layer whose output is
    summed with the upsampled map, in `found`; the output of the net does not change. For the last upsampling layer, it
    is
    the score layer that it interpolates: with "pad100", its weights sum to 1 at every pixel that the crop keeps.
    """
    scores, factors = _heads.NETS[net]
    coarse = {name for item in layers if item["name"] == "score_fr" for name in item["outputs"]}
    all_of_them = [item for item in layers if item["type"] == "dagnn.ConvTranspose"]
    ordered = sorted(all_of_them, key=lambda item: coarse.isdisjoint(item["inputs"]))  # else in the order of the file
    kept: dict[str, tuple] = {}
    notes: tuple[str, ...] = ()
    for number, (name, item) in enumerate(zip(factors, ordered, strict=True)):
        kernel, bias = (_layers.numbers(value, item["name"], path) for value in with_bias(item["values"], name, path))
        kernel = _layers.transposed(_heads.ungrouped(_layers.four_axes(kernel, item["name"], path)), axes)
        side = 2 * factors[name]
        if kernel.shape[:2] != (side, side) or kernel.shape[2] != kernel.shape[3]:
            raise refusal(path, f"{item['name']} has kernel {kernel.shape}, expected {side} x {side} and as many input "
                                f"as output channels for {name} of {net}")
        plain = _heads.is_plain(kernel)
        kept[name] = kernel, None
        if not bias.any():
            continue
        target = scores[min(number + 1, len(scores) - 1)]
        last = number + 1 == len(factors)
        if bias.size != kernel.shape[2] or (last and not (plain and alignment == "pad100")):
            raise refusal(path, f"{item['name']} has {bias.size} biases, expected none")
        found[target] = found[target][0], found[target][1] + bias.ravel()
        notes += (f"added the bias of {item['name']} to that of {target}; the output does not change",)
    return kept, notes
