"""What the graph of a model is made of, as plain values: what config.json keeps, and what encoder and decoder get."""

import dataclasses
import types
from typing import TYPE_CHECKING

from fcn.config import variants
from fcn.config.variants import Variants

if TYPE_CHECKING:
    from fcn.models.tf_compat import tf


@dataclasses.dataclass(frozen=True)
class Architecture:
    """All that decides which variables a graph has and what it computes from an image; the loss is not part of it.

    net: a name in fcn/models/nets. widths: {layer of the encoder: output channels}, where the encoder leaves them to
    the weights. mean_rgb: mean colour of the images, 0-255. variant: {field of variants.Variants: value}, only of nets
    that have a VARIANT; None and a missing field are the net's own value. precision: "float32" or "bfloat16", of the
    encoder. gradient_checkpointing: compute the encoder's activations again in the backward pass.
    """

    net: str
    num_classes: int
    widths: dict[str, int] = dataclasses.field(default_factory=dict)
    mean_rgb: tuple[float, float, float] = (0.0, 0.0, 0.0)
    variant: dict = dataclasses.field(default_factory=dict)
    precision: str = "float32"
    gradient_checkpointing: bool = False

    @classmethod
    def from_dict(cls, model):
        """The Architecture in "model" of a run's config.json, of any version; what is said of the loss is left out."""
        red, green, blue = model["mean_rgb"]
        return cls(model["net"], model["num_classes"], dict(model["channels"]), (red, green, blue),
                   dict(model.get("choices") or {}), model.get("precision", "float32"), model.get("recompute", False))

    def to_dict(self):
        """What config.json says of it: from_dict() reads it back."""
        return {"net": self.net, "num_classes": self.num_classes, "channels": self.widths,
                "mean_rgb": list(self.mean_rgb), "choices": self.variant, "precision": self.precision,
                "recompute": self.gradient_checkpointing}

    def chosen(self):
        """The Variants of the net, with the changes in `variant`; None for a net without VARIANT. Raises UsageError."""
        return variants.variants_of(self.net, **self.variant)


@dataclasses.dataclass(frozen=True)
class BuildSettings:
    """What an encoder and a decoder may need to build their part of a graph, beside their input.

    net: the module of the net, for decoders that read settings from it. widths: Architecture.widths. variant: the
    Variants of nets that have a VARIANT, else None. image_size: height and width of the images, int32 scalars.
    keep_prob: float32 scalar, the share of activations that dropout keeps; None where there is no dropout in the graph.
    dropout_seed: int32 (2,), another one for each batch. training: bool scalar, True in a training step: batch
    normalisation takes the moments of the batch, else its moving averages. False, a Python bool, in a graph that is
    never trained.
    """

    net: types.ModuleType
    widths: dict[str, int]
    variant: Variants | None
    image_size: tuple
    keep_prob: "tf.Tensor | None"
    dropout_seed: "tf.Tensor"
    training: "tf.Tensor | bool"
