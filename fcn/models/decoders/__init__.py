"""Decoders: features -> class scores of every pixel. One file each; nets refer to a decoder by its file's name.

A decoder module NAME.py defines

    build(features, num_classes, settings)
        Return the scores: a tensor (N, H, W, num_classes), or the result of layers.conv2d_transpose (Blocks) cropped to
        settings.image_size. features: {name: tensor} of the encoder (fcn/models/encoders), in the dtype of --precision;
        cast to float32 before the last layer, as scores are float32. settings: architecture.BuildSettings.

Optional:

    STRIDES
        {layer: stride}, layers that --dry-run lists. Default: none.
    NET_DEFINES
        Names that the module of the net must define. Such a decoder is only used by nets with a file.
    pads_image(strides)
        Return whether images are padded at the bottom and right to a multiple of the encoder's largest stride, so that
        every feature is exactly twice as large as the next; the scores are cropped afterwards. strides: {feature:
        stride}. Default: no.
    score_count(size_px, architecture)
        Return how many numbers the scores of one image have. Default: num_classes per pixel.
    cells(pixel, architecture)
        Return {feature: (first, last) cell} along one axis on which output pixel `pixel` depends, in an infinite image;
        None if unknown. Default: unknown, and --overlap exact is not available.

A decoder may read settings from the module of the net (settings.net). Its docstring lists their names.
"""

REQUIRED = ("build(features, num_classes, settings)",)
