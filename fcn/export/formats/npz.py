"""NumPy's .npz: the weights by layer, mean colour, name of the net and class names (weights/README.md)."""

from fcn.export.formats import _weights
from fcn.weights.formats import npz

outputs = _weights.outputs


def write(path, checkpoint, model):
    """Write the file, as the contract of fcn/export/formats says."""
    return _weights.write(path, checkpoint, npz)
