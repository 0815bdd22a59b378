"""U-Net with the upsampling blocks of pix2pix, with its own kernel size: 4 x 4. See unet_pix2pix.py."""

from fcn.models.decoders.unet_pix2pix import decode, pads_image

__all__ = ["build", "pads_image"]


def build(features, num_classes, settings):
    """Logits, as the contract of fcn/models/decoders says."""
    return decode(features, num_classes, settings, 4)
