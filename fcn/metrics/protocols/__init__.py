"""One file per protocol: how scores are computed from confusion matrices, by whose convention.

    SIZE        "original" or "network": on which predictions it is computed
    TEXT        one sentence: the convention and its source
    scored(num_classes, ignored_ids) -> ids         whose rows count; pixels with another label count nowhere
    compute(sums, weights, ids=None) -> {each of iou.NAMES: float64 (B,)}
    ratios(sums, ids=None) -> {each of iou.NAMES: iou.Ratios}       the same scores of all images, for confidence.py
where sums is a confusion.Sums of the scored ids, weights float64 (B, images) says how often each image counts (ones for
the plain scores, 0 and 1 for a permutation test), and ids are those that means are over, all by default.
"""

from fcn.core import registry

REQUIRED = ("SIZE", "TEXT", "scored(num_classes, ignored_ids)", "compute(sums, weights, ids)", "ratios(sums, ids)")


def computed(original, network, ignored_ids):
    """{name: (module, Sums)} of every protocol whose ConfusionMatrices are there. original, network: these, or None."""
    matrices = {"original": original, "network": network}
    return {name: (module, sums(module, matrices[module.SIZE], ignored_ids))
            for name, module in registry.every("protocols").items()
            if matrices[module.SIZE] is not None}


def sums(module, matrices, ignored_ids):
    """The Sums that a protocol is computed from: those of the ids that it scores."""
    scored = module.scored(matrices.num_classes, ignored_ids)
    return matrices.sums([i for i in range(matrices.num_classes) if i not in scored])
