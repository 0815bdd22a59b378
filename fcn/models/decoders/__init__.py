"""Decoders: features -> scores of every pixel. One file each; a net names its decoder by the file's name.

A decoder module NAME.py has

    build(features, num_classes, settings)
                                 the scores: float32 Blocks over the image (what layers.conv2d_transpose gives, cropped
                                 to settings.image_size), or an ordinary tensor (N, H, W, num_classes). features:
                                 {name: tensor} of the encoder, see fcn/models/encoders; settings:
                                 architecture.BuildSettings

What a decoder may have besides; without it the answer is "unknown", and everything works:

    STRIDES                      {layer: stride} for --dry-run. Default: none of its layers is listed
    score_count(size_px, architecture)
                                 numbers in the scores of one image. Default: num_classes for each pixel
    cells(pixel, architecture)   {feature: (first, last) cell} along one axis that an output pixel depends on, in an
                                 image without end; None if unknown. Default: --overlap exact is refused

A decoder may read settings from the module of the net, settings.net, under names that its docstring lists.
"""

REQUIRED = ("build(features, num_classes, settings)",)
