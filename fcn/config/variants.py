"""The options in which published FCNs differ: a net is one row of this table, an ablation changes one field of it.

The defaults are those of Long, Shelhamer & Darrell. A port that differs has another value in one field.
"""

import dataclasses

from fcn.core import errors, registry


@dataclasses.dataclass(frozen=True)
class Variants:
    """One field per option; ALLOWED lists the values of those that are texts.

    alignment: "same": sizes rounded up at every pool, SAME padding (matconvnet-fcn); "pad100": the input padded by 100
        px, fc6 unpadded, outputs cropped at 19 | 5, 27 | 5, 9, 31 px (fcn.berkeleyvision.org). In both,
        output pixels are aligned with input pixels.
    pool: "max"; "avg" in all five; "avg1to4": average in pool1..4, maximum in pool5 (shekkizh).
    last_layer: what goes into pool5: "last" is the last convolution after its ReLU (relu5_3 in VGG-16, relu5_4 in
        VGG-19); "conv5_3" is conv5_3 before its ReLU. Convolutions after it are built, as in the ports, and not used.
    fc: fc6 and fc7 "transplanted" (copied) from the weight file, or "random".
    fusion: "scores": 1 x 1 scores of pool4 and pool3 are added, upsampling is bilinear; "features": learned transposed
        convolutions into the channels of pool4 and pool3, which are added raw.
    init_stddev: standard deviation of initial weights, a normal distribution cut at two deviations; 0: scores start at
        zero, random fc6 and fc7 with He's deviation, transposed convolutions of fused features with 0.0001 (they cannot
        start at zero).
    pool_scaling: multiply pool4 by 0.01 and pool3 by 0.0001 before scoring (PAMI 2017, at-once training).
    score_relu: a ReLU on the scores of fc7.
    learn_upsampling: the bilinear upsampling kernels are trained; otherwise they are fixed (lr_mult 0).
    """

    alignment: str = "same"
    pool: str = "max"
    last_layer: str = "last"
    fc: str = "transplanted"
    fusion: str = "scores"
    init_stddev: float = 0.0
    pool_scaling: bool = False
    score_relu: bool = False
    learn_upsampling: bool = False


ALLOWED = {
    "alignment": ("same", "pad100"),
    "pool": ("max", "avg", "avg1to4"),
    "last_layer": ("last", "relu5_3", "conv5_3", "relu5_4", "conv5_4"),
    "fc": ("transplanted", "random"),
    "fusion": ("scores", "features"),
}
NAMES = tuple(field.name for field in dataclasses.fields(Variants))


def is_valid(name, value):
    """Whether the field `name` of Variants may have this value."""
    kinds = {field.name: type(field.default) for field in dataclasses.fields(Variants)}
    if name in ALLOWED:
        return value in ALLOWED[name]
    if kinds.get(name) is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e3
    return name in kinds and isinstance(value, kinds[name])


def variants_of(net, **given):
    """The Variants of a net, changed by the given values that are not None; None if the net has no VARIANT.

    net: a name in fcn/models/nets. Raises UsageError for an invalid value, for two values with which nothing is
    learned, and for any value that is given to a net without VARIANT.
    """
    changes = {name: value for name, value in given.items() if value is not None}
    for name, value in changes.items():
        if not is_valid(name, value):
            raise errors.UsageError(f"invalid {name} {value!r}", fix=f"use one of {', '.join(ALLOWED[name])}."
                                    if name in ALLOWED else f"{flag_of(name)} is described by fcn train --help-all.")
    own = getattr(registry.load("nets", net), "VARIANT", None)
    if own is None:
        if changes:
            raise errors.UsageError(f"the net {net} has no {', '.join(flag_of(name) for name in changes)}",
                                    fix=f"leave out {' and '.join(map(flag_of, changes))}, or give another --net.")
        return None
    chosen = dataclasses.replace(own, **changes)
    if chosen.score_relu and not chosen.init_stddev:
        raise errors.UsageError("--score-relu with scores that start at zero: their gradient stays zero",
                                fix="add --init-stddev 0.0001, or give --no-score-relu.")
    if chosen.fusion == "features" and given.get("pool_scaling"):
        raise errors.UsageError("--pool-scaling has no effect with --fusion features",
                                fix="leave out one of the two.")
    return chosen


def flag_of(name):
    """'--last-layer' of 'last_layer'."""
    return f"--{name.replace('_', '-')}"
