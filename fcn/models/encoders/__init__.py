"""Encoders: images -> features at several strides. One file each; a net names its encoder by the file's name.

An encoder module NAME.py has

    FEATURES                     ((name, stride, channels), ...) of every feature level, from fine to coarse; or
    features(widths, variant)    the same as a function, where channels depend on the weights' file (see widths() below)
                                 or on the net's Variants (None if it has no VARIANT)
    preprocess(images, mean_rgb) float32 (N, H, W, 3) RGB 0-255 -> float32 (N, H, W, 3), as build() expects it; mean_rgb
                                 is the mean colour in --weights or --mean-rgb, 0-255
    build(images, settings)      {name: tensor} of all features. images: preprocessed, float32 or bfloat16; settings: an
                                 architecture.BuildSettings. A feature is (N, ceil(H / stride), ceil(W / stride),
                                 channels), of the images' type. Layers are made by fcn/models/layers.py, or otherwise
                                 by tf.get_variable, in the order of the forward pass

For a batch of 2 images of 100 x 150 px, FEATURES = (("half", 2, 16), ("quarter", 4, 32)) promises
{"half": (2, 50, 75, 16), "quarter": (2, 25, 38, 32)}.

What an encoder may have besides; without it the answer is "unknown", and everything works:

    widths(known)                {layer: output channels}, the Architecture.widths, of {layer: output channels} in the
                                 weights' file ({} without one). Default: {}, for an encoder of fixed widths
    layer_names(widths)          names of its layers in the order of the forward pass: --freeze is checked before data
                                 are prepared. Default: --freeze is checked when the graph is built
    check(widths, variant)       raises UsageError for a variant that these widths forbid
    STRIDES                      {layer: stride} for --dry-run. Default: those of the features
    memory_map(widths, size_px, variant)
                                 the MemoryMap of one image. Default: memory is not estimated
    receptive_field(spans, widths, variant)
                                 (first, last) input pixel along one axis, in an image without end, that cells of
                                 features depend on; spans: {feature: (first, last) cell}. Default: --overlap exact is
                                 refused

An encoder that imports TensorFlow at its top works. Those of this package import it in build(), so that everything else
is answered in a moment, before TensorFlow's seconds.
"""

import dataclasses

REQUIRED = ("FEATURES or features(widths, variant)", "preprocess(images, mean_rgb)", "build(images, settings)")


@dataclasses.dataclass(frozen=True)
class MemoryMap:
    """Sizes of what an encoder computes for one image.

    activations: {layer: (height, width, channels)} in the order of the forward pass. workspace: numbers that are held
    besides for a moment, where the most memory is taken.
    """

    activations: dict[str, tuple[int, int, int]]
    workspace: int = 0
