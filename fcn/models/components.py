"""Access to the encoder and decoder of a net, with defaults for the optional parts of their contracts.

Contracts: docstrings of fcn/models/encoders, fcn/models/decoders and fcn/models/nets. Only Components.decoder imports
TensorFlow, unless the module of the net or encoder does.
"""

import dataclasses
import functools
import math
import types

from fcn.core import errors, registry
from fcn.models.encoders import MemoryMap


@dataclasses.dataclass(frozen=True)
class Components:
    """The modules of a net and its encoder; created by of()."""

    name: str
    net: types.ModuleType
    encoder: types.ModuleType

    @functools.cached_property
    def decoder(self):
        """Module of the decoder. The net's decode() takes precedence over DECODER."""
        if hasattr(self.net, "decode"):
            return types.SimpleNamespace(build=self.net.decode)
        return registry.load("decoders", self.net.DECODER)

    def pads_image(self, strides):
        """Return whether images are padded to a multiple of the largest stride. strides: {feature: stride}."""
        return hasattr(self.decoder, "pads_image") and self.decoder.pads_image(strides)

    def features(self, architecture):
        """Return ((name, stride, channels), ...) of the encoder, from fine to coarse."""
        if hasattr(self.encoder, "features"):
            return tuple(self.encoder.features(architecture.widths, architecture.chosen()))
        return tuple(self.encoder.FEATURES)

    def is_plugin(self):
        """Return whether the net or its encoder comes from a plugin folder."""
        return registry.is_plugin("nets", self.name) or registry.is_plugin("encoders", self.net.ENCODER)

    def decoder_file(self):
        """Return the path of the file that defines the decoder."""
        return getattr(self.decoder, "__file__", self.net.__file__)

    def check_features(self, features, architecture, size_px=(None, None)):
        """Raise UsageError unless `features`, {name: tensor}, match the names and channels that the encoder declares.

        size_px: (height, width) of the images. If both are known, strides are compared too.
        """
        declared = {name: channels for name, _, channels in self.features(architecture)}
        if not isinstance(features, dict):
            raise errors.UsageError(f"build() gives {type(features).__name__}, expected a dict {{name: tensor}}",
                                    where=self.encoder.__file__)
        found = {name: int(tensor.shape[3]) for name, tensor in features.items()}
        if found != declared:
            raise errors.UsageError(f"build() gives features of channels {found}, declared are {declared}",
                                    where=self.encoder.__file__,
                                    fix="list the features of build() in FEATURES or features() (docs/plugins.md).")
        if None not in size_px:
            self._check_strides(features, architecture, size_px)

    def _check_strides(self, features, architecture, size_px):
        for name, stride, _ in self.features(architecture):
            found = features[name].shape.as_list()[1:3]
            expected = [math.ceil(side / stride) for side in size_px]
            if None not in found and found != expected:
                raise errors.UsageError(f"feature {name} of an image of {size_px} px has size {found}, expected "
                                        f"{expected} for stride {stride}", where=self.encoder.__file__,
                                        fix="correct the strides in FEATURES or features().")

    def widths(self, known):
        """Return Architecture.widths for a weight file. known: its {layer: output channels}."""
        return self.encoder.widths(known) if hasattr(self.encoder, "widths") else {}

    def layer_names(self, widths):
        """Return the encoder's layers in the order of the forward pass, or None if they are unknown before building."""
        return tuple(self.encoder.layer_names(widths)) if hasattr(self.encoder, "layer_names") else None

    def check(self, widths, variant):
        """Raise UsageError if the encoder does not support `variant` (Variants or None) at these widths."""
        if hasattr(self.encoder, "check"):
            self.encoder.check(widths, variant)

    def strides(self, architecture):
        """Return {layer: stride} for the list of a dry run, from images to logits."""
        features = {name: stride for name, stride, _ in self.features(architecture)}
        return {"images": 1, **getattr(self.encoder, "STRIDES", features), **getattr(self.decoder, "STRIDES", {}),
                "logits": 1}

    def memory_map(self, architecture, size_px) -> MemoryMap:
        """Return the MemoryMap for an image of (height, width) px; without one of the encoder, that of a graph."""
        if not hasattr(self.encoder, "memory_map"):
            from fcn.models import graph_builder  # imports this module
            return graph_builder.memory_map(architecture, size_px)
        return self.encoder.memory_map(architecture.widths, size_px, architecture.chosen())

    def score_count(self, architecture, size_px):
        """Return how many numbers the scores of an image of (height, width) px have."""
        if hasattr(self.decoder, "score_count"):
            return self.decoder.score_count(size_px, architecture)
        return architecture.num_classes * size_px[0] * size_px[1]

    def receptive_field(self, pixel, architecture):
        """Return (first, last) input pixel along one axis on which output pixel `pixel` depends, or None if unknown.

        The image is taken to be infinite.
        """
        if not hasattr(self.decoder, "cells") or not hasattr(self.encoder, "receptive_field"):
            return None
        cells = self.decoder.cells(pixel, architecture)
        return cells and self.encoder.receptive_field(cells, architecture.widths, architecture.chosen())


def of(name):
    """Return the Components of a net. Raises UsageError if the name is unknown or a module violates its contract."""
    net = registry.load("nets", name)
    return Components(name, net, registry.load("encoders", net.ENCODER))


def common_stride(architecture):
    """Return the least common multiple of the strides of all features, in px."""
    return math.lcm(*(stride for _, stride, _ in of(architecture.net).features(architecture)))


def margin(architecture):
    """Return the largest distance, in px along one axis, at which an input pixel affects an output pixel.

    None if the encoder or decoder does not define its receptive field.

    The margin is larger than the receptive fields usually quoted (404 px for VGG-16, 460 for VGG-19, 428 for VGG-19 up
    to conv5_3). Those are of one cell of fc6; an output pixel is a weighted mean of several cells and may be at their
    edge.
    """
    net = of(architecture.net)
    fields = [net.receptive_field(pixel, architecture) for pixel in range(common_stride(architecture))]
    if None in fields:
        return None
    return max(max(pixel - first, last - pixel) for pixel, (first, last) in enumerate(fields))
