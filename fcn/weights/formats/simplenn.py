"""MatConvNet SimpleNN: imagenet-vgg-verydeep-19.mat and -16.mat, both releases, and the oldest with `filters`.

The mean stands under `normalization` (beta16) or under `meta.normalization` (later), and the order of a layer's fields
differs, so every field is read by its name. Of a fully connected layer MatConvNet keeps the convolution that it is:
fc6 is 7 x 7, fc7 is 1 x 1.
"""

from fcn.weights.formats import _layers, _mat
from fcn.weights.formats._published import HEIGHT_WIDTH, RGB
from fcn.weights.formats._weights import Weights, refusal

DOCUMENTED = HEIGHT_WIDTH, RGB  # manual of MatConvNet, section 4.1


def read(content, path):
    """The Weights of a VGG in the variables of a .mat; without fc6 and fc7 if the net ends at pool5.

    Raises WeightsError if a layer is missing, misshapen or not finite, or if there is no mean colour.
    """
    layers, (_, reverse), notes = _layers.body(_stored_layers(content["layers"], path), path, DOCUMENTED)
    image = _mat.mean_image(content)
    if image is None:
        raise refusal(path, "has no mean colour: neither normalization.averageImage nor meta.normalization."
                            "averageImage")
    mean = _layers.mean_colour(image, path)
    return Weights(layers, mean[::-1].copy() if reverse else mean, notes)


def _stored_layers(cell, path):
    """{layer name: (kernel, bias) as stored} of the layers that have weights."""
    found = {}
    if cell.dtype.kind != "O" or cell.dtype.names:
        raise refusal(path, "`layers` is not MatConvNet's cell array of layers", why=f"it is {cell.dtype}")
    for item in cell.ravel():
        for layer in _mat.rows(item)[:1]:
            name = "".join(_mat.texts(layer.get("name", ""))[:1])
            pair = layer.get("weights")
            if pair is None and "filters" in layer and "biases" in layer:  # the oldest release
                found[name] = layer["filters"], layer["biases"]
            elif pair is not None and pair.dtype.kind == "O" and pair.size >= 2:
                found[name] = tuple(pair.ravel()[:2])
    return found
