"""VGG-19 as a table: configuration E of Simonyan & Zisserman (2015), table 1. A 2 x 2 max pool closes every stage."""

STAGES = (       # convolutions, channels; then the stride after the pool that closes the stage
    (2, 64),     #  2
    (2, 128),    #  4
    (4, 256),    #  8  pool3, fused last
    (4, 512),    # 16  pool4, fused first
    (4, 512),    # 32
)
FC_CHANNELS = 4096
CONVOLUTIONS = tuple(f"conv{stage}_{i + 1}" for stage, (count, _) in enumerate(STAGES, 1) for i in range(count))
FULLY_CONNECTED = ("fc6", "fc7")


def widths(known=None):
    """{layer: output channels}, the published ones unless `known` (from the weights' file) has others.

    fc6 and fc7 that `known` lacks are 8 times as wide as conv5_4, as published.
    """
    table = {name: STAGES[int(name[4]) - 1][1] for name in CONVOLUTIONS}
    table |= {name: width for name, width in (known or {}).items() if name in table}
    fc = FC_CHANNELS * table["conv5_4"] // STAGES[-1][1]
    return table | {"fc6": (known or {}).get("fc6", fc), "fc7": (known or {}).get("fc7", fc)}
