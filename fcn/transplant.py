"""Which weights of a file go into which layer of the net, and a report of it: Berkeley's net surgery, made visible.

After fcn.berkeleyvision.org's surgery.py: transplant() copies layers by name, expand_score() gives the score layers
other classes. A net whose fc6 and fc7 were not copied learns next to nothing (CSAILVision/sceneparsing#16), and
nothing says so but a report.
"""

import dataclasses
import json
import re

import numpy as np

from fcn import runlog

# Axes of kernel and bias that count classes. deconv1 and deconv3 are the first and last of
# the ports' feature fusion.
CLASS_AXES = {r"score_\w+": ((3,), (0,)), r"upscore\w*": ((2, 3), ()), r"deconv1": ((3,), ()), r"deconv3": ((2,), (0,))}


@dataclasses.dataclass(frozen=True)
class Row:
    """One layer: what became of it ("copied", "reshaped", "fresh", "dropped"), why, its shape, its kernel's norm."""

    layer: str
    fate: str
    shape: tuple
    norm: float
    why: str = ""


def plan(stored, needed, keep_fresh=(), classes=None):
    """({variable: array}, [Row, ...]): what is put into the variables, and what becomes of every layer but fresh ones.

    stored: {layer: (kernel, bias or None)}. needed: {variable: shape} such as "conv1_1/kernel". keep_fresh: layers that
    are not taken although the file has them. classes: ((old id, new id), ...) that are carried, and old and new number
    of classes; None if layers with a class axis are copied as they are.
    """
    arrays: dict[str, np.ndarray] = {}
    rows = []
    for layer, parts in stored.items():
        names = [f"{layer}/{part}" for part in ("kernel", "bias")]
        found = {name: array for name, array in zip(names, parts, strict=True) if name in needed and array is not None}
        if not found:
            rows.append(_row(layer, "dropped", parts[0], "this net has no such variable"))
        elif layer in keep_fresh:
            rows.append(_row(layer, "dropped", parts[0], "it starts from random weights"))
        else:
            fitted = {name: _fitted(layer, name, array, needed[name], classes) for name, array in found.items()}
            if any(array is None for array in fitted.values()):
                rows.append(_row(layer, "dropped", parts[0], f"needed is {tuple(needed[names[0]])}"))
                continue
            arrays |= fitted
            kernel = fitted[names[0]]
            same = kernel.shape == parts[0].shape and np.array_equal(kernel, parts[0])
            why = "" if same else f"{len(classes[0])} of {classes[1]} classes carried"
            rows.append(_row(layer, "copied" if same else "reshaped", kernel, why))
    return arrays, rows


def _fitted(layer, name, array, shape, classes):
    """The array in this shape: as it is, or with its classes carried; None if that cannot be."""
    axes = next((axes for pattern, axes in CLASS_AXES.items() if re.fullmatch(pattern, layer)), ((), ()))
    mine = axes[0] if name.endswith("/kernel") else axes[1]
    if classes is None or not mine:
        return array if array.shape == tuple(shape) else None
    for axis in mine:
        if array.shape[axis] != classes[1] or shape[axis] != classes[2]:
            return None
        array = _carried(array, axis, classes)
    return array if array.shape == tuple(shape) else None


def _carried(array, axis, classes):
    pairs, _, count = classes
    shape = list(array.shape)
    shape[axis] = count
    result = np.zeros(shape, array.dtype)
    if pairs:
        old, new = (list(ids) for ids in zip(*pairs, strict=True))
        result[(slice(None),) * axis + (new,)] = array[(slice(None),) * axis + (old,)]
    return result


def carried_classes(how, old_names, new_names):
    """((old id, new id), ...): classes whose scores are carried. how: "name", "id" or "fresh" (none).

    By name is the only safe way between data sets; by id is Berkeley's expand_score, for a list that was extended.
    """
    if how == "fresh":
        return ()
    if how == "id":
        return tuple((i, i) for i in range(min(len(old_names), len(new_names))))
    ids = {name.casefold(): i for i, name in enumerate(old_names)}
    return tuple((ids[name.casefold()], i) for i, name in enumerate(new_names) if name.casefold() in ids)


def channel_names(class_names, channels):
    """A name for every channel of a net; those of ignored labels that are trained besides have no class name."""
    return (*class_names, *(f"label {i}" for i in range(len(class_names), channels)))


def _row(layer, fate, kernel, why=""):
    return Row(layer, fate, tuple(int(side) for side in kernel.shape), norm(kernel), why)


def fresh(variable, array):
    """The Row of a kernel that no file had."""
    return _row(variable.rsplit("/", 1)[0], "fresh", array)


def norm(array):
    """Euclidean norm in float64, of arrays of any size without a copy of all of it."""
    flat = np.ravel(array)
    return float(np.sqrt(sum(np.dot(part, part) for part in
                             (flat[i:i + 2 ** 20].astype(np.float64) for i in range(0, flat.size, 2 ** 20)))))


def text(rows):
    """The report as a table, layers in order; a column of norms in which a zero or a monster is seen at once."""
    lines = [f"  {'layer':<14}{'':<10}{'kernel':<22}{'norm':>10}"]
    lines += [f"  {row.layer:<14}{row.fate:<10}{' x '.join(map(str, row.shape)):<22}{row.norm:>10.4g}"
              + (f"  {row.why}" if row.why else "") for row in rows]
    return "\n".join(lines)


def write(path, rows):
    runlog.write_whole(path, json.dumps([dataclasses.asdict(row) for row in rows], indent=1))
