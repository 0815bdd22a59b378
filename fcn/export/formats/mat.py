"""MatConvNet's DagNN, for MATLAB: the net from "data" to "score" (weights/README.md)."""

from fcn.export.formats import _weights
from fcn.weights.formats import dagnn

outputs = _weights.outputs


def write(path, checkpoint, model):
    """Write the file, as the contract of fcn/export/formats says."""
    return _weights.write(path, checkpoint, dagnn)
