"""One file per protocol: how scores are computed from confusion matrices, by whose convention.

    SIZE        "original" or "network": on which predictions it is computed
    TEXT        one sentence: the convention and its source
    scored(num_classes, ignored_ids) -> ids         whose rows count; pixels with another label count nowhere
    compute(sums, weights, ids=None) -> {each of iou.NAMES: float64 (B,)}
    ratios(sums, ids=None) -> {each of iou.NAMES: iou.Ratios}       the same scores of all images, for intervals.py
where sums is a matrices.Sums of the scored ids, weights float64 (B, images) says how often each image counts (ones for
the plain scores, 0 and 1 for a permutation test), and ids are those that means are over, all by default.
"""

REQUIRED = ("SIZE", "TEXT", "scored(num_classes, ignored_ids)", "compute(sums, weights, ids)", "ratios(sums, ids)")
