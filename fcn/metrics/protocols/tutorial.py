"""The tutorials': the size that the net sees, and "other" a class among the others."""

from fcn.metrics.protocols import berkeley

SIZE = "network"
TEXT = "network size, labels resized by nearest neighbour, \"other\" a class like any (151 for ADE20K), means over " \
       "those that occur: what the tutorials after shekkizh/FCN.tensorflow evaluate, by the formulas of Berkeley's " \
       "score.py, as their own code mixes up its variables; not comparable with the benchmark"


def scored(num_classes, ignored_ids):
    """All: ignored ids among the channels are classes here."""
    return tuple(range(num_classes))


compute = berkeley.compute
ratios = berkeley.ratios
