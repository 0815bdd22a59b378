"""MatConvNet SimpleNN: imagenet-vgg-verydeep-19.mat and -16.mat of both releases, and the oldest with `filters`.

The mean is in `normalization` (beta16) or `meta.normalization` (later). The order of a layer's fields differs too, so
fields are read by name. Fully connected layers are stored as convolutions: fc6 is 7 x 7, fc7 is 1 x 1.
"""

from fcn.weights.formats import _layers, _mat
from fcn.weights.formats._published import HEIGHT_WIDTH, RGB
from fcn.weights.formats._weights import Weights, refusal

DOCUMENTED = HEIGHT_WIDTH, RGB  # manual of MatConvNet, section 4.1


def read(content, path):
    """Convert a SimpleNN to the Weights of a VGG. A net that ends at pool5 has no fc6 and fc7.

    content: result of _mat.load. Raises WeightsError if a layer or the mean colour is missing, or if a layer has a
    wrong shape or holds a value that is not finite.
    """
    image = _mat.mean_image(content)
    mean = None if image is None else _layers.mean_colour(image, path)
    layers, (_, reverse), notes = _layers.read_vgg(_stored_layers(content["layers"], path), path, DOCUMENTED,
                                                   channels=3 if mean is None else len(mean))
    if mean is None:
        raise refusal(path, "has no mean colour: neither normalization.averageImage nor meta.normalization."
                            "averageImage")
    return Weights(layers, mean[::-1].copy() if reverse else mean, notes)


def _stored_layers(cell, path):
    """Return {layer: (kernel, bias) as stored} of the layers with weights."""
    found = {}
    if cell.dtype.kind != "O" or cell.dtype.names:
        raise refusal(path, f"`layers` has type {cell.dtype}, expected MatConvNet's cell array of layers")
    for item in cell.ravel():
        for layer in _mat.rows(item)[:1]:
            name = "".join(_mat.texts(layer.get("name", ""))[:1])
            pair = layer.get("weights")
            if pair is None and "filters" in layer and "biases" in layer:  # the oldest release
                found[name] = layer["filters"], layer["biases"]
            elif pair is not None and pair.dtype.kind == "O" and pair.size >= 2:
                found[name] = tuple(pair.ravel()[:2])
    return found
