"""Protocols, one file each: a convention for computing scores from confusion matrices.

A file defines

    SIZE = "original"                               the predictions that are scored: "original" for those at the size of
                                                    the label file, "network" for those at network size
    TEXT                                            one sentence: the convention and its source
    scored(num_classes, ignored_ids) -> ids         ids of the classes that count; pixels with another label do not
    compute(sums, weights, ids) -> {name: score}    scores in [0, 1], float64 (B,)
    ratios(sums, ids) -> {name: iou.Ratios}         the same scores of all images, for confidence intervals

A file may define

    flag_sums(matrices) -> sums                     if it scores labels whose pixels are sets of flags: the Sums of
                                                    ConfusionMatrices of label_flags.matrix()
    boundary_sums(matrices, ignored_ids) -> sums    if it scores boundaries: the Sums of ConfusionMatrices of
                                                    boundary.matrix()
    per_class(sums, names, ids) -> rows             rows of its own for the classes; lists of dicts with "id", "name"

sums is a confusion.Sums of the scored ids. weights, float64 (B, images), is how often each image counts: ones for the
scores, 0 and 1 for a permutation test. ids are those of the classes in the means, None for all scored ids; give it the
default None. compute and ratios return the same names: those of iou.NAMES, and any others.
"""

import numpy as np

from fcn.core import errors, registry
from fcn.metrics import confusion, iou

REQUIRED = ("SIZE", "TEXT", "scored(num_classes, ignored_ids)", "compute(sums, weights, ids)", "ratios(sums, ids)")


def computed(original, network, ignored_ids, others=None):
    """{name: (module, Sums)} of all protocols for which there are matrices.

    original, network: ConfusionMatrices of predictions at original and at network size, or None. others: {"flags":
    those of label_flags.matrix(), for labels of flags, "boundary": those of boundary.matrix()}, at original size.
    """
    matrices = {"original": original, "network": network, **(others or {})}
    found = {name: (module, matrices.get(kind(module)))
             for name, module in registry.load_all("protocols").items()}
    return {name: (module, sums(module, of_size, ignored_ids)) for name, (module, of_size) in found.items()
            if of_size is not None}


def kind(module):
    """The matrices that a protocol scores: network, original, flags or boundary."""
    return "flags" if hasattr(module, "flag_sums") else "boundary" if hasattr(module, "boundary_sums") else module.SIZE


def sums(module, matrices, ignored_ids):
    """The Sums of the ids that a protocol scores."""
    if hasattr(module, "flag_sums"):
        return module.flag_sums(matrices)
    if hasattr(module, "boundary_sums"):
        return module.boundary_sums(matrices, ignored_ids)
    scored = module.scored(matrices.num_classes, ignored_ids)
    return matrices.sums([i for i in range(matrices.num_classes) if i not in scored])


def check(num_classes, ignored_ids):
    """Raise UsageError for a protocol of a plugin folder that does not fulfil the contract.

    The protocols are tried on small matrices before the net runs.
    """
    images = confusion.Counting(num_classes)
    every_id = np.arange(num_classes)
    for name in ("one", "two", "three"):
        images.add(name, every_id, every_id)
    for name, module in registry.load_all("protocols").items():
        problem = registry.is_plugin("protocols", name) and _problem(module, images.done(), ignored_ids)
        if problem:
            raise errors.UsageError(problem, where=module.__file__, fix="docs/plugins.md has an example.")


def _problem(module, matrices, ignored_ids):
    """How a protocol breaks the contract for the matrices of three images; or ""."""
    if module.SIZE not in ("original", "network") or not isinstance(module.TEXT, str):
        return f"SIZE is {module.SIZE!r} and TEXT {module.TEXT!r}, expected 'original' or 'network', and a string"
    scored = module.scored(matrices.num_classes, ignored_ids)
    if not isinstance(scored, tuple | list | set | range) or not set(range(matrices.num_classes)) >= set(scored):
        return f"scored() returns {scored!r}, expected ids from 0 to {matrices.num_classes - 1}"
    found = sums(module, matrices, ignored_ids)
    scores, ratios = module.compute(found, np.array([[1.0, 1, 1], [0, 1, 0]]), None), module.ratios(found, None)
    for function, given in (("compute", scores), ("ratios", ratios)):
        if not isinstance(given, dict) or not set(given) >= set(iou.NAMES):
            return f"{function}() returns {given!r}, expected a dict with {', '.join(iou.NAMES)}"
    if set(scores) != set(ratios):
        return f"compute() returns {', '.join(scores)}, but ratios() returns {', '.join(ratios)}"
    for name, ratio in ratios.items():
        if np.shape(scores[name]) != (2,):
            return f"compute() returns {name} of shape {np.shape(scores[name])} for two rows of weights, expected (2,)"
        if not isinstance(ratio, iou.Ratios) or not (
                np.shape(ratio.above) == np.shape(ratio.below) == (3, *np.shape(ratio.weight))):
            return f"ratios() returns {ratio!r} as {name}, expected iou.Ratios of three images"
    return ""
