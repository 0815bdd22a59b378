"""Transfer of weights into a net by layer name, with a per-layer report.

Follows surgery.py of fcn.berkeleyvision.org: transplant() copies layers by name, expand_score() changes the number of
classes of score layers. The report shows layers that were not copied. A net without pretrained fc6 and fc7 hardly
learns (CSAILVision/sceneparsing#16).
"""

import dataclasses
import re

import numpy as np

from fcn.core import atomic_io, tables

BLOCK = 4096  # numbers per product in norm(); NumPy would compute longer ones in threads, which is slower


@dataclasses.dataclass(frozen=True)
class LayerReport:
    """Report on one layer.

    fate: "copied", "reshaped", "fresh" (initialised, not in the file) or "dropped" (in the file, not in the net).
    shape: shape of the kernel. norm: Euclidean norm of the kernel. why: the reason, "" if there is nothing to explain.
    """

    layer: str
    fate: str
    shape: tuple
    norm: float
    why: str = ""


def pattern(layer):
    """Return the name of a layer without its numbers: "conv4_block7_1_conv" -> "conv#_block#_#_conv".

    A letter after a block's number, as in "block2c_bn" of EfficientNet, belongs to the number.
    """
    return re.sub(r"(?<=block)\d+[a-z]?|\d+", "#", layer)


def plan_transfer(stored, needed, keep_fresh=(), classes=None, start=None, factors=None):
    """Map the layers of a file to the variables of a net.

    stored: {layer: (kernel, bias or None)} of the file.
    needed: {variable: shape} of the net, with names such as "conv1_1/kernel".
    keep_fresh: layers to initialise although the file has them.
    classes: (((old id, new id), ...), old number of classes, new number of classes); the scores of these classes are
        transferred. None copies layers with a class axis unchanged.
    start: function variable -> initial array, the values of the other classes. Default: zeros.
    factors: {layer: factor that multiplies its kernel}.
    Returns ({variable: array}, list of LayerReport, one for each layer of the file).
    """
    arrays: dict[str, np.ndarray] = {}
    rows = []
    for layer, parts in stored.items():
        found = {f"{layer}/{part}": array for part, array in zip(("kernel", "bias"), parts, strict=True)
                 if f"{layer}/{part}" in needed and array is not None}
        if not found or layer in keep_fresh:
            why = "initialised randomly instead" if found else "this net has no such variable"
            rows.append(_row(layer, "dropped", parts[0], why))
            continue
        factor = (factors or {}).get(layer, 1)
        if factor != 1:
            found[f"{layer}/kernel"] = found[f"{layer}/kernel"] * np.float32(factor)
        axes = _class_axes(layer, stored) if classes else {}
        fitted = {name: _fitted(array, needed[name], axes.get(name.rpartition("/")[2]), classes,
                                lambda name=name: start(name) if start else np.zeros(needed[name], np.float32))
                  for name, array in found.items()}
        kernel = next(iter(fitted.values()))
        if any(array is None for array in fitted.values()):
            rows.append(_row(layer, "dropped", parts[0], f"expected {tuple(needed[next(iter(found))])}"))
            continue
        same = all(array is found[name] or np.array_equal(array, found[name]) for name, array in fitted.items())
        why = ", ".join(([] if same else [f"{len(classes[0])} of {classes[1]} classes carried"])
                        + ([f"x {factor:g}, because this net scales its pools differently"] if factor != 1 else []))
        rows.append(_row(layer, "reshaped" if why else "copied", kernel, why))
        arrays |= fitted
    return arrays, rows


def explained(row, text):
    """Return the LayerReport of a layer that was reshaped before the transfer. text: how; None for other layers."""
    return dataclasses.replace(row, fate="reshaped", why=", ".join(filter(None, [text, row.why]))) if text else row


def is_other(name, names):
    """Return whether `name` is neither a kernel nor the bias of a kernel in `names`; others() transfers these."""
    layer, _, part = name.rpartition("/")
    return part != "kernel" and (part != "bias" or f"{layer}/kernel" not in names)


def others(stored, needed):
    """Map variables that are neither kernel nor bias, such as moving averages, to the variables of a net.

    stored: {variable: array}. needed: {variable: shape}. A layer is copied if all its variables match, else dropped.
    Returns ({variable: array}, list of LayerReport).
    """
    arrays: dict[str, np.ndarray] = {}
    rows = []
    for layer, own in _of_layers(stored).items():
        missing = [name for name in own if name not in needed]
        misfits = [f"expected {tuple(needed[name])}" for name in own if name not in missing
                   and own[name].shape != tuple(needed[name])]
        why = "this net has no such variable" if missing else misfits[0] if misfits else ""
        rows.append(_row_of_others(layer, "dropped" if why else "copied", own, why))
        arrays |= {} if why else own
    return arrays, rows


def fresh_others(arrays):
    """Return the LayerReports of initialised variables that are neither kernel nor bias. arrays: {variable: array}."""
    return [_row_of_others(layer, "fresh", own) for layer, own in _of_layers(arrays).items()]


def _of_layers(arrays):
    """Group {variable: array} by layer: {layer: {variable: array}}."""
    found: dict[str, dict] = {}
    for name, array in arrays.items():
        found.setdefault(name.rpartition("/")[0], {})[name] = array
    return found


def _row_of_others(layer, fate, arrays, why=""):
    """Return the LayerReport of a layer's other variables: shape of the first, norm of all, names in `why`."""
    names = ", ".join(name.rpartition("/")[2] for name in arrays)
    first, *_ = arrays.values()
    return LayerReport(layer, fate, first.shape, norm(np.concatenate([array.ravel() for array in arrays.values()])),
                       f"{names}: {why}" if why else names)


FINAL = {"final_conv": 3, "final_upconv": 2}  # last layers of the U-Nets, and their axis of classes


def score_channels(layers):
    """Return how many classes the scores of a net have, 0 for a bare encoder. layers: {layer: (kernel, bias)}."""
    axes = {"score_fr": 3, **FINAL}
    return next((layers[name][0].shape[axis] for name, axis in axes.items() if name in layers), 0)


def is_score(layer):
    """Return whether a layer gives the scores of classes."""
    return layer in FINAL or bool(re.fullmatch(r"score_\w+", layer))


def _class_axes(layer, stored):
    """Return the axes of a layer whose length is the number of classes: {"kernel": axes, "bias": axes}, or {}."""
    if layer in FINAL:
        return {"kernel": (FINAL[layer],), "bias": (0,)}
    if is_score(layer):
        return {"kernel": (3,), "bias": (0,)}
    if re.fullmatch(r"upscore\w*", layer):
        return {"kernel": (2, 3)}
    # deconv1, deconv2, ... of nets that fuse features: the first takes scores, the last returns logits.
    first, last = layer == "deconv1", layer == max((n for n in stored if n.startswith("deconv")), default=None)
    axes = ((2,) if last else ()) + ((3,) if first else ())
    return ({"kernel": axes} if axes else {}) | ({"bias": (0,)} if last else {})


def _fitted(array, shape, axes, classes, start):
    """Return the array in this shape, with classes transferred along `axes`; None if the shapes do not match."""
    if not axes:
        return array if array.shape == tuple(shape) else None
    pairs, old_count, new_count = classes
    if any(array.shape[axis] != old_count or shape[axis] != new_count for axis in axes) or any(
            array.shape[axis] != side for axis, side in enumerate(shape) if axis not in axes):
        return None
    old, new = zip(*pairs, strict=True) if pairs else ((), ())
    result = np.array(start())

    def cells(ids):
        return np.ix_(*(np.array(ids, int) if axis in axes else np.arange(side) for axis, side in enumerate(shape)))
    result[cells(new)] = array[cells(old)]
    return result


def carried_classes(how, old_names, new_names):
    """Return ((old id, new id), ...), the classes whose scores are transferred. how: "name", "id" or "fresh" (none).

    Between data sets only "name" is safe. "id" is Berkeley's expand_score, for a list of classes that was extended.
    """
    if how == "fresh":
        return ()
    if how == "id":
        return tuple((i, i) for i in range(min(len(old_names), len(new_names))))
    ids = {name: i for i, name in enumerate(_counted(old_names))}
    return tuple((ids[name], i) for i, name in enumerate(_counted(new_names)) if name in ids)


def carries_output(how, old_names, new_names):
    """Return whether the one output of a net of two classes (--output sigmoid) is transferred. how: as above.

    Its class is the second one; with how = "name", that must have the same name in both.
    """
    return how == "id" or (how == "name" and [name.casefold() for name in old_names[1:2]] == [
        name.casefold() for name in new_names[1:2]])


def _counted(names):
    """Return (name, number of earlier classes with that name) for each class, which distinguishes equal names."""
    names = [name.casefold() for name in names]
    return [(name, names[:i].count(name)) for i, name in enumerate(names)]


def channel_names(class_names, channels):
    """Return a name for each channel of a net. Channels beyond the classes (trained ignored ids) become "label 151"."""
    return (*class_names, *(f"label {i}" for i in range(len(class_names), channels)))


def _row(layer, fate, kernel, why=""):
    return LayerReport(layer, fate, tuple(int(side) for side in kernel.shape), norm(kernel), why)


def fresh(variable, array):
    """Return the LayerReport of an initialised kernel."""
    return _row(variable.rsplit("/", 1)[0], "fresh", array)


def norm(array):
    """Return the Euclidean norm, computed in float64 block by block, without a float64 copy of the array."""
    flat = np.ravel(array)
    return float(np.sqrt(sum(np.dot(part, part) for part in
                             (flat[i:i + BLOCK].astype(np.float64) for i in range(0, flat.size, BLOCK)))))


def report_text(rows):
    """Format the report as a table, one line per layer. The column of norms shows layers of zeros or huge weights."""
    columns = ["<layer", "<", "<kernel", ">norm", ""]
    return "\n".join(tables.lines(columns, [
        [row.layer, row.fate, " x ".join(map(str, row.shape)), f"{row.norm:.4g}", row.why] for row in rows], indent=2))


def write_report(path, rows):
    """Write the rows of the loading report as JSON."""
    atomic_io.write_json(path, [dataclasses.asdict(row) for row in rows])
