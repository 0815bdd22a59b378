"""The formulas of the FCN authors on predictions at network size."""

from fcn.metrics.protocols import berkeley

SIZE = "network"
TEXT = "network size, labelled pixels only, means over the classes that occur"

scored, compute, ratios = berkeley.scored, berkeley.compute, berkeley.ratios
