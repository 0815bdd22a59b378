"""Which weights of a file go into which layer of the net, and a report of it: Berkeley's net surgery, made visible.

After fcn.berkeleyvision.org's surgery.py: transplant() copies layers by name, expand_score() gives the score layers
other classes. A net whose fc6 and fc7 were not copied learns next to nothing (CSAILVision/sceneparsing#16), and
nothing says so but a report.
"""

import dataclasses
import re

import numpy as np

from fcn.core import atomic_io, tables

BLOCK = 4096  # numbers; NumPy splits longer products over threads, which takes longer than the product


@dataclasses.dataclass(frozen=True)
class LayerReport:
    """One layer: what became of it ("copied", "reshaped", "fresh", "dropped"), why, its shape, its kernel's norm."""

    layer: str
    fate: str
    shape: tuple
    norm: float
    why: str = ""


def plan_transfer(stored, needed, keep_fresh=(), classes=None, start=None, factors=None):
    """({variable: array}, [LayerReport, ...]): the variables' values, and what is done with each layer of the file.

    stored: {layer: (kernel, bias or None)}. needed: {variable: shape} such as "conv1_1/kernel". keep_fresh: layers that
    are not taken although the file has them. classes: ((old id, new id), ...) that are carried, and old and new number
    of classes; None if layers with a class axis are copied as they are. start(variable): its fresh value, which other
    classes keep (default: zero). factors: {layer: factor on its kernel}.
    """
    arrays: dict[str, np.ndarray] = {}
    rows = []
    for layer, parts in stored.items():
        found = {f"{layer}/{part}": array for part, array in zip(("kernel", "bias"), parts, strict=True)
                 if f"{layer}/{part}" in needed and array is not None}
        if not found or layer in keep_fresh:
            why = "it starts from random weights" if found else "this net has no such variable"
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
            rows.append(_row(layer, "dropped", parts[0], f"needed is {tuple(needed[next(iter(found))])}"))
            continue
        same = all(array is found[name] or np.array_equal(array, found[name]) for name, array in fitted.items())
        why = ", ".join(([] if same else [f"{len(classes[0])} of {classes[1]} classes carried"])
                        + ([f"x {factor:g}, for pools are scaled otherwise here"] if factor != 1 else []))
        rows.append(_row(layer, "reshaped" if why else "copied", kernel, why))
        arrays |= fitted
    return arrays, rows


def is_other(name, names):
    """Whether the variable `name` is neither a kernel nor the bias beside one in `names`; not for plan_transfer()."""
    layer, _, part = name.rpartition("/")
    return part != "kernel" and (part != "bias" or f"{layer}/kernel" not in names)


def others(stored, needed):
    """({variable: array}, [LayerReport, ...]) of variables that are neither kernel nor bias, such as moving averages.

    stored: {variable: array}. needed: {variable: shape}. A layer is copied whole, or dropped.
    """
    arrays: dict[str, np.ndarray] = {}
    rows = []
    for layer, own in _of_layers(stored).items():
        missing = [name for name in own if name not in needed]
        misfits = [f"needed is {tuple(needed[name])}" for name in own if name not in missing
                   and own[name].shape != tuple(needed[name])]
        why = "this net has no such variable" if missing else misfits[0] if misfits else ""
        rows.append(_row_of_others(layer, "dropped" if why else "copied", own, why))
        arrays |= {} if why else own
    return arrays, rows


def fresh_others(arrays):
    """The LayerReports of {variable: array} that no file had, of variables that are neither kernel nor bias."""
    return [_row_of_others(layer, "fresh", own) for layer, own in _of_layers(arrays).items()]


def _of_layers(arrays):
    """{layer: {variable: array}}"""
    found: dict[str, dict] = {}
    for name, array in arrays.items():
        found.setdefault(name.rpartition("/")[0], {})[name] = array
    return found


def _row_of_others(layer, fate, arrays, why=""):
    """The LayerReport of a layer's other variables: the shape of the first, the norm of all; `why` lists them."""
    names = ", ".join(name.rpartition("/")[2] for name in arrays)
    first, *_ = arrays.values()
    return LayerReport(layer, fate, first.shape, norm(np.concatenate([array.ravel() for array in arrays.values()])),
                       f"{names}: {why}" if why else names)


def _class_axes(layer, stored):
    """{"kernel": axes, "bias": axes} of a layer that count classes; {} if none does."""
    if re.fullmatch(r"score_\w+", layer):
        return {"kernel": (3,), "bias": (0,)}
    if re.fullmatch(r"upscore\w*", layer):
        return {"kernel": (2, 3)}
    # deconv1, deconv2, ... of the ports' feature fusion: the first takes scores, the last gives logits.
    first, last = layer == "deconv1", layer == max((n for n in stored if n.startswith("deconv")), default=None)
    axes = ((2,) if last else ()) + ((3,) if first else ())
    return ({"kernel": axes} if axes else {}) | ({"bias": (0,)} if last else {})


def _fitted(array, shape, axes, classes, start):
    """The array in this shape: as it is, or with its classes carried along `axes`; None if that cannot be."""
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
    """((old id, new id), ...): classes whose scores are carried. how: "name", "id" or "fresh" (none).

    By name is the only safe way between data sets; by id is Berkeley's expand_score, for a list that was extended.
    """
    if how == "fresh":
        return ()
    if how == "id":
        return tuple((i, i) for i in range(min(len(old_names), len(new_names))))
    ids = {name: i for i, name in enumerate(_counted(old_names))}
    return tuple((ids[name], i) for i, name in enumerate(_counted(new_names)) if name in ids)


def _counted(names):
    """(name, how many of that name came before): two classes of one name are the first and the second of it."""
    names = [name.casefold() for name in names]
    return [(name, names[:i].count(name)) for i, name in enumerate(names)]


def channel_names(class_names, channels):
    """A name for every channel of a net; those of ignored labels that are trained besides have no class name."""
    return (*class_names, *(f"label {i}" for i in range(len(class_names), channels)))


def _row(layer, fate, kernel, why=""):
    return LayerReport(layer, fate, tuple(int(side) for side in kernel.shape), norm(kernel), why)


def fresh(variable, array):
    """The LayerReport of a kernel that no file had."""
    return _row(variable.rsplit("/", 1)[0], "fresh", array)


def norm(array):
    """Euclidean norm in float64, of arrays of any size without a copy of all of it."""
    flat = np.ravel(array)
    return float(np.sqrt(sum(np.dot(part, part) for part in
                             (flat[i:i + BLOCK].astype(np.float64) for i in range(0, flat.size, BLOCK)))))


def report_text(rows):
    """The report as a table, layers in order; a column of norms in which a zero or a monster is seen at once."""
    columns = ["<layer", "<", "<kernel", ">norm", ""]
    return "\n".join(tables.lines(columns, [
        [row.layer, row.fate, " x ".join(map(str, row.shape)), f"{row.norm:.4g}", row.why] for row in rows], indent=2))


def write_report(path, rows):
    atomic_io.write_json(path, [dataclasses.asdict(row) for row in rows])
