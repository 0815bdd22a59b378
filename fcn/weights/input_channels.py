"""Fit the first convolution of a net for RGB images to images of another number of channels."""

import numpy as np

HOW = ("mean", "zeros")
RGB = 3


def fit(layers, needed, offsets, how="mean"):
    """Return ({layer: (kernel, bias)}, {layer: text for the loading report}) of the layers that read RGB images.

    layers: {name: (kernel (size, size, 3, out), bias (out,) or None)} of a file. needed: {variable: shape} of the net,
    with names such as "conv1_1/kernel"; a layer is changed if the net has another number of input channels there.
    offsets: (RGB, net), what preprocessing makes of the value 0 in each channel: minus the mean colour.
    how: filters of the channels after the first three, which keep those of red, green and blue: "mean" of the RGB
    filters, as for depth in nyud-fcn32s-color-d/solve.py of fcn.berkeleyvision.org; or "zeros".

    One or two channels share the sum of the RGB filters. The bias takes up the difference of the mean colours, so that
    a grey image gives the activations of its RGB repetition, except at the border: zeros, with which convolutions pad,
    are another colour then.
    """
    fitted, texts = {}, {}
    for name, (kernel, bias) in layers.items():
        shape = needed.get(f"{name}/kernel", ())
        if len(shape) != 4 or shape[2] == RGB or kernel.shape != (*shape[:2], RGB, shape[3]):
            continue
        if shape[2] < RGB:
            fitted[name] = _summed(kernel, bias, shape[2], offsets)
            texts[name] = f"{shape[2]} of 3 input channels: the sum of the RGB filters" + " / 2" * (shape[2] == 2)
        else:
            extra = kernel.mean(axis=2, keepdims=True) * (how == "mean")
            fitted[name] = np.concatenate([kernel, *[extra] * (shape[2] - RGB)], axis=2), bias
            texts[name] = f"input channels 4 to {shape[2]}: " + ("mean of the RGB filters" if how == "mean" else how)
            texts[name] = texts[name].replace("4 to 4", "4").replace("channels 4:", "channel 4:")
    return fitted, texts


def _summed(kernel, bias, channels, offsets):
    """(kernel, bias) of one or two channels, each with an equal part of the sum of the RGB filters."""
    summed = kernel.sum(axis=2, keepdims=True).repeat(channels, axis=2) / np.float32(channels)
    if bias is not None:
        before, after = (np.einsum("hwio,i->o", one, np.asarray(offset, np.float32))
                         for one, offset in zip((kernel, summed), offsets, strict=True))
        bias = bias + (before - after)
    return summed, bias
