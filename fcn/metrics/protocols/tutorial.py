"""Protocol of the tutorials: network size, with "other" as a class."""

from fcn.metrics.protocols import berkeley

SIZE = "network"
TEXT = "network size, labels resized by nearest neighbour, with \"other\" as a class (151 for ADE20K), means over " \
       "the classes that occur: what the tutorials after shekkizh/FCN.tensorflow evaluate, with the formulas of " \
       "Berkeley's score.py, because their own code confuses its variables; not comparable with the benchmark"


def scored(num_classes, ignored_ids):
    """All ids. Ignored ids among the channels count as classes."""
    return tuple(range(num_classes))


compute = berkeley.compute
ratios = berkeley.ratios
