"""One file a protocol: how numbers are made of confusion matrices, by whose convention.

A protocol has
    SIZE      "original" or "network": on which predictions it is computed
    TEXT      one sentence: the convention and its source
    scored(num_classes, ignored_ids) -> ids     whose rows count; pixels with another label count nowhere
    compute(sums, weights, ids=None) -> {name: float64 (B,)}
    ratios(sums, ids=None) -> {name: iou.Ratios}    the same numbers of all images, as intervals.py needs them
where sums is a matrices.Sums of the scored ids, weights float64 (B, images) says how often each image counts (ones for
the plain numbers, 0 and 1 for a permutation test), and ids are those that means are over, all by default.
"""
