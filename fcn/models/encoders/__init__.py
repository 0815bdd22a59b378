"""Encoders: images -> features at several strides. One file each; nets refer to an encoder by its file's name.

An encoder module NAME.py defines

    FEATURES
        ((name, stride, channels), ...) of all features, from fine to coarse.
    features(widths, variant)
        Instead of FEATURES, if channels depend on the weight file (see widths() below) or on the net's Variants.
        variant: variants.Variants, or None for a net without VARIANT.
    preprocess(images, mean_rgb)
        Return the input of build(), float32 (N, H, W, channels). images: float32 (N, H, W, channels), 0-255, RGB for 3
        channels. mean_rgb: mean of each channel, 0-255, of --weights, --mean-rgb or the training images.
    build(images, settings)
        Return {name: tensor} of all features, each (N, ceil(H / stride), ceil(W / stride), channels) in the dtype of
        the images. images: preprocessed, in the dtype of --precision. settings: architecture.BuildSettings. Create
        layers with fcn/models/layers.py or variables with tf.get_variable, in the order of the forward pass.

Example: for 2 images of 100 x 150 px, FEATURES = (("half", 2, 16), ("quarter", 4, 32)) requires tensors of shape
{"half": (2, 50, 75, 16), "quarter": (2, 25, 38, 32)}.

Optional:

    WEIGHTS
        Name of the published file that --weights defaults to, in the folder weights/ (weights/README.md). Without the
        file, training starts from random values. Default: that of VGG-19, and an error without it.
    widths(known)
        Return Architecture.widths, {layer: output channels}. known: {layer: output channels} in the weight file, {}
        without one. Default: {}, for an encoder with fixed widths.
    layer_names(widths)
        Return the names of the layers in the order of the forward pass. With it, --freeze is checked before data are
        prepared. Default: --freeze is checked when the graph is built.
    check(widths, variant)
        Raise UsageError for a variant that these widths do not support.
    STRIDES
        {layer: stride}, layers that --dry-run lists. Default: the features.
    memory_map(widths, size_px, variant)
        Return the MemoryMap of one image of size_px = (height, width). Default: read from a graph, with that of
        the decoder.
    receptive_field(spans, widths, variant)
        Return (first, last) input pixel along one axis on which cells of features depend, in an infinite image. spans:
        {feature: (first, last) cell}. Default: unknown, and --overlap exact is not available.

Encoders may import TensorFlow at the top of the file. Those of this package import it in build(), because commands
check flags and files before they spend seconds on importing TensorFlow.
"""

import dataclasses

REQUIRED = ("FEATURES or features(widths, variant)", "preprocess(images, mean_rgb)", "build(images, settings)")


@dataclasses.dataclass(frozen=True)
class MemoryMap:
    """Sizes of an encoder's activations for one image.

    activations: {layer: (height, width, channels)} in the order of the forward pass. workspace: how many further
    numbers are held temporarily at the peak of memory.
    """

    activations: dict[str, tuple[int, int, int]]
    workspace: int = 0
