"""The encoder and the decoder that a net names, with an answer to everything that these may leave unsaid.

The contracts are in the docstrings of fcn/models/encoders, fcn/models/decoders and fcn/models/nets. Nothing here
imports TensorFlow but Components.decoder, and an encoder or net that does so itself.
"""

import dataclasses
import functools
import math
import types

from fcn.core import errors, registry
from fcn.models.encoders import MemoryMap


@dataclasses.dataclass(frozen=True)
class Components:
    """A net's module and that of its encoder; see of()."""

    name: str
    net: types.ModuleType
    encoder: types.ModuleType

    @functools.cached_property
    def decoder(self):
        """The module of the decoder; the net's own if it has a decode()."""
        if hasattr(self.net, "decode"):
            return types.SimpleNamespace(build=self.net.decode)
        return registry.load("decoders", self.net.DECODER)

    def features(self, architecture):
        """((name, stride, channels), ...) of the encoder, from fine to coarse."""
        if hasattr(self.encoder, "features"):
            return tuple(self.encoder.features(architecture.widths, architecture.chosen()))
        return tuple(self.encoder.FEATURES)

    def is_plugin(self):
        """Whether the net or its encoder comes from a plugin folder."""
        return registry.is_plugin("nets", self.name) or registry.is_plugin("encoders", self.net.ENCODER)

    def decoder_file(self):
        """The file that has the decoder."""
        return getattr(self.decoder, "__file__", self.net.__file__)

    def check_features(self, features, architecture, size_px=(None, None)):
        """Raise UsageError unless build() gave the features {name: tensor} that the encoder promises.

        size_px: height and width of the images where the graph knows them; strides are compared then.
        """
        promised = {name: channels for name, _, channels in self.features(architecture)}
        if not isinstance(features, dict):
            raise errors.UsageError(f"build() gives {type(features).__name__}, expected a dict {{name: tensor}}",
                                    where=self.encoder.__file__)
        found = {name: int(tensor.shape[3]) for name, tensor in features.items()}
        if found != promised:
            raise errors.UsageError(f"build() gives features of channels {found}, promised are {promised}",
                                    where=self.encoder.__file__,
                                    fix="FEATURES or features() must list what build() gives (docs/plugins.md).")
        if None not in size_px:
            self._check_strides(features, architecture, size_px)

    def _check_strides(self, features, architecture, size_px):
        for name, stride, _ in self.features(architecture):
            found = features[name].shape.as_list()[1:3]
            promised = [math.ceil(side / stride) for side in size_px]
            if None not in found and found != promised:
                raise errors.UsageError(f"feature {name} of an image of {size_px} px has {found} cells, "
                                        f"stride {stride} promises {promised}", where=self.encoder.__file__,
                                        fix="give FEATURES or features() the strides of what build() gives.")

    def widths(self, known):
        """Architecture.widths for a file of weights with {layer: output channels} `known`."""
        return self.encoder.widths(known) if hasattr(self.encoder, "widths") else {}

    def layer_names(self, widths):
        """Names of the encoder's layers in the order of the forward pass; None if only its graph says so."""
        return tuple(self.encoder.layer_names(widths)) if hasattr(self.encoder, "layer_names") else None

    def check(self, widths, variant):
        """Raise UsageError for settings (Variants or None) that the encoder refuses at these widths."""
        if hasattr(self.encoder, "check"):
            self.encoder.check(widths, variant)

    def strides(self, architecture):
        """{layer: stride} of what a dry run lists, from the images to the logits."""
        features = {name: stride for name, stride, _ in self.features(architecture)}
        return {"images": 1, **getattr(self.encoder, "STRIDES", features), **getattr(self.decoder, "STRIDES", {}),
                "logits": 1}

    def memory_map(self, architecture, size_px) -> MemoryMap | None:
        """Sizes of the encoder's activations for an image of (height, width) px; None if unknown."""
        if not hasattr(self.encoder, "memory_map"):
            return None
        return self.encoder.memory_map(architecture.widths, size_px, architecture.chosen())

    def score_count(self, architecture, size_px):
        """Numbers in the scores of an image of (height, width) px."""
        if hasattr(self.decoder, "score_count"):
            return self.decoder.score_count(size_px, architecture)
        return architecture.num_classes * size_px[0] * size_px[1]

    def receptive_field(self, pixel, architecture):
        """(first, last) input pixel along one axis that an output pixel depends on, in an image without end; None if
        unknown.
        """
        if not hasattr(self.decoder, "cells") or not hasattr(self.encoder, "receptive_field"):
            return None
        cells = self.decoder.cells(pixel, architecture)
        return cells and self.encoder.receptive_field(cells, architecture.widths, architecture.chosen())


def of(name):
    """The Components of a net in fcn/models/nets. Raises UsageError for an unknown name, or a module that breaks its
    contract.
    """
    net = registry.load("nets", name)
    return Components(name, net, registry.load("encoders", net.ENCODER))


def common_stride(architecture):
    """Px: the least common multiple of the strides of all features."""
    return math.lcm(*(stride for _, stride, _ in of(architecture.net).features(architecture)))


def margin(architecture):
    """Px: an image's pixels that are farther away than this (in either axis) change nothing at an output pixel.

    The largest distance over all pixels and both sides; one pixel that is so far away does count, unless its weights
    happen to be 0. None if the net's encoder or decoder does not know.

    It is larger than the receptive field that is quoted of these nets (404 px of VGG-16, 460 of VGG-19, 428 of one that
    ends with conv5_3). That is the width of what one cell of fc6 depends on; an output pixel is a mean of several
    cells, and may lie at the edge of one.
    """
    parts = of(architecture.net)
    fields = [parts.receptive_field(pixel, architecture) for pixel in range(common_stride(architecture))]
    if None in fields:
        return None
    return max(max(pixel - first, last - pixel) for pixel, (first, last) in enumerate(fields))
