"""Nets: an encoder, a decoder and their settings. One file each; the name of the file is the value of --net.

A net without settings needs no file: DECODER_ENCODER, such as unet_resnet50, is the net of a file in
fcn/models/decoders and one in fcn/models/encoders.

A net module NAME.py defines

    ENCODER
        str, name of a file in fcn/models/encoders.
    DECODER
        str, name of a file in fcn/models/decoders.
    decode(features, num_classes, settings)
        Instead of DECODER: the build() of a decoder, see fcn/models/decoders.
    VARIANT
        Optional variants.Variants, for FCNs on VGG that accept --alignment, --pool, --fusion and similar flags.

and the names that its decoder requires (listed in the decoder's docstring).
"""

REQUIRED = ("ENCODER", "DECODER or decode(features, num_classes, settings)")
