"""Nets: an encoder and a decoder with their settings. One file each; the file's name is the value of --net.

A net module NAME.py has

    ENCODER                      a name in fcn/models/encoders
    DECODER                      a name in fcn/models/decoders; or, instead,
    decode(features, num_classes, settings)
                                 the decoder's build() itself, see fcn/models/decoders
    VARIANT                      a variants.Variants, only where the net takes --alignment, --pool, --fusion ... and the
                                 like: options in which published FCNs on VGG differ

and what its decoder asks for. That is all: a net of another encoder and decoder is three lines.
"""

REQUIRED = ("ENCODER", "DECODER or decode(features, num_classes, settings)")
