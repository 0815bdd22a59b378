"""Plain values that define a graph: Architecture, stored in config.json, and BuildSettings, for encoder and decoder."""

import dataclasses
import types
from typing import TYPE_CHECKING

from fcn.config import variants
from fcn.config.variants import Variants

if TYPE_CHECKING:
    from fcn.models.tf_compat import tf


SOFTMAX, SIGMOID = "softmax", "sigmoid"  # values of --output


@dataclasses.dataclass(frozen=True)
class Architecture:
    """All values that determine a graph's variables and outputs, without the loss.

    net: a name in fcn/models/nets. widths: {layer of the encoder: output channels}, where the encoder leaves them to
    the weights. mean_rgb: mean of each channel of the images, 0-255; its length is the number of channels, 3 for
    RGB. variant: {field of variants.Variants: value}, only of nets
    that have a VARIANT; None and a missing field are the net's own value. precision: of convolutions, "float32",
    "bfloat16" or "float16". output: "softmax", or "sigmoid" for a net of two classes with one output z: its logits are
    (0, z), whose softmax is (1 - sigmoid(z), sigmoid(z)).
    """

    net: str
    num_classes: int
    widths: dict[str, int] = dataclasses.field(default_factory=dict)
    mean_rgb: tuple[float, ...] = (0.0, 0.0, 0.0)
    variant: dict = dataclasses.field(default_factory=dict)
    precision: str = "float32"
    output: str = SOFTMAX

    @classmethod
    def from_dict(cls, model):
        """Create an Architecture from "model" of a run's config.json, of any version. Ignores fields of the loss."""
        return cls(model["net"], model["num_classes"], dict(model["channels"]), tuple(model["mean_rgb"]),
                   dict(model.get("choices") or {}), model.get("precision", "float32"),
                   model.get("output", SOFTMAX))

    @property
    def image_channels(self):
        """Number of channels of the images."""
        return len(self.mean_rgb)

    def to_dict(self):
        """Return a dict for config.json, which from_dict() reads."""
        return {"net": self.net, "num_classes": self.num_classes, "channels": self.widths,
                "mean_rgb": list(self.mean_rgb), "choices": self.variant, "precision": self.precision,
                "output": self.output}

    def chosen(self):
        """Return the net's Variants updated by `variant`, or None for a net without VARIANT. Raises UsageError."""
        return variants.variants_of(self.net, **self.variant)


@dataclasses.dataclass(frozen=True)
class BuildSettings:
    """Settings with which encoder and decoder build their part of a graph.

    net: module of the net, for decoders that read settings from it.
    widths: Architecture.widths.
    variant: Variants of a net with a VARIANT, else None.
    image_size: (height, width) of the images in the encoder, int32 scalars.
    keep_prob: float32 scalar, probability that dropout keeps an activation. None: a graph without dropout.
    dropout_seed: int32 (2,), different for each batch.
    training: bool scalar. True: batch normalisation uses the moments of the batch; False: its moving averages. The
        Python value False in a graph that is never trained.
    strides: {feature of the encoder: its stride}, from fine to coarse.
    """

    net: types.ModuleType
    widths: dict[str, int]
    variant: Variants | None
    image_size: tuple
    keep_prob: "tf.Tensor | None"
    dropout_seed: "tf.Tensor"
    training: "tf.Tensor | bool"
    strides: dict[str, int] = dataclasses.field(default_factory=dict)
