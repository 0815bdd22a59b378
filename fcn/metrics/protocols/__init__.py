"""One file per protocol: how scores are computed from confusion matrices, by whose convention.

    SIZE        "original" or "network": on which predictions it is computed
    TEXT        one sentence: the convention and its source
    scored(num_classes, ignored_ids) -> ids         whose rows count; pixels with another label count nowhere
    compute(sums, weights, ids=None) -> {name: float64 (B,)}
    ratios(sums, ids=None) -> {name: iou.Ratios}    the same scores of all images, for confidence.py
where both have all names of iou.NAMES, and may have others; sums is a confusion.Sums of the scored ids, weights float64
(B, images) says how often each image counts (ones for the plain scores, 0 and 1 for a permutation test), and ids are
those that means are over, all by default.
"""

import numpy as np

from fcn.core import errors, registry
from fcn.metrics import confusion, iou

REQUIRED = ("SIZE", "TEXT", "scored(num_classes, ignored_ids)", "compute(sums, weights, ids)", "ratios(sums, ids)")


def computed(original, network, ignored_ids):
    """{name: (module, Sums)} of every protocol whose ConfusionMatrices are there. original, network: these, or None."""
    matrices = {"original": original, "network": network}
    return {name: (module, sums(module, matrices[module.SIZE], ignored_ids))
            for name, module in registry.load_all("protocols").items()
            if matrices[module.SIZE] is not None}


def sums(module, matrices, ignored_ids):
    """The Sums that a protocol is computed from: those of the ids that it scores."""
    scored = module.scored(matrices.num_classes, ignored_ids)
    return matrices.sums([i for i in range(matrices.num_classes) if i not in scored])


def check(num_classes, ignored_ids):
    """Raise UsageError for a protocol of a plugin folder that does not keep to the contract.

    It is computed from small matrices, before a net runs for hours to make real ones.
    """
    images = confusion.Counting(num_classes)
    every_id = np.arange(num_classes, dtype=np.uint8)
    for name in ("one", "two", "three"):
        images.add(name, every_id, every_id)
    for name, module in registry.load_all("protocols").items():
        problem = registry.is_plugin("protocols", name) and _problem(module, images.done(), ignored_ids)
        if problem:
            raise errors.UsageError(problem, where=module.__file__, fix="docs/plugins.md has an example.")


def _problem(module, matrices, ignored_ids):
    """What in a protocol is not as the contract has it, for the matrices of three images; or ""."""
    if module.SIZE not in ("original", "network") or not isinstance(module.TEXT, str):
        return f"SIZE is {module.SIZE!r} and TEXT {module.TEXT!r}, expected 'original' or 'network', and a text"
    scored = module.scored(matrices.num_classes, ignored_ids)
    if not isinstance(scored, tuple | list | set | range) or not set(range(matrices.num_classes)) >= set(scored):
        return f"scored() gives {scored!r}, expected ids from 0 to {matrices.num_classes - 1}"
    found = sums(module, matrices, ignored_ids)
    scores, ratios = module.compute(found, np.array([[1.0, 1, 1], [0, 1, 0]]), None), module.ratios(found, None)
    for function, given in (("compute", scores), ("ratios", ratios)):
        if not isinstance(given, dict) or not set(given) >= set(iou.NAMES):
            return f"{function}() gives {given!r}, expected a dict with {', '.join(iou.NAMES)}"
    if set(scores) != set(ratios):
        return f"compute() gives {', '.join(scores)}, but ratios() gives {', '.join(ratios)}"
    for name, ratio in ratios.items():
        if np.shape(scores[name]) != (2,):
            return f"compute() gives {name} of shape {np.shape(scores[name])} for two rows of weights, expected (2,)"
        if not isinstance(ratio, iou.Ratios) or not (
                np.shape(ratio.above) == np.shape(ratio.below) == (3, *np.shape(ratio.weight))):
            return f"ratios() gives {ratio!r} as {name}, expected iou.Ratios of three images"
    return ""
